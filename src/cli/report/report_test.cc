#include "cli/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/report/charts.h"
#include "ledger/utc_time.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

LedgerRecord record(const char* day, const char* account) {
  LedgerRecord record;
  record.entry.time_us = *parse_day(day);
  record.entry.account = account;
  record.entry.text_tokens = 10;
  return record;
}

LedgerReport report_of(const std::vector<LedgerRecord>& records, std::vector<GroupBy> by) {
  Summarizer summarizer(by);
  Summarizer by_day({GroupBy::kDay});
  for (const LedgerRecord& one : records) {
    summarizer.add(one);
    by_day.add(one);
  }
  LedgerReport report;
  report.path = "a.ledger";
  report.by = std::move(by);
  report.summary = summarizer.summary();
  report.by_day = by_day.summary();
  return report;
}

// Two accounts, one with all there is to tell.
std::vector<LedgerRecord> two_accounts() {
  LedgerRecord rich = record("2026-11-02", "<b>\x1b");
  rich.entry.cost_usd = 0.25;
  rich.entry.full_plan_usd = 1;
  rich.entry.met_latency = true;
  rich.entry.latency_ms = 80;
  rich.entry.predicted_latency_ms = 100;
  rich.entry.predicted_latency_p95_ms = 120;
  rich.entry.predicted_quality = 0.98;
  rich.entry.laid_out_visual_tokens = 576;
  rich.entry.visual_tokens = 144;
  rich.user_score = 0.5;
  LedgerRecord refused = record("2026-11-01", "");
  refused.entry.status = RequestStatus::kRefused;
  return {rich, refused};
}

TEST(Report, TheTableHasWhatThereIsToTell) {
  const std::string text = report_text(report_of(two_accounts(), {GroupBy::kAccount}));
  EXPECT_THAT(text, AllOf(HasSubstr("ledger a.ledger\n2 requests, from 2026-11-01 to 2026-11-02\n"),
                          HasSubstr("0.25 USD spent; the full plan would have cost 0.75 USD more: 75.0 % saved\n"),
                          HasSubstr("1 of 1 requests with a deadline were answered in time\n")));
  EXPECT_THAT(text, AllOf(HasSubstr("(none)"), HasSubstr("<b>\\u001b"), HasSubstr("\nall "), HasSubstr("100.0 % of 1"),
                          HasSubstr("25.0 %"), HasSubstr("0.500 of 1")));
  EXPECT_THAT(text, AllOf(HasSubstr("refused"), Not(HasSubstr("failed")), Not(HasSubstr("shadow"))));
}

TEST(Report, OneGroupNeedsNoTotalAndNoneNoTable) {
  const auto one = report_of({record("2026-11-01", "a")}, {GroupBy::kDay});
  EXPECT_THAT(report_text(one), AllOf(HasSubstr("1 request, on 2026-11-01\n"), Not(HasSubstr("all"))));
  const auto none = report_of({}, {GroupBy::kDay});
  EXPECT_EQ(report_text(none), "ledger a.ledger\n0 requests\n");
  EXPECT_THAT(report_html(none), AllOf(HasSubstr("0 requests"), Not(HasSubstr("<svg")), Not(HasSubstr("<table"))));
}

TEST(Report, JsonHasEveryGroupAndTheTotal) {
  LedgerReport report = report_of(two_accounts(), {GroupBy::kDay, GroupBy::kAccount});
  report.since_us = *parse_day("2026-11-01");
  const nlohmann::ordered_json json = report_json(report);
  EXPECT_EQ(json["since"], "2026-11-01");
  EXPECT_TRUE(json["until"].is_null());
  EXPECT_EQ(json["by"], (nlohmann::ordered_json{"day", "account"}));
  ASSERT_EQ(json["groups"].size(), 2u);
  EXPECT_EQ(json["groups"][0]["key"]["account"], "");
  EXPECT_EQ(json["groups"][0]["refused"], 1);
  EXPECT_TRUE(json["groups"][0]["latency_p95_ms"].is_null());
  const auto& rich = json["groups"][1];
  EXPECT_EQ(rich["key"]["day"], "2026-11-02");
  EXPECT_EQ(rich["tokens_before"], 586);
  EXPECT_EQ(rich["tokens_after"], 154);
  EXPECT_EQ(rich["saved_usd"], 0.75);
  EXPECT_EQ(rich["prediction_error"], 0.25);
  EXPECT_EQ(rich["user_score"]["mean"], 0.5);
  EXPECT_TRUE(rich["shadow_score"]["mean"].is_null());
  EXPECT_EQ(json["total"]["requests"], 2);
}

TEST(Report, PlansThatLoseMoreThanCertifiedAreNamed) {
  LedgerReport report = report_of({record("2026-11-01", "a")}, {GroupBy::kDay});
  LedgerRecord lost = record("2026-11-01", "a");
  lost.entry.model = "m.gguf";
  lost.entry.plan = "keep-share=0.5";
  lost.entry.task_class = "read";
  lost.entry.claim_epsilon = 0.05;
  for (int i = 0; i < 20; ++i) watch_drift(lost, report.drift);  // no shadow
  lost.shadow_score = 0;
  for (int i = 0; i < 20; ++i) watch_drift(lost, report.drift);  // no certificate
  EXPECT_THAT(report_text(report), Not(HasSubstr("drift")));
  EXPECT_TRUE(report_json(report)["drift"].empty());
  lost.entry.claim_kind = QualityClaim::Kind::kCertified;
  lost.user_score = 1;
  for (int i = 0; i < 20; ++i) watch_drift(lost, report.drift);
  const std::string line =
      "drift: m.gguf: plan keep-share=0.5 lost 100.0 % of 20 answers of class read, where 5.0 % were certified";
  EXPECT_THAT(report_text(report), HasSubstr(line));
  EXPECT_THAT(report_html(report), HasSubstr(line));
  const nlohmann::ordered_json json = report_json(report)["drift"];
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["model"], "m.gguf");
  EXPECT_EQ(json[0]["mean_loss"], 1);
  EXPECT_EQ(json[0]["answers"], 20);
}

TEST(Report, ThePageNeedsNothingElse) {
  const std::string page = report_html(report_of(two_accounts(), {GroupBy::kAccount}));
  size_t num_charts = 0;
  for (size_t at = 0; (at = page.find("<svg", at)) != std::string::npos; ++at) ++num_charts;
  EXPECT_EQ(num_charts, 5u);
  EXPECT_THAT(page, AllOf(HasSubstr("2026-11-02, spent: 0.25 USD"), HasSubstr("&lt;b&gt;"), Not(HasSubstr("<b>")),
                          Not(HasSubstr("http")), Not(HasSubstr("src=")), Not(HasSubstr("\x1b"))));
}

TEST(Report, ChartsWithoutDataAreLeftOut) {
  EXPECT_EQ(report_charts(report_of({record("2026-11-01", "a")}, {GroupBy::kDay}).by_day).size(), 1u) << "tokens";
}

}  // namespace
}  // namespace saccade
