// Pixels to patch vectors: a convolution whose stride is its kernel, as one matrix product.
#pragma once

#include <cstdint>
#include <span>

#include "encoder/vision_config.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

/// A patch's place in its tile, in patches.
struct PatchPosition {
  int64_t y = 0;
  int64_t x = 0;
  bool operator==(const PatchPosition&) const = default;
};

class PatchEmbedding {
 public:
  /// Takes v.patch_embd.weight [vision_dim, 3, patch, patch] and, if there is one, v.patch_embd.bias. `is_temporal`:
  /// takes v.patch_embd.weight.1 too, the second slice of a kernel over two frames; a still picture is its frame twice,
  /// so the slices are added once, here. Errors name the tensor.
  static Expected<PatchEmbedding> load(const TensorSource& tensors, const VisionConfig& config, bool is_temporal);

  /// Multiply-adds of a row of embed().
  double work_per_patch() const { return static_cast<double>(kernel_.shape().num_elements()); }

  /// One row for each of `positions`, in their order. tile [3, height, width]; out [num_positions, vision_dim].
  void embed(ThreadPool& pool, const float* tile, int64_t height, int64_t width,
             std::span<const PatchPosition> positions, float* out) const;

 private:
  Tensor kernel_;  // [vision_dim, 3, patch, patch]
  Tensor bias_;    // [vision_dim], or empty
  int64_t patch_size_ = 0;
};

}  // namespace saccade
