#include "compression/apply_reduction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ThreadPool pool(2);

/// Vectors (i, 10 i) in one row of cells.
MediaTokens row_of_tokens(int32_t n) {
  MediaTokens tokens;
  tokens.vectors = Tensor(Shape{n, 2});
  tokens.extent = {1, 1, n};
  for (int32_t i = 0; i < n; ++i) {
    tokens.places.push_back({0, 0, i});
    tokens.vectors.row(i)[0] = static_cast<float>(i);
    tokens.vectors.row(i)[1] = static_cast<float>(10 * i);
  }
  return tokens;
}

TEST(ApplyReduction, KeptTokensStayInTheOrderOfTheirPlaces) {
  const MediaTokens tokens = row_of_tokens(5);
  Reduction reduction;
  reduction.ranking = {3, 1};
  reduction.target = {kNoTarget, 1, kNoTarget, 3, kNoTarget};
  const MediaTokens kept = apply_reduction(pool, reduction, tokens);
  EXPECT_THAT(kept.vectors.floats(), ElementsAre(1, 10, 3, 30));
  EXPECT_THAT(kept.places, ElementsAre(Place{0, 0, 1}, Place{0, 0, 3}));
  EXPECT_THAT(kept.cells, ElementsAre(1, 3));
  EXPECT_EQ(kept.extent, tokens.extent);
  EXPECT_THAT(kept.weights, IsEmpty());
}

TEST(ApplyReduction, MergedTokensAreTheMeansOfTheirParts) {
  MediaTokens tokens = row_of_tokens(4);
  tokens.weights = {1, 2, 1, 4};
  tokens.cells = {2, 3, 5, 9};
  Reduction reduction;
  reduction.ranking = {2, 0};
  reduction.target = {0, 2, 2, kNoTarget};
  reduction.parts = {{2, 1, 0.75f}, {2, 2, 0.25f}};
  const MediaTokens merged = apply_reduction(pool, reduction, tokens);
  EXPECT_THAT(merged.vectors.floats(), ElementsAre(0, 0, 1.25f, 12.5f));
  EXPECT_THAT(merged.cells, ElementsAre(2, 5));
  EXPECT_THAT(merged.weights, ElementsAre(1, 3));
}

TEST(ApplyReduction, TokensMergeAcrossTheGridsOfAPicture) {
  MediaTokens first = row_of_tokens(2);
  MediaTokens second = row_of_tokens(3);
  second.weights = {2, 1, 1};
  first.keys = row_of_tokens(2).vectors;
  const MediaTokens* grids[] = {&first, &second};
  const PictureTokens picture(grids);
  const CompressionInput input = picture.input();
  EXPECT_EQ(input.num_tokens(), 5);
  EXPECT_THAT(input.vectors.floats(), ElementsAre(0, 0, 1, 10, 0, 0, 1, 10, 2, 20));
  EXPECT_THAT(input.places,
              ElementsAre(Place{0, 0, 0}, Place{0, 0, 1}, Place{1, 0, 0}, Place{1, 0, 1}, Place{1, 0, 2}));
  EXPECT_THAT(input.weights, ElementsAre(1, 1, 2, 1, 1));
  EXPECT_FALSE(input.keys) << "the second grid has none";
  Reduction reduction;
  reduction.ranking = {4};
  reduction.target = {kNoTarget, 4, kNoTarget, kNoTarget, 4};
  reduction.parts = {{4, 1, 0.5f}, {4, 4, 0.5f}};
  const std::vector<MediaTokens> reduced = apply_reduction(pool, reduction, grids);
  ASSERT_EQ(reduced.size(), 2u);
  EXPECT_THAT(reduced[0].places, IsEmpty());
  EXPECT_EQ(reduced[0].vectors.shape(), (Shape{0, 2}));
  EXPECT_THAT(reduced[1].vectors.floats(), ElementsAre(1.5f, 15));
  EXPECT_THAT(reduced[1].places, ElementsAre(Place{0, 0, 2}));
  EXPECT_THAT(reduced[1].weights, ElementsAre(2));
}

TEST(ApplyReduction, FixedTokensAreNoStrategysBusiness) {
  MediaTokens tokens = row_of_tokens(5);
  tokens.is_fixed = {0, 0, 1, 0, 1};
  tokens.class_attention = {0.1f, 0.2f, 0, 0.3f, 0};
  const MediaTokens* grids[] = {&tokens};
  const PictureTokens picture(grids);
  const CompressionInput input = picture.input();
  EXPECT_THAT(input.vectors.floats(), ElementsAre(0, 0, 1, 10, 3, 30));
  EXPECT_THAT(input.places, ElementsAre(Place{0, 0, 0}, Place{0, 0, 1}, Place{0, 0, 3}));
  EXPECT_THAT(input.class_attention, ElementsAre(0.1f, 0.2f, 0.3f));
  Reduction reduction;
  reduction.ranking = {2};
  reduction.target = {kNoTarget, 2, 2};
  reduction.parts = {{2, 1, 0.5f}, {2, 2, 0.5f}};
  const Reduction whole = picture.with_fixed(reduction);
  EXPECT_THAT(whole.ranking, ElementsAre(3, 2, 4));
  EXPECT_THAT(whole.target, ElementsAre(kNoTarget, 3, 2, 3, 4));
  const MediaTokens reduced = apply_reduction(pool, whole, tokens);
  EXPECT_THAT(reduced.cells, ElementsAre(2, 3, 4));
  EXPECT_THAT(reduced.vectors.floats(), ElementsAre(2, 20, 2, 20, 4, 40));
  EXPECT_THAT(reduced.weights, ElementsAre(1, 2, 1));
  EXPECT_THAT(reduced.is_fixed, ElementsAre(1, 0, 1));
}

}  // namespace
}  // namespace saccade
