#include "cli/accounting_options.h"

#include "cli/option_checks.h"
#include "response/budget_text.h"

namespace saccade {
namespace {

constexpr const char* kGroup = "Accounting";

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
}

void add_shadow_option(CLI::App& command, AccountingOptions& options) {
  command
      .add_option("--shadow", options.shadow_share,
                  "Share of answers that the full plan is asked for too, afterwards, to know what they were worth")
      ->check(between(0.0, 1.0))
      ->group(kGroup);
}

Expected<std::vector<std::string>> teach(const Accounting& accounting, Engine& engine) {
  std::vector<std::string> warnings;
  SACCADE_ASSIGN_OR_RETURN(const auto answers, accounting.answers_to_learn(engine.info().model_path));
  if (!answers) return warnings;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<DriftAlarm> alarms, engine.learn(*answers, accounting.learning()));
  for (const DriftAlarm& alarm : alarms) {
    warnings.push_back(drift_text(alarm) + ": it, and what is cheaper, is promised no more; calibrate the model anew");
  }
  return warnings;
}

}  // namespace saccade
