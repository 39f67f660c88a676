#include "cli/accounting.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/format.h"
#include "cli/eval_score.h"
#include "cli/labelled_answers.h"
#include "cli/option_checks.h"
#include "ledger/account_policy.h"
#include "ledger/utc_time.h"
#include "platform/clock.h"
#include "response/budget_text.h"

namespace saccade {
namespace {

constexpr const char* kGroup = "Accounting";
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

void add_accounting_options(CLI::App& command, AccountingOptions& options) {
  command.add_option("--ledger", options.ledger_path, "Keep the receipt in this SQLite file, for `saccade report`")
      ->group(kGroup);
  command
      .add_option("--prices", options.prices_path, "What tokens and seconds cost, and what accounts may spend (TOML)")
      ->group(kGroup);
  command.add_option("--account", options.account, "Whose money it is; its limits are those of --prices")
      ->group(kGroup);
  command
      .add_flag("--learn", options.learns,
                "Choose plans that fit by what the ledger's answers were worth (LinUCB), some of them at random")
      ->group(kGroup);
  command
      .add_option("--random-share", options.learning.random_share, "Of --learn: choices drawn evenly from all that fit")
      ->check(between(0.0, 1.0))
      ->capture_default_str()
      ->group(kGroup);
  command
      .add_option("--shadow", options.shadow_share,
                  "Share of answers that the full plan is asked for too, afterwards, to know what they were worth")
      ->check(between(0.0, 1.0))
      ->group(kGroup);
}

Expected<Accounting> Accounting::open(const AccountingOptions& options) {
  Accounting accounting;
  accounting.options_ = options;
  if (!options.account.empty() && options.ledger_path.empty()) {
    return invalid_argument("--account counts what was spent in a ledger; give one with --ledger");
  }
  if ((options.learns || options.shadow_share > 0) && options.ledger_path.empty()) {
    return invalid_argument("--learn and --shadow go by a ledger; give one with --ledger");
  }
  if (!options.prices_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(accounting.prices_, read_prices(options.prices_path));
  }
  if (!options.ledger_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(accounting.ledger_, Ledger::open(options.ledger_path, LedgerAccess::kCreate));
  }
  return accounting;
}

std::optional<Price> Accounting::price_of(const std::string& model_path) const {
  return prices_ ? std::optional(prices_->price_of(model_name(model_path))) : std::nullopt;
}

Status Accounting::admit(Engine& engine, Request& request, std::string& note) {
  if (ledger_ == nullptr || !prices_ || options_.account.empty()) return {};
  SACCADE_ASSIGN_OR_RETURN(const PlanExplanation explanation, engine.explain(request));
  const int64_t now_us = wall_time_us();
  Spending spent;
  SACCADE_ASSIGN_OR_RETURN(spent.day_usd, ledger_->spent_usd(options_.account, begin_of_day(now_us)));
  SACCADE_ASSIGN_OR_RETURN(spent.month_usd, ledger_->spent_usd(options_.account, begin_of_month(now_us)));
  const AccountDecision decision =
      decide(prices_->policy_of(options_.account), spent, expected_usd(explanation), now_us);
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
      return budget_exceeded(decision.reason);
  }
  return {};
}

Expected<std::vector<std::string>> Accounting::teach(Engine& engine) const {
  std::vector<std::string> warnings;
  if (!options_.learns) return warnings;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<LabelledAnswer> answers,
                           labelled_answers(*ledger_, model_name(engine.info().model_path)));
  LearningOptions learning = options_.learning;
  learning.seed += static_cast<uint64_t>(wall_time_us());
  SACCADE_ASSIGN_OR_RETURN(const std::vector<DriftAlarm> alarms, engine.learn(answers, learning));
  for (const DriftAlarm& alarm : alarms) {
    warnings.push_back(drift_text(alarm) + ": it, and what is cheaper, is promised no more; calibrate the model anew");
  }
  return warnings;
}

// By the request's own random id, so that a repeated run draws alike.
bool Accounting::wants_shadow(const Answer& answer) const {
  if (ledger_ == nullptr || options_.shadow_share <= 0 || answer.receipt.finish_reason == "cancelled") return false;
  const size_t hash = std::hash<std::string>()(answer.receipt.request_id);
  return static_cast<double>(hash % 10'000) < 10'000 * options_.shadow_share;
}

Status Accounting::record_shadow(const Answer& answer, const Answer& full) {
  const bool agrees = normalize_answer(answer.text) == normalize_answer(full.text);
  return ledger_->add_feedback(answer.receipt.request_id, agrees ? 1 : 0, FeedbackSource::kShadow);
}

Status Accounting::record(const Answer& answer) {
  if (ledger_ == nullptr) return {};
  LedgerEntry entry = from_receipt(answer.receipt, wall_time_us());
  entry.account = options_.account;
  return ledger_->record(entry);
}

Status Accounting::record_failure(const std::string& model_path, const Request& request, const Status& failure) {
  if (ledger_ == nullptr) return {};
  LedgerEntry entry;
  entry.request_id = request.id;
  entry.time_us = wall_time_us();
  entry.account = options_.account;
  entry.model = model_name(model_path);
  entry.asked = request.budget;
  entry.status = failure.code() == StatusCode::kBudgetExceeded ? RequestStatus::kRefused : RequestStatus::kFailed;
  entry.cause = failure.message();
  return ledger_->record(entry);
}

}  // namespace saccade
