#include "ledger/decision_text.h"

#include <nlohmann/json.hpp>

namespace saccade {

std::string weighed_plans_text(const std::vector<WeighedPlan>& plans) {
  if (plans.empty()) return "";
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const WeighedPlan& plan : plans) {
    json.push_back({{"plan", plan.plan}, {"quality", plan.expected_quality}, {"cost", plan.cost}});
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Expected<std::vector<WeighedPlan>> parse_weighed_plans(std::string_view text) {
  std::vector<WeighedPlan> plans;
  if (text.empty()) return plans;
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Status wrong = corrupt_data("the plans that a choice was made from are not told as they should be");
  if (!json.is_array()) return wrong;
  for (const auto& item : json) {
    if (!item.is_object() || !item.contains("plan") || !item["plan"].is_string()) return wrong;
    WeighedPlan plan = {item["plan"].get<std::string>()};
    for (const auto& [name, target] : {std::pair{"quality", &plan.expected_quality}, std::pair{"cost", &plan.cost}}) {
      if (!item.contains(name) || !item[name].is_number()) return wrong;
      *target = item[name].get<double>();
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace saccade
