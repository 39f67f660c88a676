// A loaded model's sizes, as the planner takes them.
#pragma once

#include "engine/model.h"
#include "planner/model_shape.h"
#include "tensor/dtype.h"

namespace saccade {

/// With keys and values kept as `kv_dtype`.
ModelShape shape_of(const Model& model, DType kv_dtype);

/// Bytes of all its tensors, as they are stored.
double stored_bytes(const Model& model);
double num_parameters(const Model& model);

}  // namespace saccade
