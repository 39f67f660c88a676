#include "cli/exit_code.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace saccade {
namespace {

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

Outcome capture(const std::function<int()>& call) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int exit_code = call();
  const std::string err = testing::internal::GetCapturedStderr();
  return {exit_code, testing::internal::GetCapturedStdout(), err};
}

TEST(ExitCode, AnErrorIsOneLineOnStderr) {
  const Outcome outcome = capture([] { return report_error(not_found("a\nb\x1b[31m: no such file")); });
  EXPECT_EQ(outcome.exit_code, kExitNotFound);
  EXPECT_EQ(outcome.err, "saccade: error: a\\u000ab\\u001b[31m: no such file\n");
  EXPECT_EQ(outcome.out, "");
}

TEST(ExitCode, JsonHasTheErrorToo) {
  const Outcome outcome = capture([] { return report_error(unsupported("x: no"), /*is_json=*/true); });
  EXPECT_EQ(outcome.exit_code, kExitBadFile);
  EXPECT_EQ(outcome.err, "saccade: error: x: no\n");
  EXPECT_EQ(outcome.out, "{\"error\":{\"code\":\"unsupported\",\"message\":\"x: no\"}}\n");
}

TEST(ExitCode, WhatIsThrownIsReported) {
  const Outcome memory = capture([] { return run_guarded(true, []() -> int { throw std::bad_alloc(); }); });
  EXPECT_EQ(memory.exit_code, kExitLimit);
  EXPECT_EQ(memory.err, "saccade: error: there is not enough memory\n");
  EXPECT_EQ(memory.out, "{\"error\":{\"code\":\"resource_exhausted\",\"message\":\"there is not enough memory\"}}\n");
  const Outcome other = capture([] { return run_guarded(false, []() -> int { throw std::runtime_error("odd"); }); });
  EXPECT_EQ(other.exit_code, kExitFailed);
  EXPECT_EQ(other.err, "saccade: error: an unexpected failure: odd\n");
  EXPECT_EQ(run_guarded(false, [] { return 7; }), 7);
}

}  // namespace
}  // namespace saccade
