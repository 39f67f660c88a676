#include "platform/cpu_features.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace saccade {
namespace {

#if defined(__aarch64__)
constexpr const char* kKey = "Features";
#else
constexpr const char* kKey = "flags";
#endif

/// What the kernel says of the first core, or nothing where /proc/cpuinfo has no such line.
std::set<std::string> flags_of_the_kernel() {
  std::ifstream cpu_info("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpu_info, line)) {
    if (line.rfind(kKey, 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

TEST(CpuFeatures, AgreeWithTheKernel) {
  const std::set<std::string> flags = flags_of_the_kernel();
  if (flags.empty()) GTEST_SKIP() << "no " << kKey << " in /proc/cpuinfo";
  const CpuFeatures& features = cpu_features();
  EXPECT_EQ(features.has_avx2, flags.count("avx2") == 1);
  EXPECT_EQ(features.has_fma, flags.count("fma") == 1);
  EXPECT_EQ(features.has_f16c, flags.count("f16c") == 1);
  EXPECT_EQ(features.has_avx_vnni, flags.count("avx_vnni") == 1);
  EXPECT_EQ(features.has_avx512f, flags.count("avx512f") == 1);
  EXPECT_EQ(features.has_avx512bw, flags.count("avx512bw") == 1);
  EXPECT_EQ(features.has_avx512dq, flags.count("avx512dq") == 1);
  EXPECT_EQ(features.has_avx512vl, flags.count("avx512vl") == 1);
  EXPECT_EQ(features.has_neon, flags.count("asimd") == 1);
  EXPECT_EQ(features.has_neon_dot, flags.count("asimddp") == 1);
}

}  // namespace
}  // namespace saccade
