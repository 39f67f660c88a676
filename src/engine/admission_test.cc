#include "engine/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "platform/clock.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

constexpr double kLong = 1e6;  // of deadlines: so far off that the time a test takes does not matter

/// One that may take all of `options`' work, by a deadline from now.
Admission::Entrant entrant(double deadline_ms, std::vector<WorkOption> options, std::string account = "",
                           int priority = 0) {
  static std::atomic<uint64_t> order{0};
  const double at_ms = now_ms() + deadline_ms;
  return {{priority, at_ms, order++}, std::move(account), at_ms, std::move(options), true};
}

Admission::Place enter(Admission& admission, Admission::Entrant entrant) {
  auto place = admission.enter(std::move(entrant));
  EXPECT_TRUE(place) << place.status().message();
  return place ? *std::move(place) : Admission::Place();
}

/// Enters on a thread of its own. Returns once it waits, where it is to.
class Queued {
 public:
  Queued(Admission& admission, Admission::Entrant entrant, bool is_to_wait = true) {
    const int64_t before = admission.num_waiting();
    thread_ = std::thread([this, &admission, entrant = std::move(entrant)]() mutable {
      auto place = admission.enter(std::move(entrant));
      if (place) {
        place_ = *std::move(place);
      } else {
        status_ = place.status();
      }
      is_done_ = true;
    });
    while (is_to_wait && admission.num_waiting() == before && !is_done_) std::this_thread::yield();
  }
  ~Queued() {
    if (thread_.joinable()) thread_.join();
  }
  bool is_done() const { return is_done_; }
  Status join() {
    thread_.join();
    return status_;
  }
  void leave() { place_ = Admission::Place(); }

 private:
  std::thread thread_;
  Admission::Place place_;
  Status status_;
  std::atomic<bool> is_done_{false};
};

TEST(Admission, WhoIsAloneHasAllTheTimeThereIs) {
  Admission admission({4, 4});
  const Admission::Place place = enter(admission, entrant(100, {{10, 0.1}, {50, 0}}));
  EXPECT_EQ(place.room().ahead_ms, 0);
  EXPECT_EQ(place.room().num_others, 0);
  EXPECT_TRUE(std::isinf(place.room().allotted_ms));
}

TEST(Admission, ThoseThatLoseLeastGiveWayBeforeAnybodyIsRefused) {
  Admission admission({4, 4});
  const Admission::Place first = enter(admission, entrant(kLong, {{0.3 * kLong, 0.2}, {0.6 * kLong, 0}}));
  const Admission::Place second = enter(admission, entrant(1.01 * kLong, {{0.3 * kLong, 0.01}, {0.6 * kLong, 0}}));
  EXPECT_NEAR(first.room().allotted_ms, 0.71 * kLong, 100) << "the other one loses less: what it leaves";
  EXPECT_NEAR(second.room().allotted_ms, 1.3 * 0.3 * kLong, 1);
  EXPECT_NEAR(second.room().ahead_ms, 0.6 * kLong, 1);
  const Admission::Place third = enter(admission, entrant(1.02 * kLong, {{0.3 * kLong, 0.01}}));
  EXPECT_NEAR(first.room().allotted_ms, 1.3 * 0.3 * kLong, 1) << "now it takes both";
  const auto fourth = admission.enter(entrant(1.03 * kLong, {{0.3 * kLong, 0.01}}));
  ASSERT_FALSE(fourth);
  EXPECT_EQ(fourth.status().code(), StatusCode::kOverloaded);
  EXPECT_THAT(fourth.status().message(), HasSubstr("3 are being answered and 0 wait"));
  EXPECT_NEAR(*fourth.status().retry_after_ms(), 0.17 * kLong, 100);
  EXPECT_EQ(admission.num_running(), 3);
}

TEST(Admission, WhatIsCommittedIsNoLongerChosen) {
  Admission admission({4, 4});
  const Admission::Place first = enter(admission, entrant(kLong, {{0.3 * kLong, 0.01}, {0.9 * kLong, 0}}));
  first.commit(0.8 * kLong);
  EXPECT_FALSE(admission.enter(entrant(1.01 * kLong, {{0.3 * kLong, 0.5}})));
  first.commit(0.5 * kLong);
  const Admission::Place second = enter(admission, entrant(1.01 * kLong, {{0.3 * kLong, 0.5}}));
  EXPECT_NEAR(second.room().ahead_ms, 0.5 * kLong, 1);
  // What is ahead may take what the one behind leaves it.
  EXPECT_NEAR(first.room().allotted_ms, 0.71 * kLong, 100);
}

