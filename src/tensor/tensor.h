// Shapes, tensors that own their memory, and views that do not. Row-major, outermost dimension first.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "tensor/dtype.h"

namespace saccade {

/// Up to four dimensions, outermost first.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    assert(dims.size() <= kMaxRank);
    for (size_t i = 0; i < dims.size(); ++i) dims_[i] = dims[i];
  }

  int rank() const { return rank_; }
  int64_t operator[](int dim) const {
    assert(dim >= 0 && dim < rank_);
    return dims_[static_cast<size_t>(dim)];
  }
  int64_t num_elements() const;
  /// The innermost dimension: what a quantised row runs along. 1 for rank 0.
  int64_t row_size() const { return rank_ == 0 ? 1 : dims_[static_cast<size_t>(rank_) - 1]; }
  int64_t num_rows() const { return row_size() == 0 ? 0 : num_elements() / row_size(); }

  bool operator==(const Shape& other) const = default;  // unused dims_ stay 0
  std::string to_string() const;                        // "[3, 224, 224]"

 private:
  std::array<int64_t, kMaxRank> dims_ = {};
  int rank_ = 0;
};

/// Read-only, does not own; valid as long as what it looks at (a Tensor, a mapped file).
struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  const std::byte* data = nullptr;

  explicit operator bool() const { return data != nullptr; }
  int64_t row_bytes() const { return saccade::row_bytes(dtype, shape.row_size()); }
  int64_t num_bytes() const { return row_bytes() * shape.num_rows(); }
  const std::byte* row(int64_t row_idx) const { return data + row_idx * row_bytes(); }
  /// The elements as floats; the dtype must be kF32.
  std::span<const float> floats() const {
    assert(dtype == DType::kF32);
    return {reinterpret_cast<const float*>(data), static_cast<size_t>(shape.num_elements())};
  }
};

/// Owns 64-byte aligned memory, not initialised. Moves, does not copy (clone() does).
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Shape shape, DType dtype = DType::kF32);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  bool is_empty() const { return shape_.num_elements() == 0 || data_ == nullptr; }

  TensorView view() const { return {dtype_, shape_, data_.get()}; }
  operator TensorView() const { return view(); }  // NOLINT: a tensor is read wherever a view is

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }

  /// All elements; the dtype must be kF32.
  std::span<float> floats();
  std::span<const float> floats() const { return view().floats(); }
  /// Row `row_idx` of the matrix that remains when all but the innermost dimension are flattened.
  std::span<float> row(int64_t row_idx);
  std::span<const float> row(int64_t row_idx) const;

  void fill(float value);
  Tensor clone() const;

 private:
  struct Free {
    int64_t num_bytes;
    void operator()(std::byte* data) const;
  };
  DType dtype_ = DType::kF32;
  Shape shape_;
  using Memory = std::unique_ptr<std::byte[], Free>;
  Memory data_;
};

/// Rows [first, first + count) of what remains when all but the innermost dimension are flattened: [count, row_size].
Tensor copy_rows(const Tensor& tensor, int64_t first, int64_t count);

}  // namespace saccade
