#include "cache/redis_connection.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>

#include "base/format.h"
#include "platform/clock.h"

namespace saccade {
namespace {

constexpr std::string_view kForm = "write redis://[[user]:password@]host[:port][/db] or unix:///path/of/socket";

std::optional<int> number_of(std::string_view text, int largest) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0 || number > largest) return std::nullopt;
  return number;
}

// Takes `user:password@` off the front.
void take_login(std::string_view& rest, RedisAddress& address) {
  const size_t at = rest.rfind('@');
  if (at == std::string_view::npos) return;
  const std::string_view login = rest.substr(0, at);
  const size_t colon = login.find(':');
  address.user = login.substr(0, colon == std::string_view::npos ? 0 : colon);
  address.password = login.substr(colon == std::string_view::npos ? 0 : colon + 1);
  rest.remove_prefix(at + 1);
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

struct FreeCommand {
  void operator()(char* command) const { ::redisFreeCommand(command); }
};

}  // namespace

std::string RedisAddress::to_string() const {
  if (is_socket) return "unix://" + host;
  return format("redis://%s:%d/%d", host.c_str(), port, db);
}

Expected<RedisAddress> parse_redis_url(std::string_view url) {
  RedisAddress address;
  const auto wrong = [](const char* what) {  // the address itself may hold a password
    return invalid_argument(format("the address of the Redis server %s; %s", what, std::string(kForm).c_str()));
  };
  std::string_view rest = url;
  if (rest.starts_with("rediss://")) {
    return unsupported("Redis over TLS (rediss://) is not supported; use redis:// through a tunnel");
  }
  address.is_socket = rest.starts_with("unix://");
  if (!address.is_socket && !rest.starts_with("redis://")) return wrong("does not begin with redis:// or unix://");
  rest.remove_prefix(address.is_socket ? 7 : 8);
  take_login(rest, address);
  if (address.is_socket) {
    if (!rest.starts_with("/")) return wrong("names no absolute path");
    address.host = rest;
    return address;
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view db = rest.substr(slash + 1);
    const auto number = db.empty() ? std::optional(0) : number_of(db, 1 << 20);
    if (!number) return wrong("has a database that is no number");
    address.db = *number;
    rest = rest.substr(0, slash);
  }
  const bool is_bracketed = rest.starts_with("[");  // an IPv6 address
  const size_t host_end = is_bracketed ? rest.find(']') : rest.rfind(':');
  if (is_bracketed && host_end == std::string_view::npos) return wrong("has a bracket that does not close");
  address.host = is_bracketed ? rest.substr(1, host_end - 1) : rest.substr(0, host_end);
  std::string_view port = host_end == std::string_view::npos ? "" : rest.substr(host_end + (is_bracketed ? 1 : 0));
  if (!port.empty()) {
    const auto number = port.starts_with(":") ? number_of(port.substr(1), 65535) : std::nullopt;
    if (!number || *number == 0) return wrong("has a port that is none");
    address.port = *number;
  }
  if (address.host.empty()) return wrong("names no host");
  return address;
}

Status look_up_host(RedisAddress& address) {
  if (address.is_socket) return {};
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(address.host.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, FreeAddresses> found(list);
  if (error != 0) return not_found(address.to_string() + ": " + ::gai_strerror(error));
  std::array<char, NI_MAXHOST> numeric = {};
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, numeric.data(), numeric.size(), nullptr, 0, NI_NUMERICHOST) !=
      0) {
    return not_found(address.to_string() + ": the host's address is of an unknown kind");
  }
  address.host = numeric.data();
  return {};
}

RedisReply::RedisReply(redisReply* reply) : reply_(reply, [](redisReply* given) { ::freeReplyObject(given); }) {}

bool RedisReply::is_nothing() const {
  return reply_->type == REDIS_REPLY_NIL;
}

bool RedisReply::is_error() const {
  return reply_->type == REDIS_REPLY_ERROR;
}

std::string_view RedisReply::text() const {
  const bool has_text = reply_->type == REDIS_REPLY_STRING || reply_->type == REDIS_REPLY_STATUS || is_error();
  return has_text ? std::string_view(reply_->str, reply_->len) : std::string_view();
}

std::span<const std::byte> RedisReply::bytes() const {
  return std::as_bytes(std::span(text()));
}

size_t RedisReply::num_elements() const {
  return reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0;
}

RedisReply RedisReply::element(size_t element_idx) const {
  return RedisReply(std::shared_ptr<const redisReply>(reply_, reply_->element[element_idx]));
}

