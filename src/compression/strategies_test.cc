// Every strategy against the golden file of tools/compression/make_golden.py, which is an independent reference: what
// is kept, in which order, what goes where, and the vectors that come out. Its inputs are exact in bf16 and none of its
// decisions is close, so that every instruction set must come to the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "compression/apply_reduction.h"
#include "compression/golden_file.h"
#include "compression/strategy.h"
#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

using test::GoldenFile;

std::vector<std::string> case_names(const GoldenFile& golden) {
  std::vector<std::string> names;
  constexpr std::string_view kSuffix = ".options";
  for (const std::string& name : golden.names()) {
    if (name.ends_with(kSuffix)) names.push_back(name.substr(0, name.size() - kSuffix.size()));
  }
  return names;
}

/// A case's tokens, one grid for each t of the places, as an encoder would hand them over.
struct GoldenPicture {
  GoldenPicture(const GoldenFile& golden, const std::string& name)
      : query(golden.matrix(name + ".query")), question_scores(golden.values<float>(name + ".question_scores")) {
    const std::vector<int32_t> options_values = golden.values<int32_t>(name + ".options");
    options.keep = options_values[0];
    options.seed = static_cast<uint64_t>(options_values[1]);
    const std::vector<int32_t> numbers = golden.values<int32_t>(name + ".places");
    const Tensor vectors = golden.matrix(name + ".vectors");
    const Tensor keys = golden.matrix(name + ".keys");
    const std::vector<float> weights = golden.values<float>(name + ".weights");
    const std::vector<float> attention = golden.values<float>(name + ".class_attention");
    const auto n = static_cast<int64_t>(numbers.size()) / 3;
    for (int64_t first = 0; first < n;) {
      MediaTokens& grid = grids.emplace_back();
      int64_t end = first;
      for (; end < n && numbers[static_cast<size_t>(3 * end)] == numbers[static_cast<size_t>(3 * first)]; ++end) {
        const auto at = static_cast<size_t>(3 * end);
        grid.places.push_back({0, numbers[at + 1], numbers[at + 2]});
      }
      grid.vectors = copy_rows(vectors, first, end - first);
      if (!keys.is_empty()) grid.keys = copy_rows(keys, first, end - first);
      if (!weights.empty()) grid.weights.assign(weights.begin() + first, weights.begin() + end);
      if (!attention.empty()) grid.class_attention.assign(attention.begin() + first, attention.begin() + end);
      first = end;
    }
    for (const MediaTokens& grid : grids) pointers.push_back(&grid);
  }

  std::vector<MediaTokens> grids;
  std::vector<const MediaTokens*> pointers;
  Tensor query;
  std::vector<float> question_scores;
  CompressionOptions options;
};

void compare(ThreadPool& pool, const GoldenFile& golden, const std::string& name, const GoldenPicture& picture,
             const Strategy& strategy) {
  const std::string prefix = name + "." + std::string(strategy.name);
  const PictureTokens tokens(picture.pointers);
  CompressionInput input = tokens.input(picture.query.is_empty() ? TensorView() : picture.query.view());
  input.question_scores = picture.question_scores;
  const auto reduction = reduce(pool, strategy, input, picture.options);
  ASSERT_TRUE(reduction) << reduction.status().message();
  EXPECT_EQ(reduction->ranking, golden.values<int32_t>(prefix + ".ranking"));
  EXPECT_EQ(reduction->target, golden.values<int32_t>(prefix + ".target"));
  const std::vector<MediaTokens> reduced = apply_reduction(pool, *reduction, picture.pointers);
  std::vector<float> merged;
  for (const MediaTokens& grid : reduced) {
    const std::span<const float> floats = grid.vectors.floats();
    merged.insert(merged.end(), floats.begin(), floats.end());
  }
  const std::vector<float> expected = golden.values<float>(prefix + ".merged");
  ASSERT_EQ(merged.size(), expected.size());
  for (size_t i = 0; i < merged.size(); ++i) ASSERT_NEAR(merged[i], expected[i], 1e-5) << i;
}

TEST(Strategies, MatchTheReferenceOnEveryIsa) {
  const GoldenFile golden("golden.safetensors");
  ThreadPool pool(2);
  int num_compared = 0;
  ASSERT_GE(case_names(golden).size(), 8u);
  for (const Isa isa : test::runnable_isas()) {
    test::ScopedIsa scope(isa);
    for (const std::string& name : case_names(golden)) {
      const GoldenPicture picture(golden, name);
      for (const Strategy& strategy : strategies()) {
        if (!golden.has(name + "." + std::string(strategy.name) + ".ranking")) continue;
        SCOPED_TRACE(test::name_of(isa) + " " + name + " " + std::string(strategy.name));
        compare(pool, golden, name, picture, strategy);
        ++num_compared;
      }
    }
  }
  EXPECT_GE(num_compared, 100);
}

TEST(Strategies, EachHasGoldenCases) {
  const GoldenFile golden("golden.safetensors");
  for (const Strategy& strategy : strategies()) {
    const auto num_cases = std::ranges::count_if(case_names(golden), [&](const std::string& name) {
      return golden.has(name + "." + std::string(strategy.name) + ".ranking");
    });
    EXPECT_GE(num_cases, 5) << strategy.name;
  }
}

}  // namespace
}  // namespace saccade
