#include "ledger/ledger.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "ledger/entry_columns.h"
#include "ledger/schema.h"
#include "ledger/test_ledger.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LedgerTest : public LedgerFileTest {
 protected:
  static std::vector<std::string> ids(const std::vector<LedgerRecord>& records) {
    std::vector<std::string> ids;
    for (const LedgerRecord& record : records) ids.push_back(record.entry.request_id);
    return ids;
  }
};

// Every field another value, so that columns which change places are noticed.
LedgerEntry full_entry() {
  LedgerEntry entry;
  double next = 0.5;
  const auto fill = [&](const char* name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    next += 1;
    if constexpr (std::is_same_v<Field, std::string>) {
      field = std::string(name) + " \"\xc3\xa9\"\n" + std::string(1, '\0') + "behind";
    } else if constexpr (std::is_same_v<Field, std::vector<float>>) {
      field = {static_cast<float>(next), -0.25F};
    } else if constexpr (std::is_same_v<Field, std::optional<bool>>) {
      field = static_cast<int>(next) % 2 == 0;
    } else if constexpr (std::is_same_v<Field, RequestStatus>) {
      field = RequestStatus::kCancelled;
    } else if constexpr (std::is_same_v<Field, BudgetMode>) {
      field = BudgetMode::kStrict;
    } else if constexpr (std::is_same_v<Field, std::optional<QualityClaim::Kind>>) {
      field = QualityClaim::Kind::kMeasured;
    } else if constexpr (std::is_same_v<Field, int64_t>) {
      field = (int64_t{1} << 60) + static_cast<int64_t>(next);
    } else {
      field = next;
    }
  };
  visit_columns(entry, fill);
  entry.propensity = 0.125;
  return entry;
}

void expect_equal(const LedgerEntry& read, const LedgerEntry& written) {
  std::vector<std::string> texts[2];
  int side = 0;
  const auto tell = [&](const char* name, const auto& field) {
    texts[side].push_back(std::string(name) + " " + ::testing::PrintToString(field));
  };
  visit_columns(read, tell);
  side = 1;
  visit_columns(written, tell);
  EXPECT_EQ(texts[0], texts[1]);
}

TEST_F(LedgerTest, EntriesAreReadAsTheyWereWritten) {
  const LedgerEntry full = full_entry();
  LedgerEntry bare = entry("bare", std::numeric_limits<int64_t>::min());
  {
    const auto ledger = open();
    ASSERT_TRUE(ledger->record(full).is_ok());
    ASSERT_TRUE(ledger->record(bare).is_ok());
  }
  const auto records = all_of(*open(LedgerAccess::kRead));
  ASSERT_EQ(records.size(), 2u);
  expect_equal(records[0].entry, bare);
  expect_equal(records[1].entry, full);
  EXPECT_EQ(records[1].user_score, std::nullopt);
}

