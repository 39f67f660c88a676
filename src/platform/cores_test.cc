#include "platform/cores.h"

#include <gtest/gtest.h>

#include <thread>

namespace saccade {
namespace {

TEST(Cores, ThereIsAtLeastOne) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

TEST(Cores, APinnedThreadHasOneCore) {
  const std::vector<int> cores = core_numbers();
  if (cores.empty()) GTEST_SKIP() << "this system does not tell its cores";
  std::thread([&] {
    pin_to_core(cores.back());
    EXPECT_EQ(core_numbers(), std::vector<int>{cores.back()});
    EXPECT_EQ(usable_cores(), 1);
  }).join();
  EXPECT_EQ(core_numbers(), cores);
}

}  // namespace
}  // namespace saccade
