#include "server/http_connection.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>
#include <cctype>
#include <chrono>
#include <new>
#include <sstream>
#include <utility>

#include "platform/clock.h"
#include "request/request_id.h"

namespace saccade {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kReadBytes = size_t{8} << 10;
constexpr size_t kBodyReadBytes = size_t{128} << 10;
constexpr size_t kMaxPipelinedBytes = size_t{64} << 10;  // that are read ahead while an answer is computed
constexpr size_t kMaxLingeredBytes = size_t{64} << 20;
constexpr int64_t kLingerMs = 2000;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::string_view view_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

struct Refusal {
  int status;
  const char* message;
};

Refusal refusal_of(const error_code& error) {
  if (error == http::error::header_limit) return {431, "the request's header fields are too large"};
  if (error == http::error::body_limit) return {413, "the request's body is too large"};
  if (error == http::error::bad_version) return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  if (error == http::error::bad_chunk || error == http::error::bad_chunk_extension) {
    return {400, "the request's body is not chunked as HTTP has it"};
  }
  return {400, "the request is not HTTP"};
}

}  // namespace

void BufferedBody::reader::init(const boost::optional<uint64_t>& length, boost::beast::error_code& error) {
  if (length) body_.reserve(static_cast<size_t>(*length));
  error = {};
}

// What the handler holds of an answer in progress.
class HttpConnection::Exchange : public HttpResponder {
 public:
  Exchange(std::shared_ptr<HttpConnection> connection, std::stop_source gone,
           std::shared_ptr<std::atomic<size_t>> backlog)
      : connection_(std::move(connection)), gone_(std::move(gone)), backlog_(std::move(backlog)) {}
  // One that nobody answered must not leave the client waiting.
  ~Exchange() override {
    if (is_answered_) return;
    if (has_begun_) {
      connection_->post_close(true);
    } else {
      respond(connection_->context_.handler.refusal(connection_->request_, 500, "the request was given up"));
    }
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void respond(HttpResponse response) override {
    is_answered_ = true;
    post([response = std::move(response)](HttpConnection& connection) { connection.send_whole(response); });
  }

  void begin_stream(HttpResponse head) override {
    has_begun_ = true;
    post([head = std::move(head)](HttpConnection& connection) { connection.send_head(head); });
  }

  bool write(std::string_view piece) override {
    if (is_gone()) return false;
    if (backlog_->fetch_add(piece.size()) + piece.size() > connection_->context_.options.max_backlog_bytes) {
      gone_.request_stop();
      is_answered_ = true;
      connection_->post_close(true);
      return false;
    }
    post([piece = std::string(piece)](HttpConnection& connection) mutable {
      connection.send_piece(std::move(piece), false);
    });
    return true;
  }

  void end_stream() override {
    is_answered_ = true;
    post([](HttpConnection& connection) { connection.send_piece({}, true); });
  }

  std::stop_token gone() const override { return gone_.get_token(); }

 private:
  template <typename Function>
  void post(Function function) {
    asio::post(connection_->executor(),
               [connection = connection_, gone = gone_.get_token(), function = std::move(function)]() mutable {
                 if (!gone.stop_requested()) function(*connection);
               });
  }

  const std::shared_ptr<HttpConnection> connection_;
  std::stop_source gone_;
  const std::shared_ptr<std::atomic<size_t>> backlog_;
  bool has_begun_ = false;
  bool is_answered_ = false;
};

HttpConnection::HttpConnection(std::unique_ptr<ClientStream> stream, ConnectionContext& context)
    : context_(context), stream_(std::move(stream)), read_timer_(executor()), write_timer_(executor()) {
  const std::lock_guard lock(context_.mutex);
  context_.connections.insert(this);
}

HttpConnection::~HttpConnection() {
  const std::lock_guard lock(context_.mutex);
  context_.connections.erase(this);
  if (context_.connections.empty()) context_.closed.notify_all();
}

template <typename Function>
void HttpConnection::post(Function function) {
  asio::post(executor(), [self = shared_from_this(), function = std::move(function)]() mutable { function(*self); });
}

void HttpConnection::start() {
  post([](HttpConnection& self) {
    if (self.context_.is_draining.load()) return self.close();
    error_code ignored;
    self.stream_->socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    self.set_read_deadline(self.context_.options.read_timeout_ms);
    self.stream_->async_handshake(
        [alive = self.shared_from_this()](const error_code& error) { alive->on_handshake(error); });
  });
}

void HttpConnection::on_handshake(const error_code& error) {
  if (phase_ == Phase::kClosed) return;
  if (error || context_.is_draining.load()) return close();
  phase_ = Phase::kIdle;
  set_read_deadline(context_.options.idle_timeout_ms);
  read();
}

void HttpConnection::post_close(bool is_forced) {
  post([is_forced](HttpConnection& self) {
    if (is_forced || self.phase_ == Phase::kIdle || self.phase_ == Phase::kHandshake) self.close();
  });
}

// Until it is set anew; under 0: for ever. A head or body that takes longer is answered with 408.
void HttpConnection::set_read_deadline(int64_t ms) {
  if (ms < 0) {
    read_timer_.cancel();
    return;
  }
  read_timer_.expires_after(std::chrono::milliseconds(ms));
  read_timer_.async_wait([self = shared_from_this()](const error_code& error) {
    // One that was set anew while this call was under way is not over yet.
    if (error || self->read_timer_.expiry() > std::chrono::steady_clock::now()) return;
    if (self->phase_ == Phase::kHead || self->phase_ == Phase::kBody) {
      self->refuse(408, "the request did not arrive in time");
    } else if (self->phase_ != Phase::kAnswering) {
      self->close();
    }
  });
}

// A client may be slow, but not so slow that it holds a connection for nothing.
void HttpConnection::set_body_deadline() {
  const HttpServerOptions& options = context_.options;
  const auto allowed =
      static_cast<double>(options.read_timeout_ms) +
      1000.0 * static_cast<double>(num_body_bytes_) / static_cast<double>(options.min_bytes_per_second);
  const double left = body_began_ms_ + allowed - now_ms();
  set_read_deadline(std::clamp(static_cast<int64_t>(left), int64_t{0}, options.read_timeout_ms));
}

void HttpConnection::read() {
  if (is_reading_ || phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kAnswering && in_end_ - in_begin_ >= kMaxPipelinedBytes) return;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  const size_t wanted = phase_ == Phase::kBody || phase_ == Phase::kLingering ? kBodyReadBytes : kReadBytes;
  if (in_begin_ > 0 && in_.size() - in_end_ < wanted) {
    std::copy(in_.begin() + static_cast<ptrdiff_t>(in_begin_), in_.begin() + static_cast<ptrdiff_t>(in_end_),
              in_.begin());
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_.size() - in_end_ < wanted) in_.resize(in_end_ + wanted);
  is_reading_ = true;
  stream_->async_read_some(
      asio::buffer(in_.data() + in_end_, wanted),
      [self = shared_from_this()](const error_code& error, size_t num_bytes) { self->on_read(error, num_bytes); });
}

void HttpConnection::on_read(const error_code& error, size_t num_bytes) {
  is_reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) return close();
  in_end_ += num_bytes;
  bytes_arrived_ms_ = now_ms();
  if (phase_ == Phase::kLingering) {
    num_lingered_bytes_ += num_bytes;
    in_begin_ = in_end_ = 0;
    if (num_lingered_bytes_ > kMaxLingeredBytes) return close();
  }
  if (phase_ == Phase::kIdle) begin_request();
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) feed();
  read();
}

