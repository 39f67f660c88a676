// LayerNorm or RMSNorm of a vision tower, by the kind its family has.
#pragma once

#include <cstdint>
#include <string>

#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

enum class NormKind : uint8_t { kLayerNorm, kRmsNorm };

struct NormLayer {
  NormKind kind = NormKind::kLayerNorm;
  float epsilon = 0;
  Tensor weight;  // [dim]
  Tensor bias;    // [dim], or empty; always empty for kRmsNorm
};

/// Takes `<name>.weight` and, for a LayerNorm that has one, `<name>.bias`. Errors: as TensorSource::take.
Expected<NormLayer> load_norm(const TensorSource& tensors, const std::string& name, NormKind kind, int64_t dim,
                              float epsilon);

/// x, y [num_rows, dim], contiguous; may be the same.
void apply_norm(ThreadPool& pool, const NormLayer& norm, const float* x, int64_t num_rows, float* y);

}  // namespace saccade
