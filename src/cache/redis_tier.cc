#include "cache/redis_tier.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "base/format.h"
#include "cache/entry_format.h"
#include "cache/redis_connection.h"
#include "cache/tier_counters.h"

namespace saccade {
namespace {

constexpr double kClearTimeoutMs = 10'000;  // of each of its commands

std::string_view view_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

struct RedisTier::State {
  State(RedisTierOptions given, RedisAddress resolved)
      : options(std::move(given)), address(std::move(resolved)), backoff(options.backoff) {}

  const RedisTierOptions options;
  const RedisAddress address;
  TierCounters counters;
  Backoff backoff;

  std::mutex mutex;
  // Guarded by mutex.
  std::vector<std::unique_ptr<RedisConnection>> idle;

  std::string server_key(const CacheKey& key) const { return options.key_prefix + std::string(view_of(key.bytes)); }

  std::unique_ptr<RedisConnection> take_idle() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return nullptr;
    std::unique_ptr<RedisConnection> connection = std::move(idle.back());
    idle.pop_back();
    return connection;
  }

  void give_back(std::unique_ptr<RedisConnection> connection) {
    const std::lock_guard lock(mutex);
    if (idle.size() < static_cast<size_t>(options.max_idle_connections)) idle.push_back(std::move(connection));
  }

  // A server that was restarted closed all of them.
  void close_idle() {
    std::vector<std::unique_ptr<RedisConnection>> closed;
    const std::lock_guard lock(mutex);
    closed.swap(idle);
  }

  Expected<RedisReply> try_once(std::span<const std::string_view> words, double timeout_ms, bool& was_idle) {
    std::unique_ptr<RedisConnection> connection = take_idle();
    was_idle = connection != nullptr;
    if (!was_idle) {
      SACCADE_ASSIGN_OR_RETURN(connection, RedisConnection::open(address, options.connect_timeout_ms));
    }
    auto reply = connection->ask(words, timeout_ms);
    if (reply) give_back(std::move(connection));
    return reply;
  }

  /// Errors: kOverloaded (left alone after a failure), kIoError.
  Expected<RedisReply> ask(std::initializer_list<std::string_view> words, double timeout_ms) {
    if (!backoff.may_try()) {
      ++counters.num_skipped;
      return overloaded(address.to_string() + ": not asked, since it failed just before", 0);
    }
    const std::span<const std::string_view> command(words.begin(), words.size());
    const Stopwatch watch;
    bool was_idle = false;
    auto reply = try_once(command, timeout_ms, was_idle);
    if (!reply && was_idle && watch.elapsed_ms() < timeout_ms / 2) {
      // A connection that had waited was closed by the other side, which may be well again.
      close_idle();
      reply = try_once(command, timeout_ms - watch.elapsed_ms(), was_idle);
    }
    if (!reply) {
      backoff.failed();
      close_idle();
      ++counters.num_errors;
      return reply.status().with_context(address.to_string());
    }
    backoff.succeeded();
    if (reply->is_error()) {  // out of memory, read-only, ...: said at once, so that it holds up nobody
      ++counters.num_errors;
      return io_error(address.to_string() + ": the server refuses: " + quote(reply->text(), 200));
    }
    return reply;
  }
};

Expected<std::unique_ptr<RedisTier>> RedisTier::make(RedisTierOptions options) {
  SACCADE_ASSIGN_OR_RETURN(RedisAddress address, parse_redis_url(options.url));
  SACCADE_RETURN_IF_ERROR(look_up_host(address));
  return std::unique_ptr<RedisTier>(new RedisTier(std::make_unique<State>(std::move(options), std::move(address))));
}

RedisTier::RedisTier(std::unique_ptr<State> state) : state_(std::move(state)) {}

RedisTier::~RedisTier() = default;

std::string_view RedisTier::name() const {
  return state_->options.name;
}

Expected<std::optional<CacheEntry>> RedisTier::get(const CacheKey& key) {
  TierCounters& counters = state_->counters;
  const auto miss = [&] {
    ++counters.num_misses;
    return std::optional<CacheEntry>();
  };
  const auto reply = state_->ask({"GET", state_->server_key(key)}, state_->options.timeout_ms);
  if (!reply) {
    const std::optional<CacheEntry> nothing = miss();
    if (reply.status().code() == StatusCode::kOverloaded) return nothing;
    return reply.status();
  }
  if (reply->is_nothing()) return miss();
  auto entry = read_entry(key, reply->bytes(), reply->owner());
  if (entry && entry->expires_at_us > state_->options.clock()) {
    ++counters.num_hits;
    return std::optional(*std::move(entry));
  }
  if (entry) ++counters.num_expired;  // by our clock
  if (!entry && entry.status().code() == StatusCode::kCorruptData) {
    ++counters.num_corrupt;
    // Where that fails it will be found, and dropped, again.
    (void)state_->ask({"UNLINK", state_->server_key(key)}, state_->options.timeout_ms);
  }
  return miss();
}

Status RedisTier::put(const CacheKey& key, const CacheEntry& entry) {
  const RedisTierOptions& options = state_->options;
  const std::string server_key = state_->server_key(key);
  if (entry.value.num_bytes() > options.max_value_bytes) {
    ++state_->counters.num_refused;
    return resource_exhausted(state_->address.to_string() + ": a value of " +
                              format_bytes(static_cast<uint64_t>(entry.value.num_bytes())) + " is over the limit of " +
                              format_bytes(static_cast<uint64_t>(options.max_value_bytes)));
  }
  const int64_t now_us = options.clock();
  const int64_t left_ms = entry.expires_at_us > now_us ? (entry.expires_at_us - now_us + 999) / 1000 : 0;
  if (left_ms == 0) {
    ++state_->counters.num_expired;
    return erase(key);
  }
  const auto header = make_entry_header(key, entry);
  std::string value;
  value.reserve(header.size() + entry.value.bytes().size());
  value += view_of(header);
  value += view_of(entry.value.bytes());
  const auto reply =
      entry.expires_at_us == kNeverExpires
          ? state_->ask({"SET", server_key, value}, options.write_timeout_ms)
          : state_->ask({"SET", server_key, value, "PX", std::to_string(left_ms)}, options.write_timeout_ms);
  if (!reply) return reply.status();
  ++state_->counters.num_puts;
  return {};
}

Status RedisTier::erase(const CacheKey& key) {
  const auto reply = state_->ask({"UNLINK", state_->server_key(key)}, state_->options.write_timeout_ms);
  return reply ? Status() : reply.status();
}

Status RedisTier::clear() {
  std::string pattern;  // the prefix, with what means something in patterns taken literally
  for (const char character : state_->options.key_prefix) {
    if (std::string_view("*?[]\\^").find(character) != std::string_view::npos) pattern += '\\';
    pattern += character;
  }
  pattern += '*';
  std::string cursor = "0";
  do {
    const auto reply = state_->ask({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}, kClearTimeoutMs);
    if (!reply) return reply.status();
    if (reply->num_elements() != 2) return io_error(state_->address.to_string() + ": an answer that is not SCAN's");
    cursor = reply->text_of(0);
    const RedisReply keys = reply->element(1);
    for (size_t i = 0; i < keys.num_elements(); ++i) {
      const auto erased = state_->ask({"UNLINK", keys.text_of(i)}, kClearTimeoutMs);
      if (!erased) return erased.status();
    }
  } while (cursor != "0");
  return {};
}

TierStats RedisTier::stats() const {
  TierStats stats;
  stats.name = state_->options.name;
  state_->counters.tell(stats);
  return stats;
}

}  // namespace saccade
