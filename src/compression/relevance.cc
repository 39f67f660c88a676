#include "compression/relevance.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compression/similarity.h"
#include "kernels/matmul.h"

namespace saccade {
std::vector<float> relevance_to(ThreadPool& pool, TensorView vectors, TensorView query, RelevanceKind kind) {
  const int64_t n = vectors.shape.num_rows();
  const int64_t m = query.shape.num_rows();
  const int64_t dim = vectors.shape.row_size();
  const std::vector<float> norms = inverse_lengths(pool, vectors);
  const std::vector<float> word_norms = inverse_lengths(pool, query);
  const bool wants_mean = kind != RelevanceKind::kMax;
  const bool wants_words = kind != RelevanceKind::kMean;
  // The words, each of length 1, and as a last row their mean, of length 1 too.
  const int64_t num_words = wants_words ? m : 0;
  Tensor words(Shape{num_words + (wants_mean ? 1 : 0), dim});
  std::vector<double> mean(static_cast<size_t>(wants_mean ? dim : 0));
  for (int64_t i = 0; i < m; ++i) {
    const std::span<const float> word = query.floats().subspan(static_cast<size_t>(i * dim), static_cast<size_t>(dim));
    const float norm = word_norms[static_cast<size_t>(i)];
    for (size_t j = 0; j < mean.size(); ++j) mean[j] += double{word[j] * norm};
    if (wants_words) std::ranges::transform(word, words.row(i).begin(), [&](float value) { return value * norm; });
  }
  if (wants_mean) {
    double sum = 0;
    for (const double value : mean) sum += value * value;
    const double scale = sum > 0 ? 1 / std::sqrt(sum) : 0;
    std::ranges::transform(mean, words.row(num_words).begin(),
                           [&](double value) { return static_cast<float>(value * scale); });
  }
  // Few words are dotted with each vector as it is read.
  const int64_t num_products = words.shape().num_rows();
  Tensor products(Shape{num_products, n});
  matmul(pool, {.x = words.floats().data(),
                .x_stride = dim,
                .weight = vectors,
                .y = products.floats().data(),
                .y_stride = n,
                .m = num_products});
  std::vector<float> by_mean(static_cast<size_t>(wants_mean ? n : 0));
  std::vector<float> by_word(static_cast<size_t>(wants_words ? n : 0), -std::numeric_limits<float>::infinity());
  for (size_t i = 0; i < by_mean.size(); ++i) by_mean[i] = products.row(num_words)[i] * norms[i];
  for (int64_t word = 0; word < num_words; ++word) {
    const std::span<const float> row = products.row(word);
    for (size_t i = 0; i < by_word.size(); ++i) by_word[i] = std::max(by_word[i], row[i] * norms[i]);
  }
  if (kind == RelevanceKind::kMean) return by_mean;
  if (kind == RelevanceKind::kMax) return by_word;
  scale_to_unit(by_mean, 1);
  scale_to_unit(by_word, 1);
  for (size_t i = 0; i < by_mean.size(); ++i) by_mean[i] = (by_mean[i] + by_word[i]) / 2;
  return by_mean;
}

void scale_to_unit(std::vector<float>& values, float if_equal) {
  if (values.empty()) return;
  const auto [low, high] = std::ranges::minmax(values);
  // Values that differ by rounding alone are equal.
  if (high - low <= 1e-6f * std::max(std::fabs(low), std::fabs(high))) {
    std::ranges::fill(values, if_equal);
    return;
  }
  const float scale = 1 / (high - low);
  for (float& value : values) value = (value - low) * scale;
}

}  // namespace saccade
