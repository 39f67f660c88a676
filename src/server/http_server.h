// The HTTP side of the server: connections, their limits and their end. HTTP/1.1 with keep-alive and pipelining, by
// Boost.Beast on Boost.Asio.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "saccade/status.h"
#include "server/http.h"

namespace saccade {

struct TlsFiles {
  std::string certificate;  // PEM, with the chain up to its root; empty, as the key: no TLS
  std::string key;          // PEM, without a password

  bool are_given() const { return !certificate.empty() || !key.empty(); }
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, or a name that has one
  uint16_t port = 8080;            // 0: one that is free
  TlsFiles tls;
  int num_io_threads = 2;
  size_t max_header_bytes = size_t{32} << 10;
  size_t max_body_bytes = size_t{96} << 20;
  int max_connections = 4096;
  int64_t idle_timeout_ms = 75'000;                // between requests
  int64_t read_timeout_ms = 15'000;                // for a request's head, and between two pieces of its body
  int64_t write_timeout_ms = 30'000;               // in which a client has to take what is written
  size_t min_bytes_per_second = size_t{16} << 10;  // of a body, once the read timeout is over
  size_t max_backlog_bytes = size_t{1} << 20;      // of an answer that the client doesn't take
};

/// Thread safety: any thread.
class HttpServer {
 public:
  /// Listens, and answers from then on. `handler` must outlive it. Errors: kInvalidArgument (no such host), kIoError (a
  /// port that is taken, no permission); of TLS those of TlsServer::open().
  static Expected<std::unique_ptr<HttpServer>> listen(const HttpServerOptions& options, HttpHandler& handler);
  /// After stop(), with what its connections' answers still hold.
  ~HttpServer();

  /// "127.0.0.1:8080", "[::1]:8080".
  std::string address() const;

  /// Reads the files of TLS anew, where there are any, for connections from here on; where that fails, what was read
  /// before stays. Errors: those of TlsServer::open().
  Status reload_certificate();

  /// Accepts no more, closes connections that wait for a request, and refuses the requests that still come in.
  void begin_drain();
  /// Whether all connections were closed within the time.
  bool wait_until_drained(int64_t timeout_ms);
  /// Closes all connections.
  void close_all();

  /// Closes what is still open, and returns once the handler is called no more. Answers in progress find that their
  /// client is gone; what holds them may outlive this call, but not this object.
  void stop();

  int num_connections() const;

  struct Shared;

 private:
  explicit HttpServer(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

/// Whether only programs on this machine can reach a server that listens there: 127.0.0.0/8, ::1, "localhost".
bool is_loopback_host(const std::string& host);

}  // namespace saccade
