#include "ledger/labelled_answers.h"

#include "ledger/decision_text.h"

namespace saccade {
namespace {

double expected_quality_of(const LedgerEntry& entry) {
  const auto plans = parse_weighed_plans(entry.candidates);
  if (plans) {
    for (const WeighedPlan& plan : *plans) {
      if (plan.plan == entry.plan) return plan.expected_quality;
    }
  }
  return entry.predicted_quality.value_or(1);
}

}  // namespace

Expected<std::vector<LabelledAnswer>> labelled_answers(const Ledger& ledger, const std::string& model) {
  std::vector<LabelledAnswer> answers;
  const auto add = [&](const LedgerRecord& record) {
    const LedgerEntry& entry = record.entry;
    if (entry.model != model || (!record.user_score && !record.shadow_score)) return true;
    LabelledAnswer answer;
    answer.plan = entry.plan;
    answer.task_class = entry.task_class;
    answer.context = entry.context;
    answer.expected_quality = expected_quality_of(entry);
    answer.score = record.user_score ? *record.user_score : *record.shadow_score;
    answer.is_shadow = !record.user_score;
    if (entry.claim_kind == QualityClaim::Kind::kCertified) answer.certified_epsilon = entry.claim_epsilon;
    answers.push_back(std::move(answer));
    return true;
  };
  SACCADE_RETURN_IF_ERROR(ledger.for_each(Ledger::kBeginning, Ledger::kEnd, add));
  return answers;
}

}  // namespace saccade