TEST(Admission, AMoreUrgentOneIsRefusedWhereItWouldMakeOthersLate) {
  Admission admission({4, 4});
  const Admission::Place first = enter(admission, entrant(kLong, {{0.8 * kLong, 0}}));
  const auto urgent = admission.enter(entrant(0.5 * kLong, {{0.3 * kLong, 0}}));
  ASSERT_FALSE(urgent);
  EXPECT_EQ(urgent.status().code(), StatusCode::kOverloaded);
  const Admission::Place preferred = enter(admission, entrant(0.5 * kLong, {{0.3 * kLong, 0}}, "", 1));
  EXPECT_EQ(preferred.room().ahead_ms, 0) << "of a higher priority: others may be late for it";
}

TEST(Admission, WhoCouldNotBeInTimeAloneIsNotRefusedForOthers) {
  Admission admission({4, 4});
  const Admission::Place first = enter(admission, entrant(kLong, {{0.1 * kLong, 0}}));
  Admission::Entrant late = entrant(2 * kLong, {{3 * kLong, 0}});
  late.is_possible = false;
  EXPECT_TRUE(admission.enter(late));
}

TEST(Admission, TheMostUrgentOfThoseThatWaitBeginsFirst) {
  Admission admission({1, 8});
  std::optional<Admission::Place> place(enter(admission, entrant(kLong, {{1, 0}})));
  Queued late(admission, entrant(3 * kLong, {{1, 0}}));
  Queued soon(admission, entrant(2 * kLong, {{1, 0}}));
  Queued high(admission, entrant(4 * kLong, {{1, 0}}, "", 1));
  EXPECT_EQ(admission.num_waiting(), 3);
  place.reset();
  EXPECT_TRUE(high.join().is_ok());
  EXPECT_FALSE(soon.is_done());
  high.leave();
  EXPECT_TRUE(soon.join().is_ok());
  EXPECT_FALSE(late.is_done());
  soon.leave();
  EXPECT_TRUE(late.join().is_ok());
}

TEST(Admission, AFullQueueRefuses) {
  Admission admission({1, 1});
  std::optional<Admission::Place> place(enter(admission, entrant(kLong, {{1, 0}})));
  Queued waits(admission, entrant(kLong, {{1, 0}}));
  EXPECT_FALSE(admission.enter(entrant(kLong, {{1, 0}})));
  place.reset();
  EXPECT_TRUE(waits.join().is_ok());
}

// The account with the most work in the queue makes room for another one's.
TEST(Admission, AccountsHaveEqualShares) {
  Admission admission({1, 2});
  std::optional<Admission::Place> place(enter(admission, entrant(kLong, {{1, 0}}, "flood")));
  Queued first(admission, entrant(kLong, {{1, 0}}, "flood"));
  Queued second(admission, entrant(kLong, {{1, 0}}, "flood"));
  EXPECT_FALSE(admission.enter(entrant(kLong, {{1, 0}}, "flood")));
  Queued other(admission, entrant(2 * kLong, {{1, 0}}, "quiet"), /*is_to_wait=*/false);
  EXPECT_EQ(second.join().code(), StatusCode::kOverloaded) << "the last of the account with the most";
  place.reset();
  EXPECT_TRUE(first.join().is_ok());
  first.leave();
  EXPECT_TRUE(other.join().is_ok());
}

TEST(Admission, WhoIsGivenUpWhileItWaitsIsGone) {
  Admission admission({1, 8});
  const Admission::Place place = enter(admission, entrant(kLong, {{1, 0}}));
  std::stop_source source;
  std::thread thread([&] {
    const auto other = admission.enter(entrant(kLong, {{1, 0}}), source.get_token());
    ASSERT_FALSE(other);
    EXPECT_EQ(other.status().code(), StatusCode::kCancelled);
  });
  while (admission.num_waiting() == 0) std::this_thread::yield();
  source.request_stop();
  thread.join();
  EXPECT_EQ(admission.num_waiting(), 0);
  EXPECT_EQ(admission.num_running(), 1);
}

// Of requests without a deadline those begin first whose account has fewest running.
TEST(Admission, WithoutDeadlinesAccountsTakeTurns) {
  Admission admission({2, 8});
  const auto at_leisure = [](std::string account) {
    Admission::Entrant one = entrant(kLong, {{0, 0}}, std::move(account));
    one.deadline_ms = std::numeric_limits<double>::infinity();
    return one;
  };
  std::optional<Admission::Place> a(enter(admission, at_leisure("a")));
  std::optional<Admission::Place> b(enter(admission, at_leisure("a")));
  Queued third(admission, at_leisure("a"));
  Queued other(admission, at_leisure("b"));
  b.reset();
  EXPECT_TRUE(other.join().is_ok());
  EXPECT_FALSE(third.is_done());
  a.reset();
  EXPECT_TRUE(third.join().is_ok());
}

}  // namespace
}  // namespace saccade
