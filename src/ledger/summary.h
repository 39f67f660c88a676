// What a ledger says in sum, by groups of requests.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/ledger.h"

namespace saccade {

enum class GroupBy : uint8_t { kDay, kModel, kPlan, kModality, kAccount, kTaskClass };

/// "day", "model", "plan", "modality", "account", "task_class".
const char* name_of(GroupBy key);
std::optional<GroupBy> parse_group_by(std::string_view name);
std::vector<std::string> known_groups();

/// A mean with the number of values behind it; 0 of none.
struct Mean {
  double value = 0;
  int64_t count = 0;
};

struct GroupSummary {
  std::vector<std::string> key;  // a value for each GroupBy
  int64_t num_requests = 0;
  int64_t num_refused = 0;
  int64_t num_failed = 0;
  int64_t num_cancelled = 0;

  // Prompt tokens: text and visual ones as laid out, and as the decoder was given them.
  int64_t tokens_before = 0;
  int64_t tokens_after = 0;
  int64_t generated_tokens = 0;

  // Requests with a price; those with a full plan's price too make up what was saved.
  int64_t num_priced = 0;
  double cost_usd = 0;
  double full_plan_usd = 0;
  double saved_usd = 0;
  double saved_share() const { return full_plan_usd > 0 ? saved_usd / full_plan_usd : 0; }

  // Of those that asked for a latency or a time to the first token, those that got all they asked.
  int64_t num_deadlines = 0;
  int64_t num_deadlines_met = 0;

  // Whole answers only.
  Mean latency_ms;
  double latency_p95_ms = 0;
  Mean predicted_latency_ms;               // of those that had a prediction
  std::optional<double> prediction_error;  // median of |predicted - actual| / actual
  std::optional<double> share_within_p95;  // of those, no slower than the p95 predicted; 0.95 is right

  Mean predicted_quality;  // share of the full plan's
  Mean user_score;
  Mean shadow_score;
};

struct LedgerSummary {
  std::vector<GroupSummary> groups;  // in order of their keys
  GroupSummary total;                // with an empty key
};

/// Counts requests one by one.
class Summarizer {
 public:
  explicit Summarizer(std::vector<GroupBy> by) : by_(std::move(by)) {}
  void add(const LedgerRecord& record);
  LedgerSummary summary() const;

 private:
  struct Tally {
    GroupSummary sums;  // means have their sums until summary()
    std::vector<double> latencies_ms;
    std::vector<double> errors;
    int64_t num_with_p95 = 0;
    int64_t num_within_p95 = 0;
  };
  static void count(const LedgerRecord& record, Tally& tally);
  static void count_latency(const LedgerEntry& entry, Tally& tally);
  static GroupSummary finish(const Tally& tally);

  std::vector<GroupBy> by_;
  std::map<std::vector<std::string>, Tally> groups_;
  Tally total_;
};

}  // namespace saccade
