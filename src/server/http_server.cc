#include "server/http_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#include "base/format.h"
#include "platform/clock.h"
#include "request/request_id.h"
#include "server/http_connection.h"
#include "server/tls.h"

namespace saccade {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int64_t kAcceptPauseMs = 100;  // where the system has no more sockets to give

}  // namespace

struct HttpServer::Shared {
  Shared(const HttpServerOptions& chosen, HttpHandler& handler)
      : options(chosen), context(options, handler), acceptor(asio::make_strand(io)), pause(acceptor.get_executor()) {}

  Status open();
  void run();
  void accept();
  void greet(tcp::socket socket);
  void post_close(bool is_forced);

  const HttpServerOptions options;
  std::unique_ptr<TlsServer> tls;  // null: plain connections
  ConnectionContext context;
  asio::io_context io;
  // The threads stay also while nothing is in flight: answers that are computed for clients that left still come.
  const asio::executor_work_guard<asio::io_context::executor_type> stays{io.get_executor()};
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::string address;
  std::vector<std::thread> threads;
};

Status HttpServer::Shared::open() {
  if (options.tls.are_given()) {
    SACCADE_ASSIGN_OR_RETURN(tls, TlsServer::open(options.tls));
  }
  error_code error;
  const auto failed = [&](const char* what) {
    return io_error(format("cannot %s %s:%d: %s; choose another with --host and --port", what, options.host.c_str(),
                           options.port, error.message().c_str()));
  };
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return invalid_argument("the host " + quote(options.host) + " has no address: " + error.message());
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed("listen on");
  const tcp::endpoint local = acceptor.local_endpoint(error);
  if (error) return failed("listen on");
  const std::string host = local.address().to_string();
  address = (local.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(local.port());
  return {};
}

// What a handler of ours lets through ends that connection, not the server.
void HttpServer::Shared::run() {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception&) {
      continue;
    }
  }
}

void HttpServer::Shared::accept() {
  acceptor.async_accept(asio::make_strand(io), [this](const error_code& error, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (!error) {
      greet(std::move(socket));
      accept();
      return;
    }
    pause.expires_after(std::chrono::milliseconds(kAcceptPauseMs));
    pause.async_wait([this](const error_code& stopped) {
      if (!stopped) accept();
    });
  });
}

void HttpServer::Shared::greet(tcp::socket socket) {
  size_t num_open = 0;
  {
    const std::lock_guard lock(context.mutex);
    num_open = context.connections.size();
  }
  if (num_open < static_cast<size_t>(options.max_connections)) {
    auto stream = tls == nullptr ? make_plain_stream(std::move(socket)) : tls->make_stream(std::move(socket));
    std::make_shared<HttpConnection>(std::move(stream), context)->start();
    return;
  }
  if (tls != nullptr) return;  // to say why would take a handshake
  HttpRequest unread;
  unread.id = new_request_id();
  unread.arrived_ms = now_ms();
  const HttpResponse refusal =
      context.handler.refusal(unread, 503, "the server has all the connections that it can take");
  const std::string text =
      format(
          "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\nx-request-id: %s\r\n"
          "content-type: %s\r\ncontent-length: %zu\r\n\r\n",
          unread.id.c_str(), refusal.content_type.c_str(), refusal.body.size()) +
      refusal.body;
  error_code ignored;
  socket.non_blocking(true, ignored);  // a socket this new takes so much at once
  asio::write(socket, asio::buffer(text), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

// A connection may end here, with the last pointer to it: it then takes itself out, for which it needs the mutex.
void HttpServer::Shared::post_close(bool is_forced) {
  std::vector<std::shared_ptr<HttpConnection>> open;
  {
    const std::lock_guard lock(context.mutex);
    for (HttpConnection* connection : context.connections) {
      if (std::shared_ptr<HttpConnection> alive = connection->weak_from_this().lock()) open.push_back(std::move(alive));
    }
  }
  for (const std::shared_ptr<HttpConnection>& connection : open) connection->post_close(is_forced);
}

HttpServer::HttpServer(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {}

Expected<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpServerOptions& options, HttpHandler& handler) {
  auto shared = std::make_unique<Shared>(options, handler);
  SACCADE_RETURN_IF_ERROR(shared->open());
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(shared)));
  Shared& state = *server->shared_;
  asio::post(state.acceptor.get_executor(), [&state] { state.accept(); });
  for (int i = 0; i < std::max(1, options.num_io_threads); ++i) {
    state.threads.emplace_back([&state] { state.run(); });
  }
  return server;
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::stop() {
  begin_drain();
  close_all();
  constexpr int64_t kCloseMs = 1000;
  wait_until_drained(kCloseMs);
  shared_->io.stop();
  for (std::thread& thread : shared_->threads) thread.join();
  shared_->threads.clear();
}

std::string HttpServer::address() const {
  return shared_->address;
}

Status HttpServer::reload_certificate() {
  return shared_->tls == nullptr ? Status() : shared_->tls->reload();
}

void HttpServer::begin_drain() {
  if (shared_->context.is_draining.exchange(true)) return;
  asio::post(shared_->acceptor.get_executor(), [shared = shared_.get()] {
    error_code ignored;
    shared->acceptor.close(ignored);
    shared->pause.cancel();
  });
  shared_->post_close(false);
}

bool HttpServer::wait_until_drained(int64_t timeout_ms) {
  std::unique_lock lock(shared_->context.mutex);
  return shared_->context.closed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                          [&] { return shared_->context.connections.empty(); });
}

void HttpServer::close_all() {
  shared_->post_close(true);
}

int HttpServer::num_connections() const {
  const std::lock_guard lock(shared_->context.mutex);
  return static_cast<int>(shared_->context.connections.size());
}

bool is_loopback_host(const std::string& host) {
  if (host == "localhost") return true;
  error_code error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

}  // namespace saccade
