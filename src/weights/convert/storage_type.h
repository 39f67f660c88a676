// Which type a tensor is stored in: the table of README.md.
#pragma once

#include <string>

#include "tensor/dtype.h"
#include "weights/convert/model_plan.h"

namespace saccade {

struct StorageChoice {
  DType type = DType::kF32;
  std::string reason;  // why it is not what its role would get; empty if it is
};

StorageChoice choose_storage(const TensorPlan& tensor, DType asked);

}  // namespace saccade
