// Who may ask: keys that are known, within the limits of each.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ledger/api_keys.h"
#include "server/api_error.h"
#include "server/http.h"
#include "server/token_bucket.h"

namespace saccade {

/// What is told of an account's rates, as OpenAI's API does: x-ratelimit-{limit,remaining,reset}-{requests,tokens}.
struct RateLimits {
  struct Rate {
    double per_minute = 0;
    double remaining = 0;
    double reset_ms = 0;  // until it is as if nothing had been used
  };
  std::optional<Rate> requests;  // absent: no limit
  std::optional<Rate> tokens;

  HttpFields fields() const;
};

/// Thread safety: any thread; nothing blocks.
class KeyGate {
 public:
  /// As the functions of their names (platform/clock.h).
  struct Clocks {
    std::function<double()> now_ms;
    std::function<int64_t()> wall_time_us;
  };
  static Clocks system_clocks();

  explicit KeyGate(KeyFile file, Clocks clocks = system_clocks());

  /// From here on these keys. What an account used of its limits stays used; requests that were let in go on.
  void replace(KeyFile file);

  /// A request that was let in; while it lives, it counts as one that is being answered. Must not outlive the gate.
  class Ticket {
   public:
    Ticket(KeyGate& gate, std::shared_ptr<const ApiKey> key) : gate_(gate), key_(std::move(key)) {}
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    const ApiKey& key() const { return *key_; }
    /// Of the prompt and the answer so far.
    void set_used_tokens(int64_t num_tokens);
    RateLimits limits() const;

   private:
    KeyGate& gate_;
    const std::shared_ptr<const ApiKey> key_;
    int64_t num_used_tokens_ = 0;
  };

  struct Refusal {
    ApiError error;
    RateLimits limits;  // of no account where the key is not known

    HttpResponse response() const;
  };

  /// Whether the request's key is known and in force: its "authorization: Bearer ..." is looked at. With
  /// `checks_limits` also whether enter() would let it in now.
  std::optional<Refusal> check(const HttpRequest& request, bool checks_limits);
  /// Lets the request in, which then counts. By requests per minute, requests at a time, and tokens per minute: as long
  /// as any are left, since what a request will take is not known before it is answered; what it took beyond holds back
  /// the next ones.
  std::variant<std::unique_ptr<Ticket>, Refusal> enter(const HttpRequest& request);

 private:
  /// What an account uses; stays when its key is replaced.
  struct Account {
    std::optional<TokenBucket> requests;
    std::optional<TokenBucket> tokens;
    int64_t num_running = 0;
  };

  std::variant<std::shared_ptr<const ApiKey>, ApiError> identify(const HttpRequest& request) const;
  std::optional<ApiError> refusal_of(const ApiKey& key, const Account& account, double now_ms) const;
  static RateLimits limits_of(const Account& account, double now_ms);

  const Clocks clocks_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const KeyFile> file_;
  std::map<std::string, Account, std::less<>> accounts_;
};

}  // namespace saccade
