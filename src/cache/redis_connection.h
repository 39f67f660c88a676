// A connection to a Redis server in which nothing takes longer than its time, however slowly the other side answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

struct redisContext;
struct redisReply;

namespace saccade {

/// redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path/of/socket
struct RedisAddress {
  std::string host;  // or the socket's path
  int port = 6379;
  bool is_socket = false;
  int db = 0;
  std::string user = {};
  std::string password = {};

  /// Without the password.
  std::string to_string() const;
};

/// Errors: kInvalidArgument, kUnsupported (TLS).
Expected<RedisAddress> parse_redis_url(std::string_view url);

/// The address of the host, so that no request waits for a name server: the only call that may take long. Errors:
/// kNotFound.
Status look_up_host(RedisAddress& address);

/// An answer of the server, whatever kind.
class RedisReply {
 public:
  explicit RedisReply(redisReply* reply);

  bool is_nothing() const;  // no such key
  bool is_error() const;    // the server refused; the connection is well
  /// Of an error, a status or a string.
  std::span<const std::byte> bytes() const;
  std::string_view text() const;
  /// Of an array.
  size_t num_elements() const;
  /// The text of an array's element that is one.
  std::string_view text_of(size_t element_idx) const;
  RedisReply element(size_t element_idx) const;
  /// What the bytes lie in.
  std::shared_ptr<const void> owner() const { return reply_; }

 private:
  explicit RedisReply(std::shared_ptr<const redisReply> reply) : reply_(std::move(reply)) {}
  std::shared_ptr<const redisReply> reply_;
};

/// Of one thread at a time. After an error (not: an answer that is one) it is of no more use.
class RedisConnection {
 public:
  /// Connects, logs in, selects the database. Errors: kIoError.
  static Expected<std::unique_ptr<RedisConnection>> open(const RedisAddress& address, double timeout_ms);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  /// The server's answer to a command of these words. Errors: kIoError (lost, or not there in time).
  Expected<RedisReply> ask(std::span<const std::string_view> words, double timeout_ms);

 private:
  explicit RedisConnection(redisContext* context) : context_(context) {}
  Status log_in(const RedisAddress& address, double deadline_ms);
  Status send_all(std::string_view bytes, double deadline_ms) const;
  Status wait_for(short events, double deadline_ms) const;
  Status failure() const;

  redisContext* const context_;
};

}  // namespace saccade
