#include "platform/cpu_pressure.h"

#include <fstream>
#include <sstream>

namespace saccade {

// The first line is "some avg10=12.33 avg60=44.38 avg300=23.15 total=7144162331", in percent.
std::optional<double> cpu_pressure(const std::string& path) {
  std::ifstream in(path);
  std::string kind;
  std::string average;
  if (!(in >> kind >> average) || kind != "some" || !average.starts_with("avg10=")) return std::nullopt;
  std::istringstream number(average.substr(average.find('=') + 1));
  double percent = 0;
  if (!(number >> percent) || percent < 0 || percent > 100) return std::nullopt;
  return percent / 100;
}

}  // namespace saccade
