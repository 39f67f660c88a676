#include "scheduling/turn_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "platform/clock.h"

namespace saccade {
namespace {

using Kind = TurnQueue::Kind;

void work_for(double ms) {
  const Stopwatch clock;
  while (clock.elapsed_ms() < ms) {
  }
}

void wait_until_waiting(const TurnQueue& turns, int count) {
  while (turns.num_waiting() < count) std::this_thread::yield();
}

TEST(Urgency, PriorityThenDeadlineThenArrival) {
  const Urgency plain = {0, 100, 5};
  EXPECT_TRUE((Urgency{1, 900, 9}).is_before(plain));
  EXPECT_TRUE((Urgency{0, 99, 9}).is_before(plain));
  EXPECT_TRUE((Urgency{0, 100, 4}).is_before(plain));
  EXPECT_FALSE(plain.is_before(plain));
  EXPECT_TRUE(plain.is_before(Urgency{.order = 1})) << "no deadline is the latest";
}

TEST(TurnQueue, TheMostUrgentOfThoseThatWaitGoesNext) {
  TurnQueue turns;
  std::string order;
  auto first = std::make_unique<TurnQueue::Turn>(turns.take(Kind::kLong, {0, 10, 0}));
  const auto work = [&](char name, Urgency urgency) {
    const TurnQueue::Turn turn = turns.take(Kind::kLong, urgency);
    order += name;
  };
  std::thread late(work, 'c', Urgency{0, 300, 1});
  wait_until_waiting(turns, 1);
  std::thread soon(work, 'b', Urgency{0, 200, 2});
  wait_until_waiting(turns, 2);
  std::thread high(work, 'a', Urgency{1, 900, 3});
  wait_until_waiting(turns, 3);
  first.reset();
  late.join();
  soon.join();
  high.join();
  EXPECT_EQ(order, "abc");
}

TEST(TurnQueue, LongWorkLetsInWhatIsMoreUrgentAndGoesOn) {
  TurnQueue turns;
  std::string order;
  TurnQueue::Turn turn = turns.take(Kind::kLong, {0, 100, 0});
  std::thread less_urgent([&] {
    const TurnQueue::Turn other = turns.take(Kind::kLong, {0, 200, 1});
    order += 'z';
  });
  wait_until_waiting(turns, 1);
  work_for(2);
  turn.yield();
  EXPECT_EQ(order, "");
  EXPECT_EQ(turn.waited_ms(), 0);
  std::thread more_urgent([&] {
    TurnQueue::Turn other = turns.take(Kind::kLong, {0, 50, 2});
    order += 'a';
    work_for(2);
    other.yield();
    order += 'b';
  });
  wait_until_waiting(turns, 2);
  work_for(2);
  turn.yield();
  EXPECT_EQ(order, "ab");
  EXPECT_GE(turn.waited_ms(), 2);
  { const TurnQueue::Turn done = std::move(turn); }
  more_urgent.join();
  less_urgent.join();
  EXPECT_EQ(order, "abz");
}

// However long a part takes: neither is ahead of its share by more than what was done without a break.
TEST(TurnQueue, StepsAndLongWorkShareTheTime) {
  TurnQueue turns;
  double step_ms = 0;
  double long_ms = 0;
  double longest_ms = 0;
  std::atomic<bool> is_over{false};
  const auto work = [&](double ms, double& total_ms) {
    const Stopwatch clock;
    work_for(ms);
    total_ms += clock.elapsed_ms();
    longest_ms = std::max(longest_ms, clock.elapsed_ms());
  };
  TurnQueue::Turn turn = turns.take(Kind::kLong, {0, 20, 0});
  std::thread stepper([&] {
    TurnQueue::Turn steps = turns.take(Kind::kStep, {});
    steps.set_urgency({0, 10, 1});  // four fifths of the time
    while (!is_over) {
      work(3, step_ms);
      steps.yield();
    }
  });
  wait_until_waiting(turns, 1);
  while (long_ms < 30) {
    work(2, long_ms);
    turn.yield();
  }
  EXPECT_NEAR(step_ms, 4 * long_ms, 8 * longest_ms + 1);
  EXPECT_GT(step_ms, long_ms);
  is_over = true;
  { const TurnQueue::Turn done = std::move(turn); }
  stepper.join();
}

// Every thread's turns exclude all others', whatever they do with them.
TEST(TurnQueue, ThereIsOneTurnAtATime) {
  TurnQueue turns;
  int num_inside = 0;  // unguarded: a race would show
  int64_t num_turns = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        const Kind kind = i == 0 ? Kind::kStep : Kind::kLong;
        TurnQueue::Turn turn = turns.take(kind, {round % 3, static_cast<double>(i * round % 7), 0});
        for (int part = 0; part < 3; ++part) {
          EXPECT_EQ(++num_inside, 1);
          ++num_turns;
          --num_inside;
          turn.yield();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_turns, 6 * 200 * 3);
  EXPECT_EQ(turns.num_waiting(), 0);
}

}  // namespace
}  // namespace saccade