void HttpConnection::begin_request() {
  phase_ = Phase::kHead;
  request_ = {};
  request_.id = request_id_ = new_request_id();
  request_.arrived_ms = bytes_arrived_ms_;
  num_body_bytes_ = 0;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(context_.options.max_header_bytes));
  parser_->body_limit(context_.options.max_body_bytes);
  set_read_deadline(context_.options.read_timeout_ms);
}

// Gives the parser what was read.
void HttpConnection::feed() {
  try {
    while (in_begin_ < in_end_) {
      error_code error;
      const size_t used = parser_->put(asio::buffer(in_.data() + in_begin_, in_end_ - in_begin_), error);
      in_begin_ += used;
      if (error == http::error::need_more) return;
      if (error) {
        const Refusal refusal = refusal_of(error);
        return refuse(refusal.status, refusal.message);
      }
      if (phase_ == Phase::kHead && parser_->is_header_done() && !on_head()) return;
      if (phase_ == Phase::kBody) {
        num_body_bytes_ += used;
        set_body_deadline();
      }
      if (parser_->is_done()) return on_request();
      if (used == 0) return;
    }
  } catch (const std::bad_alloc&) {
    refuse(503, "there is not enough memory for the request's body now");
  }
}

// False: the request was refused.
bool HttpConnection::on_head() {
  const auto& head = parser_->get();
  keeps_alive_ = parser_->keep_alive();
  request_.method = std::string(view_of(head.method_string()));
  const std::string_view target = view_of(head.target());
  request_.path = std::string(target.substr(0, target.find('?')));
  for (const auto& field : head) {
    request_.fields.emplace_back(lower_case(view_of(field.name_string())), std::string(view_of(field.value())));
  }
  is_head_request_ = request_.method == "HEAD";
  is_chunked_ = head.version() >= 11;
  if (context_.is_draining.load()) {
    refuse(503, "the server is shutting down");
    return false;
  }
  if (const std::optional<HttpResponse> refused = context_.handler.check_head(request_)) {
    keeps_alive_ = keeps_alive_ && parser_->is_done();  // else a body is on its way that nobody wants
    phase_ = Phase::kAnswering;
    set_read_deadline(-1);
    send_whole(*refused);
    return false;
  }
  const std::optional<std::string_view> expected = request_.field("expect");
  if (expected && lower_case(*expected) == "100-continue" && !parser_->is_done()) {
    queue("HTTP/1.1 100 Continue\r\n\r\n");
  }
  phase_ = Phase::kBody;
  body_began_ms_ = now_ms();
  return true;
}

