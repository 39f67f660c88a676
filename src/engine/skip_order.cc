#include "engine/skip_order.h"

#include <algorithm>

#include "base/format.h"
#include "planner/operators.h"

namespace saccade {

Expected<std::vector<int64_t>> read_skip_order(const Metadata& metadata, std::string_view key, int64_t num_layers) {
  if (!metadata.has(key)) return std::vector<int64_t>();
  SACCADE_ASSIGN_OR_RETURN(std::vector<int64_t> order, metadata.integers(key));
  std::vector<uint8_t> is_named(static_cast<size_t>(num_layers), 0);
  for (const int64_t layer : order) {
    if (layer < 0 || layer >= num_layers || is_named[static_cast<size_t>(layer)] != 0) {
      return corrupt_data(format("key %s names layer %lld, which is not one of 0 to %lld or is named twice",
                                 std::string(key).c_str(), static_cast<long long>(layer),
                                 static_cast<long long>(num_layers - 1)));
    }
    is_named[static_cast<size_t>(layer)] = 1;
  }
  if (static_cast<int64_t>(order.size()) == num_layers) {
    return corrupt_data(format("key %s leaves no layer", std::string(key).c_str()));
  }
  return order;
}

std::vector<uint8_t> runs_by_order(std::span<const int64_t> order, double share, int64_t num_layers) {
  const auto num_running = static_cast<int64_t>(running_layers(share, num_layers));
  const int64_t num_skipped = std::min(num_layers - num_running, static_cast<int64_t>(order.size()));
  std::vector<uint8_t> runs(static_cast<size_t>(num_layers), 1);
  for (int64_t i = 0; i < num_skipped; ++i) runs[static_cast<size_t>(order[static_cast<size_t>(i)])] = 0;
  return runs;
}

Status check_share(const char* name, double share) {
  if (share > 0 && share <= 1) return {};  // false for NaN
  return invalid_argument(format("%s is %g; it must be over 0 and at most 1", name, share));
}

}  // namespace saccade
