// The weights of one linear layer: as they lie in the file, or packed for the active ISA.
#pragma once

#include <cstdint>

#include "kernels/packed_weights.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

/// Thread safety: const after pack().
class WeightMatrix {
 public:
  WeightMatrix() = default;
  /// `view` [n, k] must outlive the matrix, or pack().
  WeightMatrix(TensorView view) : view_(view) {}  // NOLINT: what a view is good for, a matrix is

  /// Packs the weights where the active ISA has something faster for them, and gives the pages of the file that only
  /// they lie on back to the system. Throws std::bad_alloc.
  void pack(ThreadPool& pool);

  explicit operator bool() const { return static_cast<bool>(view_); }
  DType dtype() const { return view_.dtype; }
  const Shape& shape() const { return view_.shape; }
  int64_t n() const { return view_.shape.num_rows(); }
  int64_t k() const { return view_.shape.row_size(); }

  /// As in the file. Reading it after pack() reads the file again.
  const TensorView& view() const { return view_; }
  /// Null where the weights are not packed.
  const PackedWeights* packed() const { return packed_ ? &packed_ : nullptr; }

 private:
  TensorView view_;
  PackedWeights packed_;
};

}  // namespace saccade
