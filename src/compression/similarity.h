// The cosines of all tokens with one another: what most strategies look at, computed once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

/// Thread safety: const.
class SimilarityMatrix {
 public:
  /// Cosines. Rows are rounded to bf16 where the ISA multiplies that faster, which moves a cosine by less than 0.001 at
  /// widths of 256 and more (similarity_test.cc). A token has exactly 1 with itself and with copies of itself, a zero
  /// vector 0 with everything.
  static SimilarityMatrix cosines(ThreadPool& pool, TensorView rows);

  /// Products, not scaled, which stay linear in the rows.
  static SimilarityMatrix products(ThreadPool& pool, TensorView rows);

  int64_t num_tokens() const { return num_tokens_; }
  const float* row(int64_t token) const { return values_.floats().data() + token * stride_; }
  float* row(int64_t token) { return values_.floats().data() + token * stride_; }
  float at(int64_t a, int64_t b) const { return row(a)[b]; }

 private:
  int64_t num_tokens_ = 0;
  int64_t stride_ = 0;  // of rows, in floats
  Tensor values_;
};

/// Cosines of some rows with all of them, in f32: [chosen, n].
Tensor cosines_with(ThreadPool& pool, TensorView rows, std::span<const int32_t> chosen);

/// 1 / the length of each row, 0 of a zero row: [n].
std::vector<float> inverse_lengths(ThreadPool& pool, TensorView rows);

}  // namespace saccade
