#include "cli/terminal.h"

#include <gtest/gtest.h>

#include <csignal>

#include "cli/exit_code.h"

namespace saccade {
namespace {

// One test: the signals' handlers are the process's own.
TEST(Interrupt, TerminationIsNotForgotten) {
  watch_for_interrupt();
  EXPECT_FALSE(is_interrupted());
  std::raise(SIGINT);
  EXPECT_TRUE(is_interrupted());
  EXPECT_FALSE(is_terminated());
  clear_interrupt();
  EXPECT_FALSE(is_interrupted());
  std::raise(SIGTERM);
  EXPECT_TRUE(is_interrupted());
  EXPECT_TRUE(is_terminated());
  clear_interrupt();
  EXPECT_TRUE(is_terminated());
}

TEST(InterruptDeathTest, EndsAWaitForInput) {
  const auto during = [] {
    watch_for_interrupt();
    const InputWait wait;
    std::raise(SIGINT);
  };
  EXPECT_EXIT(during(), testing::ExitedWithCode(kExitInterrupted), "");
  const auto before = [] {
    watch_for_interrupt();
    std::raise(SIGINT);
    const InputWait wait;
  };
  EXPECT_EXIT(before(), testing::ExitedWithCode(kExitInterrupted), "");
}

}  // namespace
}  // namespace saccade
