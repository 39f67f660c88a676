// A baseline: tokens at evenly spaced places, whatever they hold. Rows are as far apart as tokens within a row, as near
// as whole numbers come; each grid of a picture gets its part.
#include <cmath>

#include "compression/grids.h"
#include "compression/selection.h"
#include "compression/strategies.h"

namespace saccade {

Reduction prune_evenly(ThreadPool& /*pool*/, const CompressionInput& input, const CompressionOptions& options) {
  std::vector<float> scores(static_cast<size_t>(input.num_tokens()));
  std::vector<uint8_t> is_taken(scores.size());
  std::vector<int32_t> ranking;
  for (const PictureGrid& grid : split_by_grid(input, options.keep)) {
    if (grid.keep == 0) continue;
    const auto height = static_cast<double>(grid.num_rows);
    const auto width = static_cast<double>(grid.num_cols);
    const int64_t num_rows =
        std::clamp<int64_t>(std::llround(std::sqrt(static_cast<double>(grid.keep) * height / width)), 1,
                            std::min(grid.num_rows, grid.keep));
    for (int64_t i = 0; i < num_rows; ++i) {
      const int64_t in_row = (i + 1) * grid.keep / num_rows - i * grid.keep / num_rows;
      const double y = (static_cast<double>(i) + 0.5) * height / static_cast<double>(num_rows) - 0.5;
      for (int64_t j = 0; j < in_row; ++j) {
        const double x = (static_cast<double>(j) + 0.5) * width / static_cast<double>(in_row) - 0.5;
        const int32_t token = nearest_token(input, grid.tokens, is_taken, y, x);
        is_taken[static_cast<size_t>(token)] = 1;
        scores[static_cast<size_t>(token)] = 1;
        ranking.push_back(token);
      }
    }
  }
  return keep_only(std::move(ranking), std::move(scores));
}

}  // namespace saccade
