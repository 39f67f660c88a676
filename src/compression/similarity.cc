#include "compression/similarity.h"

#include <algorithm>
#include <cmath>

#include "kernels/gram.h"
#include "kernels/leaf.h"
#include "kernels/matmul.h"

namespace saccade {

SimilarityMatrix SimilarityMatrix::products(ThreadPool& pool, TensorView rows) {
  SimilarityMatrix matrix;
  matrix.num_tokens_ = rows.shape.num_rows();
  // Not a multiple of a page, or what lies in one column would share few sets of the cache.
  constexpr int64_t kLine = 16;
  matrix.stride_ = (matrix.num_tokens_ + kLine - 1) / kLine * kLine + kLine;
  matrix.values_ = Tensor(Shape{matrix.num_tokens_, matrix.stride_});
  const int64_t dim = rows.shape.row_size();
  gram(pool, {.rows = rows.floats().data(),
              .row_stride = dim,
              .n = matrix.num_tokens_,
              .k = dim,
              .out = matrix.values_.floats().data(),
              .out_stride = matrix.stride_,
              .allows_bf16 = true});
  return matrix;
}

SimilarityMatrix SimilarityMatrix::cosines(ThreadPool& pool, TensorView rows) {
  SimilarityMatrix matrix = products(pool, rows);
  const int64_t n = matrix.num_tokens_;
  // Lengths of the rows as they were multiplied, rounding included.
  std::vector<float> scales(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const float squares = matrix.at(i, i);
    scales[static_cast<size_t>(i)] = squares > 0 ? 1 / std::sqrt(squares) : 0.0f;
  }
  constexpr float kOneWithoutRounding = 1 - 4e-7f;
  pool.parallel_for(n, 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = matrix.row(i);
      const float scale = scales[static_cast<size_t>(i)];
      for (int64_t j = 0; j < n; ++j) {
        const float cosine = row[j] * (scale * scales[static_cast<size_t>(j)]);
        row[j] = cosine > kOneWithoutRounding ? 1.0f : cosine;
      }
    }
  });
  return matrix;
}

Tensor cosines_with(ThreadPool& pool, TensorView rows, std::span<const int32_t> chosen) {
  const int64_t n = rows.shape.num_rows();
  const int64_t dim = rows.shape.row_size();
  const auto num_chosen = static_cast<int64_t>(chosen.size());
  Tensor picked(Shape{num_chosen, dim});
  for (int64_t i = 0; i < num_chosen; ++i) {
    std::copy_n(rows.floats().data() + chosen[static_cast<size_t>(i)] * dim, dim, picked.row(i).begin());
  }
  Tensor cosines(Shape{num_chosen, n});
  matmul(pool, {.x = picked.floats().data(),
                .x_stride = dim,
                .weight = rows,
                .y = cosines.floats().data(),
                .y_stride = n,
                .m = num_chosen});
  const std::vector<float> scales = inverse_lengths(pool, rows);
  for (int64_t i = 0; i < num_chosen; ++i) {
    const float scale = scales[static_cast<size_t>(chosen[static_cast<size_t>(i)])];
    const std::span<float> row = cosines.row(i);
    for (size_t j = 0; j < row.size(); ++j) row[j] *= scale * scales[j];
  }
  return cosines;
}

std::vector<float> inverse_lengths(ThreadPool& pool, TensorView rows) {
  const Leaf& leaf = active_leaf();
  const int64_t dim = rows.shape.row_size();
  std::vector<float> scales(static_cast<size_t>(rows.shape.num_rows()));
  pool.parallel_for(static_cast<int64_t>(scales.size()), 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const float squares = leaf.sum_squares(rows.floats().data() + i * dim, 0, dim);
      scales[static_cast<size_t>(i)] = squares > 0 ? 1 / std::sqrt(squares) : 0.0f;
    }
  });
  return scales;
}

}  // namespace saccade
