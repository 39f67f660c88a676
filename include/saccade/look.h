// Which parts of a picture the model was given, for showing them.
#pragma once

#include <cstdint>
#include <vector>

namespace saccade {

enum class CellState : uint8_t {
  kKept,    // a token shows it as it is
  kMerged,  // a token shows it that is the mean of several, or that shows a part of the picture which equals it
  kDropped  // no token shows it
};

/// A part of a picture that would be one visual token, in pixels of the picture; what is cut off around it, too.
struct LookedCell {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  CellState state = CellState::kKept;
  int32_t group = 0;  // equal for cells that one token shows; -1 of dropped ones
};

/// Without padding, and without a view of the whole picture that the model is given beside finer tiles.
struct PictureLook {
  std::vector<LookedCell> cells;
};

}  // namespace saccade