std::string_view RedisReply::text_of(size_t element_idx) const {
  return element(element_idx).text();  // lies in what this one keeps
}

Expected<std::unique_ptr<RedisConnection>> RedisConnection::open(const RedisAddress& address, double timeout_ms) {
  const double deadline_ms = now_ms() + timeout_ms;
  redisContext* context = address.is_socket ? ::redisConnectUnixNonBlock(address.host.c_str())
                                            : ::redisConnectNonBlock(address.host.c_str(), address.port);
  if (context == nullptr) return io_error(address.to_string() + ": no memory for a connection");
  std::unique_ptr<RedisConnection> connection(new RedisConnection(context));
  if (const Status status = connection->log_in(address, deadline_ms); !status.is_ok()) {
    return status.with_context(address.to_string());
  }
  return connection;
}

RedisConnection::~RedisConnection() {
  ::redisFree(context_);
}

Status RedisConnection::log_in(const RedisAddress& address, double deadline_ms) {
  if (context_->err != 0) return failure();
  SACCADE_RETURN_IF_ERROR(wait_for(POLLOUT, deadline_ms));
  int error = 0;
  socklen_t num_bytes = sizeof(error);
  ::getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &error, &num_bytes);
  if (error != 0) return io_error(std::string("can't connect: ") + std::strerror(error));
  const int on = 1;
  if (!address.is_socket) ::setsockopt(context_->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto must = [&](std::initializer_list<std::string_view> words) -> Status {
    SACCADE_ASSIGN_OR_RETURN(const RedisReply reply,
                             ask(std::span(words.begin(), words.size()), deadline_ms - now_ms()));
    return reply.is_error() ? io_error("the server refuses: " + quote(reply.text(), 200)) : Status();
  };
  if (!address.password.empty() && address.user.empty()) SACCADE_RETURN_IF_ERROR(must({"AUTH", address.password}));
  if (!address.user.empty()) SACCADE_RETURN_IF_ERROR(must({"AUTH", address.user, address.password}));
  if (address.db != 0) SACCADE_RETURN_IF_ERROR(must({"SELECT", std::to_string(address.db)}));
  return {};
}

Expected<RedisReply> RedisConnection::ask(std::span<const std::string_view> words, double timeout_ms) {
  const double deadline_ms = now_ms() + timeout_ms;
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* text = nullptr;
  const int num_bytes = ::redisFormatCommandArgv(&text, static_cast<int>(words.size()), texts.data(), lengths.data());
  if (num_bytes < 0) return io_error("no memory for a command");
  const std::unique_ptr<char, FreeCommand> command(text);
  SACCADE_RETURN_IF_ERROR(send_all({text, static_cast<size_t>(num_bytes)}, deadline_ms));
  void* reply = nullptr;
  while (true) {
    if (::redisGetReplyFromReader(context_, &reply) != REDIS_OK) return failure();
    if (reply != nullptr) return RedisReply(static_cast<redisReply*>(reply));
    SACCADE_RETURN_IF_ERROR(wait_for(POLLIN, deadline_ms));
    if (::redisBufferRead(context_) != REDIS_OK) return failure();
  }
}

// Not hiredis's own writing, which ends the process where the other side is gone (SIGPIPE).
Status RedisConnection::send_all(std::string_view bytes, double deadline_ms) const {
  while (!bytes.empty()) {
    const ssize_t num_sent = ::send(context_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (num_sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(num_sent));
    } else if (errno == EAGAIN) {
      SACCADE_RETURN_IF_ERROR(wait_for(POLLOUT, deadline_ms));
    } else if (errno != EINTR) {
      return io_error(std::string("can't send: ") + std::strerror(errno));
    }
  }
  return {};
}

Status RedisConnection::wait_for(short events, double deadline_ms) const {
  while (true) {
    const double left_ms = deadline_ms - now_ms();
    if (left_ms <= 0) return io_error("no answer in time");
    pollfd polled = {context_->fd, events, 0};
    const int num_ready = ::poll(&polled, 1, static_cast<int>(std::ceil(left_ms)));
    if (num_ready > 0) return {};
    if (num_ready < 0 && errno != EINTR) return io_error(std::string("poll: ") + std::strerror(errno));
  }
}

Status RedisConnection::failure() const {
  return io_error(context_->errstr[0] != '\0' ? context_->errstr : "the connection failed");
}

}  // namespace saccade
