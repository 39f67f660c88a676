// One connection of a client: reads requests, one after the other, and writes their answers.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/optional/optional.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_set>

#include "server/client_stream.h"
#include "server/http.h"
#include "server/http_server.h"

namespace saccade {

class HttpConnection;

/// What connections have in common with their server.
struct ConnectionContext {
  ConnectionContext(const HttpServerOptions& chosen, HttpHandler& handles) : options(chosen), handler(handles) {}

  const HttpServerOptions& options;
  HttpHandler& handler;
  std::atomic<bool> is_draining = false;

  std::mutex mutex;
  std::condition_variable closed;                   // the last one was
  std::unordered_set<HttpConnection*> connections;  // guarded by mutex; they take themselves out
};

/// A body of Beast's that fills a BodyBuffer.
struct BufferedBody {
  using value_type = BodyBuffer;
  class reader {  // NOLINT(readability-identifier-naming): Beast's name for it
   public:
    template <bool is_request, class Fields>
    reader(boost::beast::http::header<is_request, Fields>&, BodyBuffer& body) : body_(body) {}
    void init(const boost::optional<uint64_t>& length, boost::beast::error_code& error);
    template <class Buffers>
    size_t put(const Buffers& buffers, boost::beast::error_code& error) {
      size_t num_bytes = 0;
      for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers);
           ++it) {
        const boost::asio::const_buffer piece = *it;
        body_.append({static_cast<const char*>(piece.data()), piece.size()});
        num_bytes += piece.size();
      }
      error = {};
      return num_bytes;
    }
    static void finish(boost::beast::error_code& error) { error = {}; }

   private:
    BodyBuffer& body_;
  };
};

/// Everything happens on its strand, but for what its answers' HttpResponder is asked. One read is in flight at any
/// time, while an answer is computed too: that is how a client that goes away is noticed. Lives as long as something is
/// in flight.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  /// The stream runs on a strand of its own.
  HttpConnection(std::unique_ptr<ClientStream> stream, ConnectionContext& context);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  void start();
  /// Closes it if it waits for a request, or in any case. Thread safety: any thread.
  void post_close(bool is_forced);

 private:
  class Exchange;
  enum class Phase : uint8_t {
    kHandshake,  // of TLS
    kIdle,       // waits for a request's first byte
    kHead,       // reads a request's head
    kBody,       // and its body
    kAnswering,  // the handler has it
    kLingering,  // the last answer is written: what still comes is dropped, so that the client gets to read it
    kClosed,
  };
  using Parser = boost::beast::http::request_parser<BufferedBody>;

  auto executor() { return stream_->socket().get_executor(); }
  void on_handshake(const boost::system::error_code& error);
  void read();
  void on_read(const boost::system::error_code& error, size_t num_bytes);
  void begin_request();
  void feed();
  bool on_head();
  void on_request();
  void refuse(int status, std::string message);

  // For the exchange in progress.
  void send_whole(const HttpResponse& response);
  void send_head(const HttpResponse& head);
  void send_piece(std::string piece, bool is_last);

  std::string head_text(const HttpResponse& response, std::optional<size_t> body_bytes);
  void queue(std::string_view text);
  void write();
  void finish_answer();
  void linger();
  void close();

  void set_read_deadline(int64_t ms);
  void set_body_deadline();
  template <typename Function>
  void post(Function function);

  ConnectionContext& context_;
  const std::unique_ptr<ClientStream> stream_;
  boost::asio::steady_timer read_timer_;
  boost::asio::steady_timer write_timer_;
  Phase phase_ = Phase::kHandshake;

  std::string in_;  // read, not parsed yet: [in_begin_, in_end_)
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  bool is_reading_ = false;
  double bytes_arrived_ms_ = 0;  // the last that came
  boost::optional<Parser> parser_;
  HttpRequest request_;     // until the handler has it
  std::string request_id_;  // of the one in progress
  size_t num_body_bytes_ = 0;
  double body_began_ms_ = 0;
  size_t num_lingered_bytes_ = 0;

  std::stop_source gone_{std::nostopstate};  // of the exchange in progress: its client is gone
  std::shared_ptr<std::atomic<size_t>> backlog_;
  bool keeps_alive_ = false;
  bool is_head_request_ = false;
  bool is_chunked_ = false;  // the answer's stream; else it ends with the connection
  bool is_answer_whole_ = false;
  std::string out_;  // that waits to be written
  bool is_writing_ = false;
};

}  // namespace saccade
