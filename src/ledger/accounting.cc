#include "ledger/accounting.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "ledger/account_policy.h"
#include "ledger/labelled_answers.h"
#include "ledger/utc_time.h"
#include "platform/clock.h"

namespace saccade {
namespace {

constexpr double kCheaperQuality = 0.95;  // that a cheaper plan has to keep

std::string model_name(const std::string& model_path) {
  return std::filesystem::path(model_path).filename().string();
}

// Of the plan that the request would be answered by.
double expected_usd(const PlanExplanation& explanation) {
  for (const ConsideredPlan& plan : explanation.plans) {
    if (plan.is_chosen) return plan.predicted.cost_usd;
  }
  return 0;
}

}  // namespace

Expected<Accounting> Accounting::open(const AccountingOptions& options) {
  Accounting accounting;
  accounting.options_ = options;
  if (!options.account.empty() && options.ledger_path.empty()) {
    return invalid_argument("--account counts what was spent in a ledger; give one with --ledger");
  }
  if ((options.learns || options.shadow_share > 0) && options.ledger_path.empty()) {
    return invalid_argument("--learn and --shadow go by a ledger; give one with --ledger");
  }
  SACCADE_RETURN_IF_ERROR(accounting.reload_prices());
  if (!options.ledger_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(accounting.ledger_, Ledger::open(options.ledger_path, LedgerAccess::kCreate));
  }
  return accounting;
}

Status Accounting::reload_prices() {
  if (options_.prices_path.empty()) return {};
  SACCADE_ASSIGN_OR_RETURN(PriceFile file, read_prices(options_.prices_path));
  auto next = std::make_shared<const PriceFile>(std::move(file));
  const std::lock_guard lock(prices_->mutex);
  prices_->file = std::move(next);
  return {};
}

std::shared_ptr<const PriceFile> Accounting::prices() const {
  const std::lock_guard lock(prices_->mutex);
  return prices_->file;
}

std::optional<Price> Accounting::price_of(const std::string& model_path) const {
  const auto file = prices();
  return file ? std::optional(file->price_of(model_name(model_path))) : std::nullopt;
}

Status Accounting::admit(Explain explain, Request& request, std::string& note, const AccountLimits& own) const {
  const std::string& account = account_of(request);
  const auto file = prices();
  if (ledger_ == nullptr || file == nullptr || account.empty()) return {};
  SACCADE_ASSIGN_OR_RETURN(const PlanExplanation explanation, explain(request));
  const int64_t now_us = wall_time_us();
  Spending spent;
  SACCADE_ASSIGN_OR_RETURN(spent.day_usd, ledger_->spent_usd(account, begin_of_day(now_us)));
  SACCADE_ASSIGN_OR_RETURN(spent.month_usd, ledger_->spent_usd(account, begin_of_month(now_us)));
  AccountPolicy policy = file->policy_of(account);
  if (own.day_usd) policy.limits.day_usd = own.day_usd;
  if (own.month_usd) policy.limits.month_usd = own.month_usd;
  const AccountDecision decision = decide(policy, spent, expected_usd(explanation), now_us);
  note = decision.reason;
  Budget& budget = request.budget;
  switch (decision.action) {
    case AccountAction::kAllow:
    case AccountAction::kRecommendCheaper:
      break;
    case AccountAction::kApplyCheaper:
      budget.min_quality = std::min(budget.min_quality.value_or(1), kCheaperQuality);
      break;
    case AccountAction::kDegrade:
      budget.min_quality = 0;
      break;
    case AccountAction::kRefuse:
      return budget_exceeded(decision.reason, static_cast<double>(decision.resets_us - now_us) / 1000);
  }
  return {};
}

Expected<std::optional<std::vector<LabelledAnswer>>> Accounting::answers_to_learn(const std::string& model_path) const {
  if (!options_.learns) return std::optional<std::vector<LabelledAnswer>>();
  SACCADE_ASSIGN_OR_RETURN(std::vector<LabelledAnswer> answers, labelled_answers(*ledger_, model_name(model_path)));
  return std::optional(std::move(answers));
}

LearningOptions Accounting::learning() const {
  LearningOptions learning = options_.learning;
  learning.seed += static_cast<uint64_t>(wall_time_us());
  return learning;
}

// By the request's own random id, so that a repeated run draws alike.
bool Accounting::wants_shadow(const Receipt& receipt) const {
  if (ledger_ == nullptr || options_.shadow_share <= 0 || receipt.finish_reason == "cancelled") return false;
  const size_t hash = std::hash<std::string>()(receipt.request_id);
  return static_cast<double>(hash % 10'000) < 10'000 * options_.shadow_share;
}

Status Accounting::record_shadow(const Receipt& receipt, bool agrees) const {
  return ledger_->add_feedback(receipt.request_id, agrees ? 1 : 0, FeedbackSource::kShadow);
}

Status Accounting::record(const Request& request, const Receipt& receipt) const {
  if (ledger_ == nullptr) return {};
  LedgerEntry entry = from_receipt(receipt, wall_time_us());
  entry.account = account_of(request);
  return ledger_->record(entry);
}

Status Accounting::record_failure(const std::string& model_path, const Request& request, const Status& failure) const {
  if (ledger_ == nullptr) return {};
  LedgerEntry entry;
  entry.request_id = request.id;
  entry.time_us = wall_time_us();
  entry.account = account_of(request);
  entry.model = model_name(model_path);
  entry.asked = request.budget;
  entry.status = failure.code() == StatusCode::kBudgetExceeded ? RequestStatus::kRefused : RequestStatus::kFailed;
  entry.cause = failure.message();
  return ledger_->record(entry);
}

Status Accounting::add_feedback(const std::string& request_id, double score, const std::string& account) const {
  return ledger_->add_feedback(request_id, score, FeedbackSource::kUser, account);
}

}  // namespace saccade
