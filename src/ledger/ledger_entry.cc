#include "ledger/ledger_entry.h"

#include "ledger/decision_text.h"

namespace saccade {
namespace {

void take_budget(const BudgetReceipt& budget, LedgerEntry& entry) {
  entry.asked = budget.asked;
  entry.task_class = budget.task_class;
  entry.predicted_ttft_ms = budget.predicted.ttft_ms;
  entry.predicted_ttft_p95_ms = budget.predicted.ttft_p95_ms;
  entry.predicted_latency_ms = budget.predicted.latency_ms;
  entry.predicted_latency_p95_ms = budget.predicted.latency_p95_ms;
  entry.predicted_cost_usd = budget.predicted.cost_usd;
  entry.predicted_quality = budget.predicted.quality;
  entry.met_latency = budget.met_latency;
  entry.met_ttft = budget.met_ttft;
  entry.met_cost = budget.met_cost;
  entry.met_quality = budget.met_quality;
  entry.claim_kind = budget.claim.kind;
  entry.claim_epsilon = budget.claim.epsilon;
  entry.claim_delta = budget.claim.delta;
  entry.claim_questions = budget.claim.num_questions;
  entry.policy = budget.decision.policy;
  entry.propensity = budget.decision.propensity;
  entry.context = budget.decision.context;
  entry.candidates = weighed_plans_text(budget.decision.plans);
}

}  // namespace

LedgerEntry from_receipt(const Receipt& receipt, int64_t time_us) {
  LedgerEntry entry;
  entry.request_id = receipt.request_id;
  entry.time_us = time_us;
  entry.model = receipt.model;
  entry.plan = receipt.plan;
  entry.modality = receipt.pictures.empty() ? "text" : "image";
  entry.finish_reason = receipt.finish_reason;
  entry.status = receipt.finish_reason == "cancelled" ? RequestStatus::kCancelled : RequestStatus::kOk;
  // Without the model's loading, which no budget counts.
  if (receipt.ttft_ms) entry.ttft_ms = *receipt.ttft_ms - receipt.stages_ms.load;
  entry.latency_ms = receipt.latency_ms - receipt.stages_ms.load;
  entry.text_tokens = receipt.tokens.text;
  entry.visual_tokens = receipt.tokens.visual;
  for (const PictureReceipt& picture : receipt.pictures) entry.laid_out_visual_tokens += picture.full_tokens;
  entry.cached_tokens = receipt.tokens.cached;
  entry.generated_tokens = receipt.tokens.generated;
  entry.flops = receipt.flops.total();
  if (receipt.budget) take_budget(*receipt.budget, entry);
  if (receipt.cost) {
    entry.cost_usd = receipt.cost->usd;
    entry.full_plan_usd = receipt.cost->full_plan_usd;
  }
  return entry;
}

}  // namespace saccade
