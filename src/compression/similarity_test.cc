#include "compression/similarity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "compression/relevance.h"
#include "compression/strategy.h"
#include "compression/test_picture.h"
#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

using test::TestPicture;

ThreadPool pool(2);

double exact_cosine(std::span<const float> x, std::span<const float> y) {
  double dot = 0, a = 0, b = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    dot += double{x[i]} * double{y[i]};
    a += double{x[i]} * double{x[i]};
    b += double{y[i]} * double{y[i]};
  }
  return dot / std::sqrt(a * b);
}

TEST(Similarity, RoundingMovesACosineByLessThanAThousandth) {
  for (const Isa isa : test::runnable_isas()) {
    test::ScopedIsa scope(isa);
    for (const int64_t dim : {256, 1024}) {
      TestPicture picture(8, 8, dim, 1);
      std::ranges::copy(picture.vectors.row(5), picture.vectors.row(40).begin());
      std::ranges::fill(picture.vectors.row(9), 0.0f);
      const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, picture.vectors);
      for (int64_t i = 0; i < 64; ++i) {
        for (int64_t j = 0; j < 64; ++j) {
          ASSERT_EQ(cosines.at(i, j), cosines.at(j, i));
          if (i == 9 || j == 9) {
            ASSERT_EQ(cosines.at(i, j), 0);
          } else if (i == j || (i == 5 && j == 40)) {
            ASSERT_EQ(cosines.at(i, j), 1);
          } else {
            ASSERT_NEAR(double{cosines.at(i, j)}, exact_cosine(picture.vectors.row(i), picture.vectors.row(j)), 1e-3)
                << test::name_of(isa) << " " << dim;
          }
        }
      }
    }
  }
}

/// What the rounding of an ISA can change in what is kept: a decision between tokens that are as good as each other.
TEST(Similarity, RoundingChangesLittleOfWhatIsKept) {
  const TestPicture picture(16, 16, 512, 2);
  for (const char* name : {"divprune", "cdpruner", "facility", "tops"}) {
    const Strategy& strategy = *find_strategy(name).value();
    std::set<int32_t> exact;
    {
      test::ScopedIsa scope(Isa::kReference);
      const Reduction reduction = reduce(pool, strategy, picture.input(), {.keep = 64}).value();
      exact.insert(reduction.ranking.begin(), reduction.ranking.end());
    }
    for (const Isa isa : test::runnable_isas()) {
      test::ScopedIsa scope(isa);
      const Reduction reduction = reduce(pool, strategy, picture.input(), {.keep = 64}).value();
      const auto num_same =
          std::ranges::count_if(reduction.ranking, [&](int32_t token) { return exact.contains(token); });
      EXPECT_GE(num_same, 58) << name << " " << test::name_of(isa);
    }
  }
}

TEST(Similarity, CosinesWithSomeAreThoseOfTheMatrix) {
  const TestPicture picture(4, 5, 40, 3);
  const std::vector<int32_t> chosen = {7, 0, 19};
  const Tensor cosines = cosines_with(pool, picture.vectors, chosen);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 20; ++j) {
      EXPECT_NEAR(double{cosines.row(i)[static_cast<size_t>(j)]},
                  exact_cosine(picture.vectors.row(chosen[static_cast<size_t>(i)]), picture.vectors.row(j)), 1e-6);
    }
  }
}

TEST(Relevance, IsTheCosineWithTheWords) {
  const TestPicture picture(3, 4, 50, 4);
  std::vector<float> mean(50);
  for (int64_t word = 0; word < 3; ++word) {
    double squares = 0;
    for (const float value : picture.query.row(word)) squares += double{value} * double{value};
    for (size_t i = 0; i < 50; ++i)
      mean[i] += static_cast<float>(double{picture.query.row(word)[i]} / std::sqrt(squares));
  }
  const std::vector<float> by_mean = relevance_to(pool, picture.vectors, picture.query, RelevanceKind::kMean);
  const std::vector<float> by_word = relevance_to(pool, picture.vectors, picture.query, RelevanceKind::kMax);
  const std::vector<float> mixed = relevance_to(pool, picture.vectors, picture.query, RelevanceKind::kMixed);
  for (int64_t i = 0; i < 12; ++i) {
    const auto at = static_cast<size_t>(i);
    double largest = -1;
    for (int64_t word = 0; word < 3; ++word) {
      largest = std::max(largest, exact_cosine(picture.vectors.row(i), picture.query.row(word)));
    }
    EXPECT_NEAR(double{by_mean[at]}, exact_cosine(picture.vectors.row(i), mean), 1e-6);
    EXPECT_NEAR(double{by_word[at]}, largest, 1e-6);
    EXPECT_GE(mixed[at], 0);
    EXPECT_LE(mixed[at], 1);
  }
}

TEST(Relevance, ScalingToTheUnitRange) {
  std::vector<float> values = {2, 4, 3};
  scale_to_unit(values, 1);
  EXPECT_EQ(values, (std::vector<float>{0, 1, 0.5f}));
  values = {7, 7};
  scale_to_unit(values, 1);
  EXPECT_EQ(values, (std::vector<float>{1, 1}));
}

}  // namespace
}  // namespace saccade
