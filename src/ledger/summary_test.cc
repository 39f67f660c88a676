#include "ledger/summary.h"

#include <gmock/gmock.h>

#include "ledger/utc_time.h"

namespace saccade {
namespace {

using ::testing::ElementsAre;

LedgerRecord record(const char* day, const char* model = "m", const char* account = "") {
  LedgerRecord record;
  record.entry.time_us = *parse_day(day) + kDayUs - 1;
  record.entry.model = model;
  record.entry.account = account;
  return record;
}

LedgerSummary summarize(const std::vector<LedgerRecord>& records, std::vector<GroupBy> by = {}) {
  Summarizer summarizer(std::move(by));
  for (const LedgerRecord& one : records) summarizer.add(one);
  return summarizer.summary();
}

TEST(Summary, GroupsAreInOrderAndAddUpToTheTotal) {
  const auto summary = summarize({record("2026-11-02", "b"), record("2026-11-01", "b"), record("2026-11-02", "a"),
                                  record("2026-11-02", "b", "key")},
                                 {GroupBy::kDay, GroupBy::kModel});
  ASSERT_EQ(summary.groups.size(), 3u);
  EXPECT_THAT(summary.groups[0].key, ElementsAre("2026-11-01", "b"));
  EXPECT_THAT(summary.groups[1].key, ElementsAre("2026-11-02", "a"));
  EXPECT_THAT(summary.groups[2].key, ElementsAre("2026-11-02", "b"));
  EXPECT_EQ(summary.groups[2].num_requests, 2);
  EXPECT_EQ(summary.total.num_requests, 4);
  EXPECT_TRUE(summary.total.key.empty());
  EXPECT_EQ(summarize({record("2026-11-01", "m", "key")}, {GroupBy::kAccount}).groups[0].key[0], "key");
}

TEST(Summary, OfNothingIsNothing) {
  const auto summary = summarize({}, {GroupBy::kDay});
  EXPECT_TRUE(summary.groups.empty());
  EXPECT_EQ(summary.total.num_requests, 0);
  EXPECT_EQ(summary.total.saved_share(), 0);
  EXPECT_EQ(summary.total.prediction_error, std::nullopt);
}

TEST(Summary, CountsTokensCostAndOutcomes) {
  std::vector<LedgerRecord> records(4, record("2026-11-01"));
  records[0].entry.text_tokens = 10;
  records[0].entry.laid_out_visual_tokens = 576;
  records[0].entry.visual_tokens = 144;
  records[0].entry.generated_tokens = 7;
  records[0].entry.cost_usd = 1;
  records[0].entry.full_plan_usd = 4;
  records[1].entry.cost_usd = 0.5;  // without a full plan's price: nothing is known to be saved
  records[1].entry.status = RequestStatus::kCancelled;
  records[2].entry.status = RequestStatus::kRefused;
  records[3].entry.status = RequestStatus::kFailed;
  const GroupSummary total = summarize(records).total;
  EXPECT_EQ(total.tokens_before, 586);
  EXPECT_EQ(total.tokens_after, 154);
  EXPECT_EQ(total.generated_tokens, 7);
  EXPECT_EQ(total.num_priced, 2);
  EXPECT_EQ(total.cost_usd, 1.5);
  EXPECT_EQ(total.full_plan_usd, 4);
  EXPECT_EQ(total.saved_usd, 3);
  EXPECT_EQ(total.saved_share(), 0.75);
  EXPECT_EQ(total.num_cancelled, 1);
  EXPECT_EQ(total.num_refused, 1);
  EXPECT_EQ(total.num_failed, 1);
}

TEST(Summary, ADeadlineIsMetWhereAllThatWasAskedIs) {
  std::vector<LedgerRecord> records(5, record("2026-11-01"));
  records[0].entry.met_latency = true;
  records[1].entry.met_latency = true;
  records[1].entry.met_ttft = false;
  records[2].entry.met_ttft = true;
  records[3].entry.met_cost = true;  // no deadline
  const GroupSummary total = summarize(records).total;
  EXPECT_EQ(total.num_deadlines, 3);
  EXPECT_EQ(total.num_deadlines_met, 2);
}

TEST(Summary, LatencyIsComparedWithItsPrediction) {
  std::vector<LedgerRecord> records;
  for (int i = 1; i <= 100; ++i) {
    records.push_back(record("2026-11-01"));
    records.back().entry.latency_ms = i;
  }
  const double predicted[] = {110, 80, 150};  // of 100, 99 and 98 ms: off by 10 %, 19 % and 53 %
  for (int i = 0; i < 3; ++i) {
    records[99 - i].entry.predicted_latency_ms = predicted[i];
    records[99 - i].entry.predicted_latency_p95_ms = 98.5;
  }
  LedgerRecord cancelled = record("2026-11-01");
  cancelled.entry.latency_ms = 1e9;
  cancelled.entry.status = RequestStatus::kCancelled;
  records.push_back(cancelled);
  const GroupSummary total = summarize(records).total;
  EXPECT_EQ(total.latency_ms.value, 50.5);
  EXPECT_EQ(total.latency_ms.count, 100);
  EXPECT_EQ(total.latency_p95_ms, 95);
  EXPECT_NEAR(total.predicted_latency_ms.value, 340 / 3.0, 1e-9);
  EXPECT_NEAR(*total.prediction_error, 19 / 99.0, 1e-9);
  EXPECT_NEAR(*total.share_within_p95, 1 / 3.0, 1e-9);
}

TEST(Summary, FeedbackHasItsNumber) {
  std::vector<LedgerRecord> records(3, record("2026-11-01"));
  records[0].user_score = 1;
  records[1].user_score = 0.5;
  records[1].shadow_score = 0;
  records[2].entry.predicted_quality = 0.9;
  const GroupSummary total = summarize(records).total;
  EXPECT_EQ(total.user_score.value, 0.75);
  EXPECT_EQ(total.user_score.count, 2);
  EXPECT_EQ(total.shadow_score.value, 0);
  EXPECT_EQ(total.shadow_score.count, 1);
  EXPECT_EQ(total.predicted_quality.value, 0.9);
}

TEST(Summary, NamesOfGroupsAreRead) {
  for (const std::string& name : known_groups()) EXPECT_EQ(name_of(*parse_group_by(name)), name);
  EXPECT_EQ(parse_group_by("moon"), std::nullopt);
}

}  // namespace
}  // namespace saccade
