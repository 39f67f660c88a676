// Tables of tests/parity/data/encoder.
#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "base/testing/tab_separated.h"
#include "tensor/tensor.h"

namespace saccade::testing {

/// The rows of a .tsv file, without its comments.
inline std::vector<std::vector<std::string>> read_golden_table(const std::string& name) {
  return read_tab_separated(std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/encoder/" + name);
}

inline std::vector<float> to_numbers(const std::string& cell) {
  std::istringstream in(cell);
  std::vector<float> numbers;
  for (float number = 0; in >> number;) numbers.push_back(number);
  return numbers;
}

inline Tensor to_tensor(const std::string& cell, int64_t num_rows) {
  const std::vector<float> numbers = to_numbers(cell);
  Tensor tensor(Shape{num_rows, static_cast<int64_t>(numbers.size()) / num_rows});
  std::ranges::copy(numbers, tensor.floats().begin());
  return tensor;
}

}  // namespace saccade::testing
