#include "cli/budget_options.h"

#include <charconv>
#include <cmath>
#include <string>

namespace saccade {
namespace {

constexpr const char* kBudgetGroup = "Budget";

// "300ms", "1.5s", or milliseconds alone. Nothing where it is no time over 0.
std::optional<double> read_ms(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (error != std::errc() || !std::isfinite(value) || value <= 0) return std::nullopt;
  if (unit == "s") return value * 1000;
  return unit.empty() || unit == "ms" ? std::optional(value) : std::nullopt;
}

CLI::Option* add_time(CLI::App& command, const char* name, std::optional<double>& target, const char* help) {
  const auto check = [](const std::string& text) {
    return read_ms(text) ? std::string() : "must be a time over 0, as in 300ms or 1.5s";
  };
  return command
      .add_option_function<std::string>(
          name, [&target](const std::string& text) { target = read_ms(text); }, help)
      ->check(CLI::Validator(check, "TIME"))
      ->group(kBudgetGroup);
}

}  // namespace

void add_budget_options(CLI::App& command, Budget& budget) {
  add_time(command, "--within", budget.max_latency_ms, "The whole answer within this time: 300ms, 1.5s");
  add_time(command, "--first-token-within", budget.max_ttft_ms, "The first token within this time");
  command.add_option("--max-cost", budget.max_cost_usd, "The answer for no more than so many dollars, by --prices")
      ->check(CLI::PositiveNumber)
      ->group(kBudgetGroup);
  command
      .add_option(
          "--min-quality", budget.min_quality,
          "The cheapest plan that keeps this share of the full plan's quality, as far as the model was calibrated")
      ->check(CLI::Range(0.0, 1.0))
      ->group(kBudgetGroup);
  command
      .add_flag_callback(
          "--strict", [&budget] { budget.mode = BudgetMode::kStrict; },
          "Refuse at once, with what would fit, rather than miss the budget by as little as possible")
      ->group(kBudgetGroup);
}

}  // namespace saccade
