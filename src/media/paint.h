// Pictures of what was done to a picture: which of its cells the model saw, and how redundant they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "media/image.h"
#include "media/pixel_batch.h"
#include "saccade/look.h"

namespace saccade {

struct PaintedCell {
  Box box;  // in pixels of the picture; what is beyond it is not painted, an empty one not at all
  // Kept: left as it is, with a thin outline. Merged: tinted with its group's colour. Dropped: darkened.
  CellState state = CellState::kKept;
  int32_t group = 0;  // of merged cells: equal numbers have one colour
};

/// The picture with its cells marked. Cells may overlap; where they do, the last one counts. What is in no cell stays.
Image paint_cells(const Image& picture, std::span<const PaintedCell> cells);

/// The boxes of all cells, tiles in order and row by row in each: those of PatchPruning and of a plan's `is_seen`.
std::vector<Box> cells_in_picture(ImageSize original, const PixelSpec& spec, const PixelLayout& layout, ImageSize cell);

/// Which of those show the whole picture beside a grid of finer tiles. A picture of what was kept is clearer without
/// them. Empty where there are none.
struct CellRange {
  int begin = 0;
  int end = 0;
};
CellRange cells_of_global_view(const PixelSpec& spec, const PixelLayout& layout, ImageSize cell);

/// How much of a cell can be told from others.
struct CellHeat {
  Box box;
  double redundancy = 0;             // 0: nothing, stays clear; 1: all of it, tinted from yellow to red
  bool is_predicted = false;         // exactly, by its neighbours: greyed and hatched
  bool is_nearly_predicted = false;  // hatched
};

/// The picture under a translucent map of its redundancy.
Image paint_heat(const Image& picture, std::span<const CellHeat> cells);

}  // namespace saccade
