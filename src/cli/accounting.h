// The ledger's side of a command: may the account spend more, and what did an answer cost.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/prices.h"
#include "saccade/engine.h"

namespace saccade {

struct AccountingOptions {
  std::string ledger_path;  // empty: nothing is kept
  std::string prices_path;
  std::string account;
  bool learns = false;  // from the ledger's answers, whose plans then are a bandit's choice
  LearningOptions learning;
  double shadow_share = 0;  // of answers that the full plan is asked for too
};

/// Adds --ledger, --prices and --account to `command`.
void add_accounting_options(CLI::App& command, AccountingOptions& options);

/// Thread safety: one thread.
class Accounting {
 public:
  /// Reads the prices and opens the ledger. Errors: those of both; kInvalidArgument: an account without a ledger.
  static Expected<Accounting> open(const AccountingOptions& options);

  /// What the model's work costs; none without prices.
  std::optional<Price> price_of(const std::string& model_path) const;

  /// Whether the account may ask, by what it spent and what the answer is expected to cost; makes the request's plan
  /// cheaper where the account's policy says so. `note` is what to tell the user. Errors: kBudgetExceeded: the limit is
  /// reached.
  Status admit(Engine& engine, Request& request, std::string& note);

  /// Has the engine learn from the answers of the ledger, where that is asked for. Returns what there is to warn of.
  /// Errors: those of reading the ledger and of Engine::learn().
  Expected<std::vector<std::string>> teach(Engine& engine) const;

  /// Whether the full plan is to be asked, too. Its answer is given to record_shadow().
  bool wants_shadow(const Answer& answer) const;
  Status record_shadow(const Answer& answer, const Answer& full);

  /// Keeps the answer's receipt. Errors: those of Ledger::record().
  Status record(const Answer& answer);
  /// The same of a request that was not answered, which has an id.
  Status record_failure(const std::string& model_path, const Request& request, const Status& failure);

 private:
  AccountingOptions options_;
  std::optional<PriceFile> prices_;
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace saccade
