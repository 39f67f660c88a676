#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "tensor/tensor_memory.h"

namespace saccade {

int64_t Shape::num_elements() const {
  int64_t count = 1;
  for (int i = 0; i < rank_; ++i) count *= dims_[static_cast<size_t>(i)];
  return count;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dims_[static_cast<size_t>(i)]);
  }
  return text + "]";
}

void Tensor::Free::operator()(std::byte* data) const {
  give_back_tensor_memory(data, num_bytes);
}

Tensor::Tensor(Shape shape, DType dtype) : dtype_(dtype), shape_(shape) {
  const int64_t num_bytes = view().num_bytes();
  if (num_bytes > 0) data_ = Memory(take_tensor_memory(num_bytes), Free{num_bytes});
}

std::span<float> Tensor::floats() {
  assert(dtype_ == DType::kF32);
  return {reinterpret_cast<float*>(data_.get()), static_cast<size_t>(shape_.num_elements())};
}

std::span<float> Tensor::row(int64_t row_idx) {
  const auto size = static_cast<size_t>(shape_.row_size());
  return floats().subspan(static_cast<size_t>(row_idx) * size, size);
}

std::span<const float> Tensor::row(int64_t row_idx) const {
  const auto size = static_cast<size_t>(shape_.row_size());
  return floats().subspan(static_cast<size_t>(row_idx) * size, size);
}

void Tensor::fill(float value) {
  std::ranges::fill(floats(), value);
}

Tensor Tensor::clone() const {
  Tensor copy(shape_, dtype_);
  if (data_ != nullptr) std::memcpy(copy.data(), data(), static_cast<size_t>(view().num_bytes()));
  return copy;
}

Tensor copy_rows(const Tensor& tensor, int64_t first, int64_t count) {
  assert(first >= 0 && count >= 0 && first + count <= tensor.shape().num_rows());
  Tensor rows({count, tensor.shape().row_size()}, tensor.dtype());
  const TensorView view = tensor.view();
  if (count > 0) std::memcpy(rows.data(), view.row(first), static_cast<size_t>(count * view.row_bytes()));
  return rows;
}

}  // namespace saccade
