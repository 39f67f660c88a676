#include "compression/redundancy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compression/apply_reduction.h"
#include "compression/test_picture.h"

namespace saccade {
namespace {

using test::TestPicture;

ThreadPool pool(2);

Tensor orthogonal(int64_t n) {
  Tensor vectors(Shape{n, n});
  vectors.fill(0);
  for (int64_t i = 0; i < n; ++i) vectors.row(i)[static_cast<size_t>(i)] = 2;
  return vectors;
}

std::vector<Place> row_of_places(int32_t n) {
  std::vector<Place> places;
  for (int32_t i = 0; i < n; ++i) places.push_back({0, 0, i});
  return places;
}

TEST(TokenRedundancy, CopiesOfOneTokenAreOneToken) {
  TestPicture picture(4, 4, 20, 1);
  picture.make_all_equal();
  const TokenRedundancy redundancy = measure_token_redundancy(pool, picture.vectors, picture.places);
  EXPECT_NEAR(redundancy.neighbour_cosine, 1, 1e-6);
  EXPECT_EQ(redundancy.unique_share, 1.0 / 16);
  EXPECT_NEAR(redundancy.effective_rank, 1, 1e-5);
  EXPECT_NEAR(redundancy.entropy_bits, 0, 1e-5);
}

TEST(TokenRedundancy, OrthogonalTokensAreAllTheirOwn) {
  constexpr int32_t kNum = 32;
  const Tensor vectors = orthogonal(kNum);
  const TokenRedundancy redundancy = measure_token_redundancy(pool, vectors, row_of_places(kNum));
  EXPECT_NEAR(redundancy.neighbour_cosine, 0, 1e-6);
  EXPECT_EQ(redundancy.unique_share, 1.0);
  EXPECT_NEAR(redundancy.effective_rank, kNum, 1e-3);
  // n ones on the diagonal, and exp(-1 / bandwidth) elsewhere.
  const double off = std::exp(-2 / kEntropyBandwidth) * kNum * (kNum - 1);
  EXPECT_NEAR(redundancy.entropy_bits, -std::log2((kNum + off) / (kNum * kNum)), 1e-5);
}

TEST(TokenRedundancy, NeighboursAreThoseOfTheSameGrid) {
  Tensor vectors(Shape{4, 2});
  const float values[] = {1, 0, 1, 0, 0, 1, 0, 1};
  std::ranges::copy(values, vectors.floats().begin());
  const std::vector<Place> apart = {{0, 0, 0}, {0, 0, 1}, {1, 0, 0}, {1, 1, 0}};
  EXPECT_NEAR(measure_token_redundancy(pool, vectors, apart).neighbour_cosine, 1, 1e-6);
  const std::vector<Place> together = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}};
  EXPECT_NEAR(measure_token_redundancy(pool, vectors, together).neighbour_cosine, 0.5, 1e-6);
  const std::vector<Place> alone = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}, {3, 0, 0}};
  EXPECT_EQ(measure_token_redundancy(pool, vectors, alone).neighbour_cosine, 0);
}

TEST(TokenRedundancy, EntropyMatchesItsFormula) {
  const TestPicture picture(5, 5, 300, 2);
  const auto cosine = [&](int64_t i, int64_t j) {
    double dot = 0, a = 0, b = 0;
    for (size_t k = 0; k < 300; ++k) {
      const double x = picture.vectors.row(i)[k], y = picture.vectors.row(j)[k];
      dot += x * y, a += x * x, b += y * y;
    }
    return dot / std::sqrt(a * b);
  };
  double squares = 0;
  for (int64_t i = 0; i < 25; ++i) {
    for (int64_t j = 0; j < 25; ++j) squares += std::exp(2 * (cosine(i, j) - 1) / kEntropyBandwidth);
  }
  EXPECT_NEAR(entropy_bits(pool, picture.vectors), -std::log2(squares / 625), 0.01);
}

TEST(TokenRedundancy, SharedEntropyKeepsItsBounds) {
  const TestPicture first(6, 6, 40, 3);
  const TestPicture second(6, 6, 24, 4);
  const SharedEntropy same = shared_entropy(pool, first.vectors, first.vectors);
  EXPECT_NEAR(same.first_bits, same.second_bits, 1e-9);
  EXPECT_GT(same.mutual_bits(), 0.9 * same.first_bits);
  const SharedEntropy other = shared_entropy(pool, first.vectors, second.vectors);
  EXPECT_GE(other.joint_bits, std::max(other.first_bits, other.second_bits));
  EXPECT_LE(other.joint_bits, other.first_bits + other.second_bits);
  EXPECT_LT(other.mutual_bits(), 1.01 * same.mutual_bits());
  // Nothing is left of X in what is the same for all.
  TestPicture flat(6, 6, 24, 4);
  flat.make_all_equal();
  const SharedEntropy none = shared_entropy(pool, first.vectors, flat.vectors);
  EXPECT_NEAR(none.mutual_bits(), 0, 1e-4);
  EXPECT_NEAR(none.first_given_second_bits(), none.first_bits, 1e-4);
}

TEST(TokenRedundancy, TheMoreIsKeptTheMoreIsShared) {
  const TestPicture picture(8, 8, 64, 5);
  MediaTokens before;
  before.vectors = picture.vectors.clone();
  before.places = picture.places;
  double previous = -1;
  for (const int64_t keep : {1, 8, 24, 64}) {
    const Reduction reduction =
        reduce(pool, *find_strategy("divprune").value(), picture.input(), {.keep = keep}).value();
    const MediaTokens after = apply_reduction(pool, reduction, before);
    const Tensor stands = stand_ins(pool, reduction, before, after);
    const double mutual = shared_entropy(pool, before.vectors, stands).mutual_bits();
    EXPECT_GT(mutual, previous) << keep;
    previous = mutual;
  }
}

}  // namespace
}  // namespace saccade
