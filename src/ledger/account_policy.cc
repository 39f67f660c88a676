#include "ledger/account_policy.h"

#include <algorithm>

#include "base/format.h"
#include "ledger/utc_time.h"

namespace saccade {
namespace {

// Sums of many small prices are off by more than one rounding: by so much of the limit they still count as equal.
constexpr double kTolerance = 1e-9;

AccountAction action_for(const AccountPolicy& policy, double limit, double spent, double estimated) {
  const double slack = kTolerance * limit;
  const double total = spent + estimated;
  if (spent >= limit - slack || total > limit + slack) {
    return policy.at_100_percent == AtHundredPercent::kRefuse ? AccountAction::kRefuse : AccountAction::kDegrade;
  }
  if (total < 0.9 * limit - slack) return AccountAction::kAllow;
  return policy.at_90_percent == AtNinetyPercent::kApply ? AccountAction::kApplyCheaper
                                                         : AccountAction::kRecommendCheaper;
}

const char* consequence_of(AccountAction action) {
  switch (action) {
    case AccountAction::kRecommendCheaper:
      return "a cheaper plan is recommended";
    case AccountAction::kApplyCheaper:
      return "a cheaper plan is used";
    case AccountAction::kDegrade:
      return "only the cheapest plan is used";
    case AccountAction::kRefuse:
      return "the request is refused";
    case AccountAction::kAllow:
      break;
  }
  return "";
}

std::string usd(double amount) {
  return format(amount < 0.1 && amount > 0 ? "%.6f USD" : "%.2f USD", amount);
}

AccountDecision decide_by(const AccountPolicy& policy, double limit, double spent, double estimated, const char* period,
                          int64_t resets_us) {
  const AccountAction action = action_for(policy, limit, spent, estimated);
  if (action == AccountAction::kAllow) return {};
  return {action,
          format("%s of this %s's %s are spent, %s are left and this request is estimated at %s: %s; the limit begins "
                 "anew on %s, 00:00 UTC",
                 usd(spent).c_str(), period, usd(limit).c_str(), usd(std::max(0.0, limit - spent)).c_str(),
                 usd(estimated).c_str(), consequence_of(action), day_text(resets_us).c_str()),
          resets_us};
}

}  // namespace

AccountDecision decide(const AccountPolicy& policy, const Spending& spent, double estimated_usd, int64_t now_us) {
  AccountDecision day;
  AccountDecision month;
  if (policy.limits.day_usd) {
    day = decide_by(policy, *policy.limits.day_usd, spent.day_usd, estimated_usd, "day", begin_of_day(now_us) + kDayUs);
  }
  if (policy.limits.month_usd) {
    month = decide_by(policy, *policy.limits.month_usd, spent.month_usd, estimated_usd, "month",
                      begin_of_next_month(now_us));
  }
  return day.action > month.action ? day : month;
}

}  // namespace saccade
