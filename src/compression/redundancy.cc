#include "compression/redundancy.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <tuple>
#include <vector>

#include "compression/similarity.h"

namespace saccade {
namespace {

/// Sums `term(i, j)` over all pairs, row by row, so that the number of threads changes nothing.
template <typename Term>
double sum_over_pairs(ThreadPool& pool, int64_t n, const Term& term) {
  std::vector<double> sums(static_cast<size_t>(n));
  pool.parallel_for(n, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += double{term(i, j)};
      sums[static_cast<size_t>(i)] = sum;
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

/// Cosines to the kernel of entropy_bits(), in place. Zero vectors are copies of one another.
SimilarityMatrix kernel_matrix(ThreadPool& pool, TensorView vectors) {
  SimilarityMatrix matrix = SimilarityMatrix::cosines(pool, vectors);
  const int64_t n = matrix.num_tokens();
  std::vector<uint8_t> is_zero(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) is_zero[static_cast<size_t>(i)] = matrix.at(i, i) == 0 ? 1 : 0;
  pool.parallel_for(n, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = matrix.row(i);
      for (int64_t j = 0; j < n; ++j) {
        const bool are_zero = is_zero[static_cast<size_t>(i)] && is_zero[static_cast<size_t>(j)];
        const float cosine = are_zero ? 1.0f : row[j];
        row[j] = std::exp((cosine - 1) / static_cast<float>(kEntropyBandwidth));
      }
    }
  });
  return matrix;
}

double squared(double value) {
  return value * value;
}

/// -log2 tr(A^2) of a kernel with ones on its diagonal.
double bits_of(ThreadPool& pool, const SimilarityMatrix& kernel) {
  const auto n = static_cast<double>(kernel.num_tokens());
  const double squares =
      sum_over_pairs(pool, kernel.num_tokens(), [&](int64_t i, int64_t j) { return squared(double{kernel.at(i, j)}); });
  return -std::log2(squares / (n * n));
}

double mean_neighbour_cosine(const SimilarityMatrix& cosines, std::span<const Place> places) {
  std::map<std::tuple<int32_t, int32_t, int32_t>, int64_t> token_at;
  for (size_t i = 0; i < places.size(); ++i) {
    token_at[{places[i].t, places[i].y, places[i].x}] = static_cast<int64_t>(i);
  }
  double sum = 0;
  int64_t count = 0;
  for (const auto& [place, token] : token_at) {
    const auto& [t, y, x] = place;
    for (const auto& neighbour : {std::tuple{t, y, x + 1}, std::tuple{t, y + 1, x}}) {
      const auto found = token_at.find(neighbour);
      if (found == token_at.end()) continue;
      sum += double{cosines.at(token, found->second)};
      ++count;
    }
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

double share_of_unique(const SimilarityMatrix& cosines, double unique_cosine) {
  std::vector<int64_t> unique;
  for (int64_t i = 0; i < cosines.num_tokens(); ++i) {
    const float* row = cosines.row(i);
    const bool is_new =
        std::ranges::none_of(unique, [&](int64_t other) { return double{row[other]} >= unique_cosine; });
    if (is_new) unique.push_back(i);
  }
  return static_cast<double>(unique.size()) / static_cast<double>(cosines.num_tokens());
}

}  // namespace

TokenRedundancy measure_token_redundancy(ThreadPool& pool, TensorView vectors, std::span<const Place> places,
                                         double unique_cosine) {
  const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, vectors);
  const int64_t n = cosines.num_tokens();
  assert(n > 0 && static_cast<int64_t>(places.size()) == n);
  TokenRedundancy redundancy;
  redundancy.neighbour_cosine = mean_neighbour_cosine(cosines, places);
  redundancy.unique_share = share_of_unique(cosines, unique_cosine);
  double trace = 0;
  for (int64_t i = 0; i < n; ++i) trace += double{cosines.at(i, i)};
  const double squares =
      sum_over_pairs(pool, n, [&](int64_t i, int64_t j) { return squared(double{cosines.at(i, j)}); });
  redundancy.effective_rank = squares > 0 ? trace * trace / squares : 0;
  redundancy.entropy_bits = entropy_bits(pool, vectors);
  return redundancy;
}

double entropy_bits(ThreadPool& pool, TensorView vectors) {
  return bits_of(pool, kernel_matrix(pool, vectors));
}

SharedEntropy shared_entropy(ThreadPool& pool, TensorView first, TensorView second) {
  const SimilarityMatrix a = kernel_matrix(pool, first);
  const SimilarityMatrix b = kernel_matrix(pool, second);
  const int64_t n = a.num_tokens();
  assert(b.num_tokens() == n);
  const double squares =
      sum_over_pairs(pool, n, [&](int64_t i, int64_t j) { return squared(double{a.at(i, j)} * double{b.at(i, j)}); });
  return {.first_bits = bits_of(pool, a),
          .second_bits = bits_of(pool, b),
          .joint_bits = -std::log2(squares / squared(static_cast<double>(n)))};
}

Tensor stand_ins(ThreadPool& pool, const Reduction& reduction, const MediaTokens& before, const MediaTokens& after) {
  const auto n = static_cast<int64_t>(reduction.target.size());
  assert(before.vectors.shape()[0] == n);
  std::vector<int64_t> row_of(static_cast<size_t>(n), -1);  // in `after`
  int64_t next = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (reduction.target[static_cast<size_t>(i)] == i) row_of[static_cast<size_t>(i)] = next++;
  }
  assert(next == after.vectors.shape()[0]);
  Tensor result(before.vectors.shape());
  pool.parallel_for(n, 32, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t target = reduction.target[static_cast<size_t>(i)];
      if (target == kNoTarget) {
        std::ranges::fill(result.row(i), 0.0f);
      } else {
        std::ranges::copy(after.vectors.row(row_of[static_cast<size_t>(target)]), result.row(i).begin());
      }
    }
  });
  return result;
}

}  // namespace saccade
