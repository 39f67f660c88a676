// Whether an account may spend more: pure arithmetic on what it spent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace saccade {

/// Absent: no limit. Days and months are those of UTC.
struct AccountLimits {
  std::optional<double> day_usd;
  std::optional<double> month_usd;
};

enum class AtNinetyPercent : uint8_t {
  kRecommend,  // the answer says that a cheaper plan would help
  kApply,      // a cheaper plan is used
};

enum class AtHundredPercent : uint8_t {
  kRefuse,
  kDegrade,  // the cheapest plan there is, beyond the limit
};

struct AccountPolicy {
  AccountLimits limits;
  AtNinetyPercent at_90_percent = AtNinetyPercent::kRecommend;
  AtHundredPercent at_100_percent = AtHundredPercent::kRefuse;
};

/// What an account spent before a request, since the beginning of the day and of the month.
struct Spending {
  double day_usd = 0;
  double month_usd = 0;
};

/// Ascending in strictness.
enum class AccountAction : uint8_t { kAllow, kRecommendCheaper, kApplyCheaper, kDegrade, kRefuse };

struct AccountDecision {
  AccountAction action = AccountAction::kAllow;
  std::string reason;     // why, what is left, when it resets: one line without a full stop; empty where allowed
  int64_t resets_us = 0;  // when the limit that binds begins anew; 0 where allowed
};

/// A limit is reached by what was spent, or passed by it together with the estimate: then at_100_percent. From 90 % of
/// it on, the estimate included: at_90_percent. Of the day's and the month's limit the stricter outcome; where they
/// agree, the month's, which lasts longer. `now_us` as in utc_time.h.
AccountDecision decide(const AccountPolicy& policy, const Spending& spent, double estimated_usd, int64_t now_us);

}  // namespace saccade
