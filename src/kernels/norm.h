// Normalisations over the innermost dimension.
#pragma once

#include <cstdint>

#include "platform/thread_pool.h"

namespace saccade {

/// y[r, :] = x[r, :] / sqrt(mean(x[r, :]^2) + epsilon) * weight. x, y [num_rows, dim], contiguous; may be the same.
void rms_norm(ThreadPool& pool, const float* x, const float* weight, float epsilon, int64_t num_rows, int64_t dim,
              float* y);

/// y[r, :] = (x[r, :] - mean) / sqrt(variance + epsilon) * weight + bias. `bias` may be null.
void layer_norm(ThreadPool& pool, const float* x, const float* weight, const float* bias, float epsilon,
                int64_t num_rows, int64_t dim, float* y);

}  // namespace saccade
