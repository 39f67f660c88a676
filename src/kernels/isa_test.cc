#include "kernels/isa.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/kernel_test_data.h"
#include "kernels/leaf.h"

namespace saccade {
namespace {

TEST(SelectIsa, EmptyMeansTheBestThatCanRun) {
  EXPECT_EQ(select_isa("").value(), test::runnable_isas().back());
}

TEST(SelectIsa, GivesWhatIsNamedOrRefuses) {
  for (Isa isa : kAllIsas) {
    const Expected<Isa> selected = select_isa(isa_name(isa));
    if (can_run(isa)) {
      EXPECT_EQ(selected.value(), isa);
    } else {
      EXPECT_EQ(selected.status().code(), StatusCode::kUnsupported);
      EXPECT_EQ(set_active_isa(isa).code(), StatusCode::kUnsupported);
    }
  }
}

TEST(SelectIsa, RefusesUnknownNames) {
  const Expected<Isa> selected = select_isa("avx9");
  ASSERT_FALSE(selected.is_ok());
  EXPECT_EQ(selected.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(selected.status().message(),
            "no instruction set is called \"avx9\"; known: reference, avx2, avx2_vnni, "
            "avx512, avx512_vnni, avx512_bf16, amx, neon, neon_dot");
}

TEST(ActiveIsa, FollowsSetActiveIsa) {
  for (Isa isa : test::runnable_isas()) {
    test::ScopedIsa scope(isa);
    ASSERT_TRUE(scope.is_ok());
    EXPECT_EQ(active_isa().value(), isa);
  }
}

/// The exit code of a fresh process that asks with SACCADE_ISA set.
[[noreturn]] void exit_with_isa_of_environment(const char* name) {
  setenv("SACCADE_ISA", name, 1);
  const Expected<Isa> isa = active_isa();
  if (!isa) std::fprintf(stderr, "%s", isa.status().message().c_str());
  std::exit(isa ? 10 + static_cast<int>(*isa) : 1);
}

TEST(ActiveIsaDeathTest, ComesFromTheEnvironment) {
  if (test::kIsEmulated) GTEST_SKIP() << "an emulated process cannot start this program once more";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(exit_with_isa_of_environment("reference"), testing::ExitedWithCode(10), "");
  EXPECT_EXIT(exit_with_isa_of_environment("mmx"), testing::ExitedWithCode(1),
              "SACCADE_ISA: no instruction set is called");
}

class EveryIsa : public testing::TestWithParam<Isa> {};

TEST_P(EveryIsa, HasACompleteLeaf) {
  if (!can_run(GetParam())) GTEST_SKIP() << "this machine cannot run " << isa_name(GetParam());
  test::ScopedIsa scope(GetParam());
  const Leaf& leaf = active_leaf();
  EXPECT_LE(leaf.tile_rows, kMaxTileRows);
  EXPECT_LE(leaf.tile_cols, kMaxTileCols);
  for (const Leaf::Dequantize dequantize : leaf.dequantize) EXPECT_NE(dequantize, nullptr);
  EXPECT_NE(leaf.dot_rows[static_cast<size_t>(DType::kF32)], nullptr);
}

INSTANTIATE_TEST_SUITE_P(Isa, EveryIsa, testing::ValuesIn(kAllIsas),
                         [](const auto& isa) { return test::name_of(isa.param); });

}  // namespace
}  // namespace saccade
