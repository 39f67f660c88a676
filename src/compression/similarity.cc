#include "compression/similarity.h"

#include <cmath>

#include "kernels/gram.h"

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
  pool.parallel_for(n, 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = matrix.row(i);
      const float scale = scales[static_cast<size_t>(i)];
      for (int64_t j = 0; j < n; ++j) row[j] = row[j] * scale * scales[static_cast<size_t>(j)];
    }
  });
  return matrix;
}

}  // namespace saccade
