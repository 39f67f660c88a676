#include "compression/grids.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace saccade {

std::vector<PictureGrid> split_by_grid(const CompressionInput& input, int64_t keep) {
  std::vector<PictureGrid> grids;
  std::map<int32_t, size_t> grid_of;  // by t
  for (size_t i = 0; i < input.places.size(); ++i) {
    const Place& place = input.places[i];
    const auto [found, is_new] = grid_of.try_emplace(place.t, grids.size());
    if (is_new) grids.emplace_back();
    PictureGrid& grid = grids[found->second];
    grid.tokens.push_back(static_cast<int32_t>(i));
    grid.num_rows = std::max<int64_t>(grid.num_rows, place.y + 1);
    grid.num_cols = std::max<int64_t>(grid.num_cols, place.x + 1);
  }
  const int64_t n = input.num_tokens();
  std::vector<size_t> order(grids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto wanted = [&](size_t i) { return keep * static_cast<int64_t>(grids[i].tokens.size()); };  // times n
  std::ranges::stable_sort(order, std::ranges::greater(), [&](size_t i) { return wanted(i) % n; });
  int64_t left = keep;
  for (size_t i = 0; i < grids.size(); ++i) left -= grids[i].keep = wanted(i) / n;
  for (size_t i = 0; left > 0; ++i, --left) ++grids[order[i]].keep;
  return grids;
}

int32_t nearest_token(const CompressionInput& input, std::span<const int32_t> candidates,
                      std::span<const uint8_t> is_taken, double y, double x) {
  int32_t nearest = -1;
  double smallest = std::numeric_limits<double>::infinity();
  for (const int32_t token : candidates) {
    if (is_taken[static_cast<size_t>(token)]) continue;
    const Place& place = input.places[static_cast<size_t>(token)];
    const double dy = place.y - y;
    const double dx = place.x - x;
    if (dy * dy + dx * dx >= smallest) continue;
    smallest = dy * dy + dx * dx;
    nearest = token;
  }
  return nearest;
}

}  // namespace saccade
