#include "server/key_gate.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "base/format.h"
#include "platform/clock.h"

namespace saccade {
namespace {

constexpr double kBusyRetryMs = 1000;  // where it is not known when one of the account's requests ends

// As Go writes durations, and OpenAI: "120ms", "7s", "6m0s".
std::string duration_text(double ms) {
  if (ms < 1000) return format("%.0fms", std::ceil(ms));
  const auto seconds = static_cast<long long>(std::ceil(ms / 1000));
  return seconds < 60 ? format("%llds", seconds) : format("%lldm%llds", seconds / 60, seconds % 60);
}

void add_fields(const char* what, const RateLimits::Rate& rate, HttpFields& fields) {
  const auto add = [&](const char* name, std::string value) {
    fields.emplace_back(std::string("x-ratelimit-") + name + "-" + what, std::move(value));
  };
  add("limit", format("%.0f", rate.per_minute));
  add("remaining", format("%.0f", std::max(0.0, std::floor(rate.remaining))));
  add("reset", duration_text(rate.reset_ms));
}

// What follows "Bearer", whose case does not count (RFC 9110).
std::optional<std::string_view> bearer_key(const HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const auto field = request.field("authorization");
  if (!field || field->size() < kScheme.size()) return std::nullopt;
  const bool is_bearer = std::equal(kScheme.begin(), kScheme.end(), field->begin(), [](char expected, char c) {
    return expected == static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  if (!is_bearer) return std::nullopt;
  std::string_view key = field->substr(kScheme.size());
  while (key.starts_with(' ')) key.remove_prefix(1);
  while (key.ends_with(' ')) key.remove_suffix(1);
  return key;
}

ApiError unauthorized(std::string message) {
  return {.status = 401, .message = std::move(message), .code = "invalid_api_key"};
}

ApiError over_limit(const ApiKey& key, const std::string& limit, double retry_after_ms) {
  return {.status = 429,
          .message = "the account " + quote(key.name) + " may have " + limit + "; ask again in " +
                     duration_text(retry_after_ms),
          .code = "rate_limit_exceeded",
          .retry_after_ms = retry_after_ms};
}

void set_rate(const std::optional<double>& per_minute, double now_ms, std::optional<TokenBucket>& bucket) {
  if (!per_minute) {
    bucket.reset();
  } else if (!bucket) {
    bucket.emplace(*per_minute, now_ms);
  } else {
    bucket->set_rate(*per_minute, now_ms);
  }
}

RateLimits::Rate rate_of(const TokenBucket& bucket, double now_ms) {
  return {bucket.per_minute(), bucket.level(now_ms), bucket.ms_until(bucket.per_minute(), now_ms)};
}

}  // namespace

HttpFields RateLimits::fields() const {
  HttpFields fields;
  if (requests) add_fields("requests", *requests, fields);
  if (tokens) add_fields("tokens", *tokens, fields);
  return fields;
}

HttpResponse KeyGate::Refusal::response() const {
  HttpResponse response = error_response(error);
  if (error.status == 401) response.fields.emplace_back("www-authenticate", "Bearer");
  for (auto& field : limits.fields()) response.fields.push_back(std::move(field));
  return response;
}

KeyGate::Clocks KeyGate::system_clocks() {
  return {[] { return saccade::now_ms(); }, [] { return saccade::wall_time_us(); }};
}

KeyGate::KeyGate(KeyFile file, Clocks clocks) : clocks_(std::move(clocks)) {
  replace(std::move(file));
}

void KeyGate::replace(KeyFile file) {
  auto next = std::make_shared<const KeyFile>(std::move(file));
  const std::lock_guard lock(mutex_);
  file_ = std::move(next);
  const double now_ms = clocks_.now_ms();
  for (const ApiKey& key : file_->keys) {
    Account& account = accounts_[key.name];
    set_rate(key.requests_per_minute, now_ms, account.requests);
    set_rate(key.tokens_per_minute, now_ms, account.tokens);
  }
}

std::variant<std::shared_ptr<const ApiKey>, ApiError> KeyGate::identify(const HttpRequest& request) const {
  std::shared_ptr<const KeyFile> file;
  {
    const std::lock_guard lock(mutex_);
    file = file_;
  }
  const auto text = bearer_key(request);
  if (!text || text->empty()) {
    return unauthorized("there is no API key; send one in the header field Authorization: Bearer YOUR_KEY");
  }
  const ApiKey* key = file->find(*text);
  if (key == nullptr)
    return unauthorized("the API key is not known here; look whether it is whole, or ask for a new one");
  if (key->expires_us && clocks_.wall_time_us() >= *key->expires_us) {
    return unauthorized("the API key of " + quote(key->name) + " has expired; ask for a new one");
  }
  return std::shared_ptr<const ApiKey>(std::move(file), key);
}

std::optional<ApiError> KeyGate::refusal_of(const ApiKey& key, const Account& account, double now_ms) const {
  if (account.requests && account.requests->level(now_ms) < 1) {
    return over_limit(key, format("%.0f requests a minute", account.requests->per_minute()),
                      account.requests->ms_until(1, now_ms));
  }
  if (account.tokens && account.tokens->level(now_ms) <= 0) {
    return over_limit(key, format("%.0f tokens a minute", account.tokens->per_minute()),
                      account.tokens->ms_until(1, now_ms));
  }
  if (key.max_concurrent && account.num_running >= *key.max_concurrent) {
    return over_limit(key, format("%lld requests at a time", static_cast<long long>(*key.max_concurrent)),
                      kBusyRetryMs);
  }
  return std::nullopt;
}

RateLimits KeyGate::limits_of(const Account& account, double now_ms) {
  RateLimits limits;
  if (account.requests) limits.requests = rate_of(*account.requests, now_ms);
  if (account.tokens) limits.tokens = rate_of(*account.tokens, now_ms);
  return limits;
}

std::optional<KeyGate::Refusal> KeyGate::check(const HttpRequest& request, bool checks_limits) {
  const auto found = identify(request);
  if (const auto* error = std::get_if<ApiError>(&found)) return Refusal{*error, {}};
  if (!checks_limits) return std::nullopt;
  const ApiKey& key = *std::get<0>(found);
  const std::lock_guard lock(mutex_);
  const double now_ms = clocks_.now_ms();
  const Account& account = accounts_[key.name];
  auto error = refusal_of(key, account, now_ms);
  if (!error) return std::nullopt;
  return Refusal{*std::move(error), limits_of(account, now_ms)};
}

std::variant<std::unique_ptr<KeyGate::Ticket>, KeyGate::Refusal> KeyGate::enter(const HttpRequest& request) {
  auto found = identify(request);
  if (const auto* error = std::get_if<ApiError>(&found)) return Refusal{*error, {}};
  auto key = std::get<0>(std::move(found));
  const std::lock_guard lock(mutex_);
  const double now_ms = clocks_.now_ms();
  Account& account = accounts_[key->name];
  if (auto error = refusal_of(*key, account, now_ms)) return Refusal{*std::move(error), limits_of(account, now_ms)};
  auto ticket = std::make_unique<Ticket>(*this, std::move(key));
  if (account.requests) account.requests->use(1, now_ms);
  ++account.num_running;
  return ticket;
}

KeyGate::Ticket::~Ticket() {
  const std::lock_guard lock(gate_.mutex_);
  --gate_.accounts_[key_->name].num_running;
}

void KeyGate::Ticket::set_used_tokens(int64_t num_tokens) {
  const std::lock_guard lock(gate_.mutex_);
  std::optional<TokenBucket>& tokens = gate_.accounts_[key_->name].tokens;
  if (tokens) tokens->use(static_cast<double>(num_tokens - num_used_tokens_), gate_.clocks_.now_ms());
  num_used_tokens_ = num_tokens;
}

RateLimits KeyGate::Ticket::limits() const {
  const std::lock_guard lock(gate_.mutex_);
  return limits_of(gate_.accounts_[key_->name], gate_.clocks_.now_ms());
}

}  // namespace saccade
