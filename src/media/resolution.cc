#include "media/resolution.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>

namespace saccade {

namespace {

constexpr int kMinCells = 8;  // along a side; LLaVA's tower was trained with 24
constexpr int64_t kLowTokens = 256;

int round_down(int value, int multiple) {
  return value / multiple * multiple;
}

int smaller_square(int size, int longest_side, int cell) {
  const int least = std::min(size, kMinCells * cell);
  return std::clamp(round_down(longest_side, cell), least, size);
}

SquareSpec coarser(SquareSpec spec, int longest_side, int cell) {
  spec.size = smaller_square(spec.size, longest_side, cell);
  return spec;
}

AnyResolutionSpec coarser(AnyResolutionSpec spec, int longest_side, int cell) {
  std::erase_if(spec.pinpoints, [&](ImageSize size) { return std::max(size.width, size.height) > longest_side; });
  if (!spec.pinpoints.empty()) return spec;
  spec.is_split = false;
  spec.size = smaller_square(spec.size, longest_side, cell);
  return spec;
}

TileSpec coarser(TileSpec spec, int longest_side, int) {
  if (longest_side >= spec.longest_edge) return spec;
  spec.longest_edge = std::max(round_down(longest_side, spec.tile_size), spec.tile_size);
  spec.is_split = spec.is_split && spec.longest_edge > spec.tile_size;
  return spec;
}

DynamicResolutionSpec coarser(DynamicResolutionSpec spec, int longest_side, int) {
  const int64_t side = std::max(longest_side, 1);
  spec.max_pixels = std::clamp(side * side, spec.min_pixels, spec.max_pixels);
  return spec;
}

void append_squares(int size, int cell, std::vector<int>& steps) {
  for (int side = size; side >= std::min(size, kMinCells * cell); side -= cell) steps.push_back(side);
}

std::vector<int> steps_of(const SquareSpec& spec, int cell) {
  std::vector<int> steps;
  append_squares(spec.size, cell, steps);
  return steps;
}

std::vector<int> steps_of(const AnyResolutionSpec& spec, int cell) {
  std::vector<int> steps;
  if (spec.is_split) {
    for (const ImageSize& size : spec.pinpoints) steps.push_back(std::max(size.width, size.height));
  }
  std::ranges::sort(steps, std::greater());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  const int coarsest_split = steps.empty() ? spec.size + 1 : steps.back();
  append_squares(std::min(spec.size, coarsest_split - 1), cell, steps);
  return steps;
}

std::vector<int> steps_of(const TileSpec& spec, int) {
  std::vector<int> steps = {spec.longest_edge};
  if (!spec.is_split) return steps;
  for (int edge = round_down(spec.longest_edge - 1, spec.tile_size); edge >= spec.tile_size; edge -= spec.tile_size) {
    steps.push_back(edge);
  }
  return steps;
}

std::vector<int> steps_of(const DynamicResolutionSpec& spec, int cell) {
  const auto side_of = [](int64_t num_pixels) {
    constexpr double kMaxSide = 1 << 24;
    return static_cast<int>(std::min(std::ceil(std::sqrt(static_cast<double>(num_pixels))), kMaxSide));
  };
  std::vector<int> steps = {side_of(spec.max_pixels)};
  const int least = side_of(spec.min_pixels);
  for (int side = round_down(steps.front() - 1, cell); side >= std::max(least, cell); side -= cell) {
    steps.push_back(side);
  }
  return steps;
}

/// Any number of pixels will do here, so that there are no steps to try.
Expected<PixelSpec> within_tokens(DynamicResolutionSpec spec, ImageSize original, int64_t max_tokens, int cell) {
  spec.max_pixels = std::clamp(max_tokens * cell * cell, spec.min_pixels, spec.max_pixels);
  while (true) {
    SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout, plan_pixels(original, PixelSpec(spec)));
    const int64_t count = count_cells(layout, cell);
    if (count <= max_tokens || spec.max_pixels == spec.min_pixels) return PixelSpec(spec);
    // A long picture is not narrower than a cell, and so over the limit.
    const int64_t fewer = std::min(spec.max_pixels - 1, spec.max_pixels / count * max_tokens);
    spec.max_pixels = std::max(fewer, spec.min_pixels);
  }
}

/// One look at the whole picture, and no tiles besides.
PixelSpec unsplit(PixelSpec spec) {
  if (auto* tiles = std::get_if<TileSpec>(&spec)) {
    tiles->longest_edge = std::min(tiles->longest_edge, tiles->tile_size);
    tiles->is_split = false;
  }
  if (auto* any = std::get_if<AnyResolutionSpec>(&spec)) {
    any->pinpoints.clear();
    any->is_split = false;
  }
  return spec;
}

}  // namespace

PixelSpec with_resolution(const PixelSpec& spec, int longest_side_px, int cell_px) {
  assert(cell_px >= 1);
  return std::visit([&](const auto& s) { return PixelSpec(coarser(s, longest_side_px, cell_px)); }, spec);
}

int64_t count_cells(const PixelLayout& layout, int cell_px) {
  return int64_t{layout.num_tiles} * (layout.tile.width / cell_px) * (layout.tile.height / cell_px);
}

std::vector<int> resolution_steps(const PixelSpec& spec, int cell_px) {
  assert(cell_px >= 1);
  return std::visit([&](const auto& s) { return steps_of(s, cell_px); }, spec);
}

Expected<PixelSpec> with_max_tokens(const PixelSpec& spec, ImageSize original, int64_t max_tokens, int cell_px) {
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout full, plan_pixels(original, spec));
  if (count_cells(full, cell_px) <= max_tokens) return spec;
  if (const auto* dynamic = std::get_if<DynamicResolutionSpec>(&spec)) {
    return within_tokens(*dynamic, original, max_tokens, cell_px);
  }
  const std::vector<int> steps = resolution_steps(spec, cell_px);
  for (const int side : steps) {
    PixelSpec candidate = with_resolution(spec, side, cell_px);
    SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout, plan_pixels(original, candidate));
    if (count_cells(layout, cell_px) <= max_tokens) return candidate;
  }
  return with_resolution(spec, steps.back(), cell_px);
}

Expected<PixelSpec> with_detail(const PixelSpec& spec, ImageSize original, Detail detail, int cell_px) {
  if (detail == Detail::kHigh) return spec;
  SACCADE_ASSIGN_OR_RETURN(PixelSpec low, with_max_tokens(unsplit(spec), original, kLowTokens, cell_px));
  if (detail == Detail::kLow) return low;
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout, plan_pixels(original, low));
  const bool loses_pixels = layout.resized.width < original.width || layout.resized.height < original.height;
  return loses_pixels ? spec : low;
}

}  // namespace saccade
