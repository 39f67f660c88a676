#include "cli/sweep/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/sweep/charts.h"
#include "cli/sweep/report.h"
#include "cli/sweep/runner.h"
#include "cli/sweep/table.h"

namespace saccade {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

SweepResult result(int64_t item, const std::string& plan, const std::string& answer, double gflop, double ms) {
  SweepResult result;
  result.item = item;
  result.plan = plan;
  result.answer = answer;
  if (item == 0) result.is_right = answer == "yes";
  result.latency_ms = ms;
  result.ttft_ms = 0.5 * ms;
  result.encode_ms = 0.25 * ms;
  result.prefill_ms = 2 * gflop + 3;
  result.flops.prefill = gflop * 1e9;
  return result;
}

// Two questions, the second without an answer; four plans, the last of which is refused.
class SummaryTest : public ::testing::Test {
 protected:
  SummaryTest() {
    set.items.resize(2);
    set.items[0].answer = "yes";
    for (const char* text : {"full", "keep=2", "keep=1", "layers=0.5"}) plans.push_back(*parse_named_plan(text));
    record.results = {result(0, "full", "yes", 10, 100),  result(1, "full", "Seven.", 10, 120),
                      result(0, "keep=2", "no", 6, 50),   result(1, "keep=2", "seven", 6, 60),
                      result(0, "keep=1", "yes", 8, 200), result(1, "keep=1", "eight", 8, 220)};
    record.refused["layers=0.5"] = "no scheduler";
  }

  EvalSet set;
  std::vector<NamedPlan> plans;
  SweepRecord record;
};

TEST_F(SummaryTest, CountsAgainstTheFullPlan) {
  const SweepSummary summary = summarize(record, plans, set);
  ASSERT_THAT(summary.rows, SizeIs(3));
  ASSERT_THAT(summary.refused, SizeIs(1));
  EXPECT_EQ(summary.refused[0].first, "layers=0.5");
  EXPECT_EQ(summary.num_labelled, 1);
  const SweepRow& full = summary.rows[0];
  EXPECT_EQ(full.num_items, 2);
  EXPECT_EQ(full.quality, 1);
  EXPECT_EQ(full.agreement, 1);
  EXPECT_EQ(full.latency_ms, 110);
  EXPECT_TRUE(full.is_on_flops_front && full.is_on_ms_front);
  const SweepRow& two = summary.rows[1];
  EXPECT_EQ(two.quality, 0.5) << "wrong where there is an answer, right where it says what the full plan says";
  EXPECT_EQ(two.agreement, 0.5);
  EXPECT_DOUBLE_EQ(two.flops_share, 0.6);
  EXPECT_DOUBLE_EQ(two.latency_share, 0.5);
  EXPECT_TRUE(two.is_on_flops_front && two.is_on_ms_front);
  EXPECT_FALSE(summary.rows[2].is_on_flops_front) << "as good as the second, at more";
  ASSERT_TRUE(summary.linearity.prefill);
  EXPECT_NEAR(summary.linearity.prefill->slope, 2, 1e-9);
  EXPECT_NEAR(summary.linearity.prefill->intercept, 3, 1e-9);
  EXPECT_FALSE(summary.linearity.encode);
}

TEST_F(SummaryTest, LeavesOutQuestionsThatNotEveryPlanWasAsked) {
  record.results.pop_back();
  EXPECT_EQ(summarize(record, plans, set).rows[0].num_items, 1);
  record.results.resize(2);
  EXPECT_THAT(summarize(record, plans, set).rows, SizeIs(0));
}

TEST_F(SummaryTest, IsShownWhole) {
  record.results[0].same_picture = WarmTimes{10, 5};
  record.results[0].other_picture = WarmTimes{99, 50};
  const SweepSummary summary = summarize(record, plans, set);
  SweepFacts facts;
  facts.model = "m\x1b.gguf";
  facts.num_questions = 3;
  facts.end = cancelled("interrupted");
  const std::string text = sweep_text(facts, summary);
  for (const char* words : {"full", "keep=2", "60.0 %", "left out: layers=0.5: no scheduler", "prefill: 2 ms per GFLOP",
                            "partial: only 2 of 3", "same picture", "m\\u001b.gguf"}) {
    EXPECT_THAT(text, HasSubstr(words));
  }
  const nlohmann::ordered_json json = sweep_json(facts, summary);
  EXPECT_EQ(json["rows"][0]["plan"], "full");
  EXPECT_EQ(json["rows"][1]["flops"], 6e9);
  EXPECT_EQ(json["rows"][0]["reuse"]["same_picture"]["latency_ms"], 10);
  EXPECT_EQ(json["error"]["code"], "cancelled");
  EXPECT_FALSE(quality_chart(summary, CostAxis::kMs).shapes.empty());
  EXPECT_FALSE(linearity_chart(summary).shapes.empty());
}

TEST(SweepTable, KeepsItsForm) {
  const Table table = {{{"plan", false, ""}, {"ms", true, "a \"tip\""}}, {{"a|b", "1.5"}, {"<c>", "10.25"}}};
  EXPECT_EQ(to_text(table), "plan     ms\na|b     1.5\n<c>   10.25\n");
  EXPECT_THAT(to_markdown(table), HasSubstr("| a\\|b | 1.5 |\n"));
  EXPECT_THAT(to_html(table), HasSubstr("<td>&lt;c&gt;</td><td class=\"number\">10.25</td>"));
}

TEST(SweepRunner, ChoosesQuestions) {
  EXPECT_THAT(choose_items(3, 0, 1), ElementsAre(0, 1, 2));
  EXPECT_THAT(choose_items(3, 9, 1), ElementsAre(0, 1, 2));
  const std::vector<int64_t> chosen = choose_items(1000, 20, 1);
  EXPECT_THAT(chosen, SizeIs(20));
  EXPECT_TRUE(std::ranges::is_sorted(chosen));
  EXPECT_EQ(choose_items(1000, 20, 1), chosen);
  EXPECT_THAT(choose_items(1000, 20, 2), Not(::testing::ElementsAreArray(chosen)));
}

}  // namespace
}  // namespace saccade
