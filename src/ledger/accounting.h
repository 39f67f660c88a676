// What a ledger and prices have to say about requests: may the account spend more, and what did an answer cost.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "ledger/ledger.h"
#include "ledger/prices.h"
#include "saccade/explanation.h"
#include "saccade/learning.h"
#include "saccade/receipt.h"
#include "saccade/request.h"

namespace saccade {

struct AccountingOptions {
  std::string ledger_path;  // empty: nothing is kept
  std::string prices_path;
  std::string account;  // of requests that name none
  bool learns = false;  // from the ledger's answers, whose plans then are a bandit's choice
  LearningOptions learning;
  double shadow_share = 0;  // of answers that the full plan is asked for too
};

/// Thread safety: any thread.
class Accounting {
 public:
  /// Reads the prices and opens the ledger. Errors: those of both; kInvalidArgument: an account without a ledger.
  static Expected<Accounting> open(const AccountingOptions& options);

  /// Reads the prices anew; where that fails, those that were there stay. Errors: those of read_prices().
  Status reload_prices();

  bool has_ledger() const { return ledger_ != nullptr; }
  /// What accounts spend is known: there are prices, and a ledger.
  bool counts_spending() const { return ledger_ != nullptr && prices() != nullptr; }

  /// What the model's work costs; none without prices.
  std::optional<Price> price_of(const std::string& model_path) const;

  /// Whether the account may ask, by what it spent and what the answer is expected to cost, which `explain` is asked
  /// for only where there is a limit to hold it against; makes the request's plan cheaper where the account's policy
  /// says so. `note` is what to tell the user. Limits in `own` stand before those of the prices' file. Errors:
  /// kBudgetExceeded: the limit is reached; those of `explain`.
  using Explain = FunctionRef<Expected<PlanExplanation>(const Request& request)>;
  Status admit(Explain explain, Request& request, std::string& note, const AccountLimits& own = {}) const;

  /// The scored answers of the model that an engine is to learn from (Engine::learn()); absent where it is not to.
  /// Errors: those of reading the ledger.
  Expected<std::optional<std::vector<LabelledAnswer>>> answers_to_learn(const std::string& model_path) const;
  /// Drawn anew each time.
  LearningOptions learning() const;

  /// Whether the full plan is to be asked, too. What its answer came to is given to record_shadow().
  bool wants_shadow(const Receipt& receipt) const;
  Status record_shadow(const Receipt& receipt, bool agrees) const;

  /// Keeps the receipt of an answer to the request. Errors: those of Ledger::record().
  Status record(const Request& request, const Receipt& receipt) const;
  /// The same of a request that was not answered, which has an id.
  Status record_failure(const std::string& model_path, const Request& request, const Status& failure) const;

  /// A user's score of an answer. Errors: those of Ledger::add_feedback(). There is a ledger.
  /// Where `account` is given, the request must be its own.
  Status add_feedback(const std::string& request_id, double score, const std::string& account = {}) const;

 private:
  const std::string& account_of(const Request& request) const {
    return request.account.empty() ? options_.account : request.account;
  }

  AccountingOptions options_;
  struct Prices {
    std::mutex mutex;
    std::shared_ptr<const PriceFile> file;  // guarded by mutex; null: none were given
  };
  std::shared_ptr<const PriceFile> prices() const;

  std::unique_ptr<Prices> prices_ = std::make_unique<Prices>();
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace saccade
