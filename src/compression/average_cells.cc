// A baseline that must be on every chart: what a smaller picture would cost. Each grid is averaged down to about `keep`
// cells of its own proportions, never more; a cell is the mean of what lies under it, by area and weight, and the token
// nearest to its middle takes it. Plain downscaling is ahead of many pruners (arXiv 2510.07143).
#include <cmath>

#include "compression/grids.h"
#include "compression/selection.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

class CellAverager {
 public:
  explicit CellAverager(const CompressionInput& input)
      : input_(input), is_taken_(static_cast<size_t>(input.num_tokens())), largest_area_(is_taken_.size(), 0.0) {
    reduction_.target.assign(is_taken_.size(), kNoTarget);
  }

  void average(const PictureGrid& grid) {
    const auto height = static_cast<double>(grid.num_rows);
    const auto width = static_cast<double>(grid.num_cols);
    const double scale = std::sqrt(static_cast<double>(grid.keep) / (height * width));
    int64_t num_rows = std::clamp<int64_t>(std::llround(height * scale), 1, std::min(grid.num_rows, grid.keep));
    const int64_t num_cols = std::clamp<int64_t>(grid.keep / num_rows, 1, grid.num_cols);
    num_rows = std::clamp<int64_t>(grid.keep / num_cols, 1, grid.num_rows);
    for (int64_t i = 0; i < num_rows; ++i) {
      for (int64_t j = 0; j < num_cols; ++j) {
        add_cell(grid, static_cast<double>(i) * height / static_cast<double>(num_rows),
                 static_cast<double>(i + 1) * height / static_cast<double>(num_rows),
                 static_cast<double>(j) * width / static_cast<double>(num_cols),
                 static_cast<double>(j + 1) * width / static_cast<double>(num_cols));
      }
    }
  }

  Reduction finish() {
    reduction_.scores.resize(is_taken_.size());
    for (const int32_t token : reduction_.ranking) {
      reduction_.target[static_cast<size_t>(token)] = token;
      reduction_.scores[static_cast<size_t>(token)] = 1;
    }
    std::ranges::sort(reduction_.parts, [](const MergePart& a, const MergePart& b) {
      return a.target != b.target ? a.target < b.target : a.source < b.source;
    });
    return std::move(reduction_);
  }

 private:
  /// The cell of the rows [top, bottom) and the columns [left, right), in tokens.
  void add_cell(const PictureGrid& grid, double top, double bottom, double left, double right) {
    constexpr double kSmallestArea = 1e-9;
    std::vector<int32_t> under;
    std::vector<double> areas;
    for (const int32_t token : grid.tokens) {
      const Place& place = input_.places[static_cast<size_t>(token)];
      const double rows = std::min(bottom, place.y + 1.0) - std::max(top, double(place.y));
      const double cols = std::min(right, place.x + 1.0) - std::max(left, double(place.x));
      if (rows <= 0 || cols <= 0 || rows * cols < kSmallestArea) continue;
      under.push_back(token);
      areas.push_back(rows * cols);
    }
    const int32_t taker = nearest_token(input_, under, is_taken_, (top + bottom) / 2 - 0.5, (left + right) / 2 - 0.5);
    if (taker < 0) return;  // a hole of a grid that was thinned out
    is_taken_[static_cast<size_t>(taker)] = 1;
    reduction_.ranking.push_back(taker);
    add_parts(taker, under, areas);
  }

  void add_parts(int32_t taker, std::span<const int32_t> under, std::span<const double> areas) {
    double sum = 0;
    for (size_t i = 0; i < under.size(); ++i) sum += areas[i] * double{input_.weight(under[i])};
    for (size_t i = 0; i < under.size(); ++i) {
      const auto token = static_cast<size_t>(under[i]);
      if (areas[i] > largest_area_[token]) {
        largest_area_[token] = areas[i];
        reduction_.target[token] = taker;
      }
      if (under.size() == 1) continue;
      const double share =
          sum > 0 ? areas[i] * double{input_.weight(under[i])} / sum : 1 / static_cast<double>(under.size());
      reduction_.parts.push_back({taker, under[i], static_cast<float>(share)});
    }
  }

  const CompressionInput& input_;
  std::vector<uint8_t> is_taken_;
  std::vector<double> largest_area_;  // that a cell so far has of each token
  Reduction reduction_;
};

}  // namespace

Reduction average_cells(ThreadPool& /*pool*/, const CompressionInput& input, const CompressionOptions& options) {
  CellAverager averager(input);
  for (const PictureGrid& grid : split_by_grid(input, options.keep)) {
    if (grid.keep > 0) averager.average(grid);
  }
  return averager.finish();
}

}  // namespace saccade
