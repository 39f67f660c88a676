// A weight matrix in the order in which the fast kernels read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/panel_format.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

/// Owns panels (panel_format.h) of a matrix [n, k]. Copies share them. Thread safety: const after pack().
class PackedWeights {
 public:
  PackedWeights() = default;

  /// True if the active ISA multiplies packed weights of this type and shape; others stay as they lie in the file.
  static bool can_pack(const TensorView& weight);

  /// The same weights, to the bit; f16 is rounded to bf16. Throws std::bad_alloc. can_pack(weight) must hold.
  static PackedWeights pack(ThreadPool& pool, const TensorView& weight);

  explicit operator bool() const { return n_ > 0; }
  DType dtype() const { return dtype_; }  // of the file
  const PanelFormat& format() const { return panel_format_of(dtype_); }
  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  int64_t padded_k() const { return padded_k_; }  // bf16: k in whole blocks, zeros behind
  int64_t num_panels() const { return (n_ + kPanelRows - 1) / kPanelRows; }
  int64_t num_bytes() const { return num_panels() * format().panel_bytes(padded_k_); }
  const std::byte* panel(int64_t panel_idx) const {
    return panels_.get() + panel_idx * format().panel_bytes(padded_k_);
  }

 private:
  DType dtype_ = DType::kF32;
  int64_t n_ = 0;
  int64_t k_ = 0;
  int64_t padded_k_ = 0;
  std::shared_ptr<std::byte> panels_;
};

}  // namespace saccade
