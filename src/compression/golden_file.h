// The files of tests/parity/data/compression, for this folder's tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "platform/mapped_file.h"
#include "tensor/tensor.h"
#include "weights/safetensors_file.h"

namespace saccade::test {

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name)
      : file_(MappedFile::open(std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/compression/" + name).value()) {
    auto tensors = parse_safetensors(file_.bytes());
    for (SafeTensor& tensor : *tensors) {
      std::string tensor_name = tensor.name;
      tensors_.emplace(std::move(tensor_name), std::move(tensor));
    }
  }

  bool has(const std::string& name) const { return tensors_.contains(name); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }

  /// Empty where there is none of that name.
  template <typename T>
  std::vector<T> values(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return {};
    EXPECT_EQ(found->second.dtype_name, (std::is_same_v<T, float> ? "F32" : "I32")) << name;
    std::vector<T> values(static_cast<size_t>(found->second.num_elements));
    std::memcpy(values.data(), found->second.data, values.size() * sizeof(T));
    return values;
  }

  Shape shape(const std::string& name) const { return Shape(tensors_.at(name).dims); }

  Tensor matrix(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return {};
    Tensor tensor(Shape{found->second.dims[0], found->second.dims[1]});
    std::ranges::copy(values<float>(name), tensor.floats().begin());
    return tensor;
  }

 private:
  MappedFile file_;
  std::map<std::string, SafeTensor> tensors_;
};

}  // namespace saccade::test
