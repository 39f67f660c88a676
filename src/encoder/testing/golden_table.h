// Tables of tests/parity/data/encoder.
#pragma once

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace saccade::testing {

/// The rows of a .tsv file, without its comments.
inline std::vector<std::vector<std::string>> read_golden_table(const std::string& name) {
  std::ifstream in(std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/encoder/" + name);
  std::vector<std::vector<std::string>> table;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> row;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
    table.push_back(row);
  }
  return table;
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
