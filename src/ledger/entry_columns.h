// The columns of the ledger's table: one list, of which the schema, INSERT and SELECT are made.
//
// Files have what the list said when they were made. Whoever changes it raises kLedgerVersion and brings older files
// up to it when they are opened (schema.cc).
#pragma once

#include <string>

#include "ledger/ledger_entry.h"
#include "ledger/sqlite.h"
#include "saccade/status.h"

namespace saccade {

/// Calls `visit(name, field)` for each field, in the order of the columns. `Entry` is LedgerEntry or const LedgerEntry.
template <typename Entry, typename Visit>
void visit_columns(Entry& entry, Visit&& visit) {
  visit("request_id", entry.request_id);
  visit("time_us", entry.time_us);
  visit("account", entry.account);
  visit("model", entry.model);
  visit("plan", entry.plan);
  visit("task_class", entry.task_class);
  visit("modality", entry.modality);
  visit("status", entry.status);
  visit("cause", entry.cause);
  visit("finish_reason", entry.finish_reason);
  visit("max_latency_ms", entry.asked.max_latency_ms);
  visit("max_ttft_ms", entry.asked.max_ttft_ms);
  visit("max_cost_usd", entry.asked.max_cost_usd);
  visit("min_quality", entry.asked.min_quality);
  visit("budget_mode", entry.asked.mode);
  visit("waited_ms", entry.asked.waited_ms);
  visit("predicted_ttft_ms", entry.predicted_ttft_ms);
  visit("predicted_ttft_p95_ms", entry.predicted_ttft_p95_ms);
  visit("predicted_latency_ms", entry.predicted_latency_ms);
  visit("predicted_latency_p95_ms", entry.predicted_latency_p95_ms);
  visit("predicted_cost_usd", entry.predicted_cost_usd);
  visit("predicted_quality", entry.predicted_quality);
  visit("ttft_ms", entry.ttft_ms);
  visit("latency_ms", entry.latency_ms);
  visit("met_latency", entry.met_latency);
  visit("met_ttft", entry.met_ttft);
  visit("met_cost", entry.met_cost);
  visit("met_quality", entry.met_quality);
  visit("claim_kind", entry.claim_kind);
  visit("claim_epsilon", entry.claim_epsilon);
  visit("claim_delta", entry.claim_delta);
  visit("claim_questions", entry.claim_questions);
  visit("text_tokens", entry.text_tokens);
  visit("visual_tokens", entry.visual_tokens);
  visit("laid_out_visual_tokens", entry.laid_out_visual_tokens);
  visit("cached_tokens", entry.cached_tokens);
  visit("generated_tokens", entry.generated_tokens);
  visit("flops", entry.flops);
  visit("cost_usd", entry.cost_usd);
  visit("full_plan_usd", entry.full_plan_usd);
  visit("policy", entry.policy);
  visit("propensity", entry.propensity);
  visit("context", entry.context);
  visit("candidates", entry.candidates);
}

/// "request_id TEXT NOT NULL, time_us INTEGER NOT NULL, ...".
std::string column_definitions();

/// Names with `prefix` in front of each: "e.request_id, e.time_us, ...".
std::string column_names(const std::string& prefix = "");

/// "?1, ?2, ...".
std::string column_parameters();

int num_columns();

/// Errors: kInvalidArgument: a number that is not finite (SQLite would make it NULL), no request_id, a propensity
/// outside of 0 (not included) to 1.
Status check_entry(const LedgerEntry& entry);

/// Binds the parameters 1 to num_columns(). The entry must live until the statement is reset.
void bind_entry(const LedgerEntry& entry, sqlite::Statement& statement);

/// Reads the columns 0 to num_columns() - 1. Errors: kCorruptData: a name that is none of those known.
Expected<LedgerEntry> read_entry(const sqlite::Statement& statement);

}  // namespace saccade