void HttpConnection::on_request() {
  phase_ = Phase::kAnswering;
  set_read_deadline(-1);
  request_.body = std::move(parser_->get().body());
  parser_.reset();
  if (in_.size() > kMaxPipelinedBytes && in_begin_ == in_end_ && !is_reading_) {
    in_ = std::string();  // grown for the body
    in_begin_ = in_end_ = 0;
  }
  is_answer_whole_ = false;
  gone_ = std::stop_source();
  backlog_ = std::make_shared<std::atomic<size_t>>(0);
  auto exchange = std::make_shared<Exchange>(shared_from_this(), gone_, backlog_);
  context_.handler.handle(std::move(request_), std::move(exchange));
}

void HttpConnection::refuse(int status, std::string message) {
  phase_ = Phase::kAnswering;
  keeps_alive_ = false;
  set_read_deadline(-1);
  send_whole(context_.handler.refusal(request_, status, std::move(message)));
}

std::string HttpConnection::head_text(const HttpResponse& response, std::optional<size_t> body_bytes) {
  keeps_alive_ = keeps_alive_ && !context_.is_draining.load();
  http::response<http::empty_body> head;
  head.version(11);
  head.result(static_cast<unsigned>(response.status));
  head.set(http::field::server, "saccade");
  head.set(http::field::content_type, response.content_type);
  head.set("x-request-id", request_id_);
  for (const auto& [name, value] : response.fields) head.set(name, value);
  if (body_bytes) {
    head.set(http::field::content_length, std::to_string(*body_bytes));
  } else if (is_chunked_) {
    head.set(http::field::transfer_encoding, "chunked");
  } else {
    keeps_alive_ = false;
  }
  head.set(http::field::connection, keeps_alive_ ? "keep-alive" : "close");
  std::ostringstream text;
  text << head.base();
  return text.str();
}

void HttpConnection::send_whole(const HttpResponse& response) {
  if (phase_ != Phase::kAnswering) return;
  std::string text = head_text(response, response.body.size());
  if (!is_head_request_) text += response.body;
  is_answer_whole_ = true;
  queue(text);
}

void HttpConnection::send_head(const HttpResponse& head) {
  if (phase_ != Phase::kAnswering) return;
  queue(head_text(head, std::nullopt));
}

void HttpConnection::send_piece(std::string piece, bool is_last) {
  if (phase_ != Phase::kAnswering) return;
  std::string text;
  if (!is_chunked_) {
    text = std::move(piece);
  } else {
    if (!piece.empty()) text = boost::beast::buffers_to_string(http::make_chunk(asio::buffer(piece)));
    if (is_last) text += boost::beast::buffers_to_string(http::make_chunk_last());
  }
  is_answer_whole_ = is_last;
  queue(text);
}

void HttpConnection::queue(std::string_view text) {
  out_ += text;
  write();
}

void HttpConnection::write() {
  if (is_writing_ || phase_ == Phase::kClosed) return;
  if (out_.empty()) {
    if (is_answer_whole_) finish_answer();
    return;
  }
  is_writing_ = true;
  write_timer_.expires_after(std::chrono::milliseconds(context_.options.write_timeout_ms));
  write_timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && self->write_timer_.expiry() <= std::chrono::steady_clock::now()) self->close();
  });
  const auto text = std::make_shared<const std::string>(std::exchange(out_, {}));  // all that waits goes out as one
  stream_->async_write(asio::buffer(*text),
                       [self = shared_from_this(), text](const error_code& error, size_t num_bytes) {
                         self->is_writing_ = false;
                         self->write_timer_.cancel();
                         if (self->phase_ == Phase::kClosed) return;
                         if (error) return self->close();
                         if (self->backlog_) {
                           self->backlog_->fetch_sub(std::min(num_bytes, self->backlog_->load()));
                         }
                         self->write();
                       });
}

// The next request, which may have been read already, or the end.
void HttpConnection::finish_answer() {
  is_answer_whole_ = false;
  gone_ = std::stop_source(std::nostopstate);
  backlog_.reset();
  if (!keeps_alive_) return linger();
  if (context_.is_draining.load()) return close();
  phase_ = Phase::kIdle;
  set_read_deadline(context_.options.idle_timeout_ms);
  if (in_begin_ < in_end_) {
    begin_request();
    feed();
  }
  read();
}

void HttpConnection::linger() {
  phase_ = Phase::kLingering;
  stream_->end_writing([self = shared_from_this()](const error_code&) {});
  num_lingered_bytes_ = 0;
  parser_.reset();
  request_ = {};
  set_read_deadline(kLingerMs);
  read();
}

void HttpConnection::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  gone_.request_stop();
  parser_.reset();
  request_ = {};
  read_timer_.cancel();
  write_timer_.cancel();
  error_code ignored;
  stream_->socket().close(ignored);
}

}  // namespace saccade
