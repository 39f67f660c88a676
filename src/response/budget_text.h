// A budget, what was predicted and what became of it, as JSON and as lines for a terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "saccade/explanation.h"
#include "saccade/learning.h"
#include "saccade/receipt.h"

namespace saccade {

nlohmann::ordered_json prediction_json(const Prediction& prediction);
nlohmann::ordered_json claim_json(const QualityClaim& claim);
nlohmann::ordered_json cost_json(const CostReceipt& cost);
/// Of a request that had a budget. `latency_ms` and `ttft_ms` are since the request arrived, without the model's
/// loading.
nlohmann::ordered_json budget_json(const BudgetReceipt& budget);
nlohmann::ordered_json explanation_json(const PlanExplanation& explanation);

/// "certified: loses no more than 2.0 % (95 % sure, 1240 questions of class read)".
std::string claim_text(const QualityClaim& claim);

/// "plan keep-share=0.5 lost 12.0 % of 80 answers of class read, where 5.0 % were certified".
std::string drift_text(const DriftAlarm& alarm);

/// Lines of a receipt's table, with a newline at the end of each; empty where the request had no budget.
std::string budget_lines(const Receipt& receipt);

std::string cost_line(const Receipt& receipt);  // empty without a price

/// A table of the plans that were considered.
std::string explanation_text(const PlanExplanation& explanation);

}  // namespace saccade