TEST_F(LedgerTest, IsAFileThatSqliteKnows) {
  const auto ledger = open();
  ASSERT_TRUE(ledger->record(full_entry()).is_ok());
  EXPECT_EQ(sql("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(sql("PRAGMA application_id"), std::to_string(kLedgerApplicationId));
  EXPECT_EQ(sql("SELECT status || ' ' || budget_mode || ' ' || claim_kind FROM entries"), "cancelled strict measured");
}

// Files out there have these columns. Another list is another version, and older files have to be brought up to it.
TEST_F(LedgerTest, TheColumnsOfVersion1Stay) {
  EXPECT_EQ(kLedgerVersion, 1);
  EXPECT_EQ(column_definitions(),
            "request_id TEXT NOT NULL, time_us INTEGER NOT NULL, account TEXT NOT NULL, model TEXT NOT NULL, "
            "plan TEXT NOT NULL, task_class TEXT NOT NULL, modality TEXT NOT NULL, status TEXT NOT NULL, "
            "cause TEXT NOT NULL, finish_reason TEXT NOT NULL, max_latency_ms REAL, max_ttft_ms REAL, "
            "max_cost_usd REAL, min_quality REAL, budget_mode TEXT NOT NULL, waited_ms REAL NOT NULL, "
            "predicted_ttft_ms REAL, predicted_ttft_p95_ms REAL, predicted_latency_ms REAL, "
            "predicted_latency_p95_ms REAL, predicted_cost_usd REAL, predicted_quality REAL, ttft_ms REAL, "
            "latency_ms REAL, met_latency INTEGER, met_ttft INTEGER, met_cost INTEGER, met_quality INTEGER, "
            "claim_kind TEXT, claim_epsilon REAL NOT NULL, claim_delta REAL NOT NULL, "
            "claim_questions INTEGER NOT NULL, text_tokens INTEGER NOT NULL, visual_tokens INTEGER NOT NULL, "
            "laid_out_visual_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, "
            "generated_tokens INTEGER NOT NULL, flops REAL NOT NULL, cost_usd REAL, full_plan_usd REAL, "
            "policy TEXT NOT NULL, propensity REAL NOT NULL, context BLOB NOT NULL, candidates TEXT NOT NULL");
}

TEST_F(LedgerTest, ReadsARangeInOrderOfTimeAndStopsWhenTold) {
  const auto ledger = open();
  for (const auto& [id, time_us] : {std::pair("d", 40), {"b", 20}, {"a", 10}, {"c", 20}}) {
    ASSERT_TRUE(ledger->record(entry(id, time_us)).is_ok());
  }
  EXPECT_THAT(ids(all_of(*ledger)), ElementsAre("a", "b", "c", "d"));
  std::vector<std::string> seen;
  const auto see = [&](const LedgerRecord& record) {
    seen.push_back(record.entry.request_id);
    return seen.size() < 2;
  };
  ASSERT_TRUE(ledger->for_each(20, 41, see).is_ok());
  EXPECT_THAT(seen, ElementsAre("b", "c"));
  seen = {};
  ASSERT_TRUE(ledger->for_each(10, 20, see).is_ok());
  EXPECT_THAT(seen, ElementsAre("a"));
}

TEST_F(LedgerTest, MayBeWrittenWhileItIsRead) {
  const auto ledger = open();
  for (const char* id : {"a", "b"}) ASSERT_TRUE(ledger->record(entry(id)).is_ok());
  int num_read = 0;
  const Status status = ledger->for_each(Ledger::kBeginning, Ledger::kEnd, [&](const LedgerRecord& record) {
    ++num_read;
    return ledger->record(entry(record.entry.request_id + "+")).is_ok() &&
           ledger->add_feedback(record.entry.request_id, 1, FeedbackSource::kUser).is_ok();
  });
  EXPECT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(num_read, 2);
  EXPECT_EQ(all_of(*ledger).size(), 4u);
}

TEST_F(LedgerTest, FeedbackIsJoinedAndTheLaterOneStays) {
  const auto ledger = open();
  ASSERT_TRUE(ledger->record(entry("a", 1)).is_ok());
  ASSERT_TRUE(ledger->record(entry("b", 2)).is_ok());
  ASSERT_TRUE(ledger->add_feedback("a", 0.25, FeedbackSource::kUser).is_ok());
  ASSERT_TRUE(ledger->add_feedback("a", 1, FeedbackSource::kShadow).is_ok());
  ASSERT_TRUE(ledger->add_feedback("a", 0.5, FeedbackSource::kUser).is_ok());
  const auto records = all_of(*ledger);
  EXPECT_EQ(records[0].user_score, 0.5);
  EXPECT_EQ(records[0].shadow_score, 1);
  EXPECT_EQ(records[1].user_score, std::nullopt);
  EXPECT_EQ(ledger->add_feedback("a", 0.5, FeedbackSource::kUser, "stranger").code(), StatusCode::kNotFound);
  const Status unknown = ledger->add_feedback("c", 1, FeedbackSource::kUser);
  EXPECT_EQ(unknown.code(), StatusCode::kNotFound);
  EXPECT_THAT(unknown.message(), AllOf(HasSubstr(path_), HasSubstr("\"c\"")));
  for (const double score : {-0.01, 1.01, std::nan("")}) {
    EXPECT_EQ(ledger->add_feedback("a", score, FeedbackSource::kUser).code(), StatusCode::kInvalidArgument) << score;
  }
  EXPECT_EQ(sql("SELECT count(*) FROM feedback"), "2");
}

TEST_F(LedgerTest, RefusesARequestTwiceAndNumbersThatAreNone) {
  const auto ledger = open();
  LedgerEntry first = entry("a");
  first.plan = "full";
  ASSERT_TRUE(ledger->record(first).is_ok());
  const Status again = ledger->record(entry("a"));
  EXPECT_EQ(again.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(again.message(), AllOf(HasSubstr(path_), HasSubstr("\"a\" is in the ledger already")));
  LedgerEntry bad = entry("b");
  bad.predicted_cost_usd = std::nan("");
  EXPECT_THAT(ledger->record(bad).message(), HasSubstr("predicted_cost_usd is not a finite number"));
  bad.predicted_cost_usd.reset();
  bad.context = {1, std::numeric_limits<float>::infinity()};
  EXPECT_THAT(ledger->record(bad).message(), HasSubstr("context"));
  bad.context.clear();
  for (const double propensity : {0.0, 1.5, std::nan("")}) {
    bad.propensity = propensity;
    EXPECT_THAT(ledger->record(bad).message(), HasSubstr("propensity")) << propensity;
  }
  EXPECT_EQ(ledger->record(entry("")).code(), StatusCode::kInvalidArgument);
  const auto records = all_of(*ledger);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].entry.plan, "full");
}

TEST_F(LedgerTest, AddsUpWhatAnAccountSpent) {
  const auto ledger = open();
  int64_t time_us = 0;
  for (const auto& [account, usd] :
       {std::pair("a", std::optional(1.0)), {"a", 0.5}, {"b", 8.0}, {"a", std::nullopt}, {"", 0.25}, {"a", 0.125}}) {
    LedgerEntry spent = entry(std::to_string(time_us), time_us);
    spent.account = account;
    spent.cost_usd = usd;
    ASSERT_TRUE(ledger->record(spent).is_ok());
    ++time_us;
  }
  EXPECT_EQ(*ledger->spent_usd("a", 0), 1.625);
  EXPECT_EQ(*ledger->spent_usd("a", 1), 0.625);
  EXPECT_EQ(*ledger->spent_usd("a", 6), 0);
  EXPECT_EQ(*ledger->spent_usd("", 0), 0.25);
  EXPECT_EQ(*ledger->spent_usd("nobody", 0), 0);
}

TEST_F(LedgerTest, ThreadsRecordAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  const auto ledger = open();
  std::vector<std::thread> threads;
  std::atomic<int> num_failed = 0;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < kEach; ++j) {
        const std::string id = std::to_string(i) + "." + std::to_string(j);
        const bool is_kept = ledger->record(entry(id)).is_ok() && ledger->spent_usd("", 0).is_ok() &&
                             ledger->add_feedback(id, 1, FeedbackSource::kShadow).is_ok();
        num_failed += is_kept ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_failed, 0);
  EXPECT_EQ(all_of(*ledger).size(), kThreads * kEach);
}

