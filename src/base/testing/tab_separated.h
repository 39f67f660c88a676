// Golden tables: .tsv files under tests/parity/data.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace saccade {

/// The rows of a .tsv file, without its comments.
inline std::vector<std::vector<std::string>> read_tab_separated(const std::string& path) {
  std::ifstream in(path);
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

}  // namespace saccade
