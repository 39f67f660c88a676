// What is shown of a ledger: the table on the terminal, the JSON object, the page of --html.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ledger/summary.h"
#include "planner/drift.h"

namespace saccade {

struct LedgerReport {
  std::string path;
  std::vector<GroupBy> by;
  std::optional<int64_t> since_us;  // beginning of the first day; absent: the ledger's beginning
  std::optional<int64_t> until_us;  // beginning of the last day, which is counted too
  LedgerSummary summary;            // by `by`
  LedgerSummary by_day;
  std::map<std::string, DriftWatch> drift;  // by model: answers by certified plans that the full plan was asked for too
};

/// Adds an answer to the watch of its model, where it is one to be watched.
void watch_drift(const LedgerRecord& record, std::map<std::string, DriftWatch>& drift);

/// Sentences and a table for a terminal.
std::string report_text(const LedgerReport& report);

/// {"ledger", "since", "until", "by": [...], "groups": [{"key": {...}, "requests", "cost_usd", ...}], "total": {...},
/// "drift": [{"model", "task_class", "plan", "mean_loss", "epsilon", "answers"}]}.
nlohmann::ordered_json report_json(const LedgerReport& report);

/// A page with charts by day that needs nothing but itself.
std::string report_html(const LedgerReport& report);

}  // namespace saccade
