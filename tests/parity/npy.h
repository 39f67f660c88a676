// NumPy's file format, for tensors that a Python program looks at.
#pragma once

#include <string>

#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade::parity {

/// `tensor` must be f32. Errors: kIoError with the path.
Status write_npy(const std::string& path, const Tensor& tensor);

}  // namespace saccade::parity