TEST(LedgerEntry, IsFilledFromAReceipt) {
  Receipt receipt;
  receipt.request_id = "r1";
  receipt.plan = "keep=9";
  receipt.model = "m.gguf";
  receipt.latency_ms = 130;
  receipt.ttft_ms = 120;
  receipt.stages_ms.load = 100;  // which no budget counts
  receipt.tokens = {.text = 5, .visual = 9, .cached = 2, .generated = 4};
  receipt.flops = {.encode = 1, .prefill = 2, .decode = 4};
  receipt.pictures = {{.name = "a", .full_tokens = 64, .laid_out_tokens = 16},
                      {.name = "b", .full_tokens = 36, .laid_out_tokens = 36}};
  receipt.finish_reason = "stop";
  LedgerEntry entry = from_receipt(receipt, 77);
  EXPECT_EQ(entry.request_id, "r1");
  EXPECT_EQ(entry.time_us, 77);
  EXPECT_EQ(entry.modality, "image");
  EXPECT_EQ(entry.status, RequestStatus::kOk);
  EXPECT_EQ(entry.laid_out_visual_tokens, 100);
  EXPECT_EQ(entry.visual_tokens, 9);
  EXPECT_EQ(entry.flops, 7);
  EXPECT_EQ(entry.latency_ms, 30);
  EXPECT_EQ(entry.predicted_latency_ms, std::nullopt);
  EXPECT_EQ(entry.claim_kind, std::nullopt) << "a plan that was named has no claim";
  EXPECT_EQ(entry.cost_usd, std::nullopt);

  receipt.pictures.clear();
  receipt.finish_reason = "cancelled";
  receipt.cost = {.usd = 0.5, .full_plan_usd = 2};
  receipt.budget.emplace();
  receipt.budget->asked.max_latency_ms = 25;
  receipt.budget->task_class = "text";
  receipt.budget->predicted.latency_p95_ms = 4;
  receipt.budget->predicted.quality = 0.9;
  receipt.budget->claim.kind = QualityClaim::Kind::kCertified;
  receipt.budget->claim.num_questions = 500;
  receipt.budget->met_latency = false;
  entry = from_receipt(receipt, 77);
  EXPECT_EQ(entry.modality, "text");
  EXPECT_EQ(entry.status, RequestStatus::kCancelled);
  EXPECT_EQ(entry.asked.max_latency_ms, 25);
  EXPECT_EQ(entry.task_class, "text");
  EXPECT_EQ(entry.predicted_latency_p95_ms, 4);
  EXPECT_EQ(entry.predicted_quality, 0.9);
  EXPECT_EQ(entry.claim_kind, QualityClaim::Kind::kCertified);
  EXPECT_EQ(entry.claim_questions, 500);
  EXPECT_EQ(entry.met_latency, false);
  EXPECT_EQ(entry.met_cost, std::nullopt);
  EXPECT_EQ(entry.full_plan_usd, 2);
}

}  // namespace
}  // namespace saccade
