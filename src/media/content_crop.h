// The part of a picture that shows something, without the empty margins around it. Whatever the question is, margins
// answer none.
#pragma once

#include "media/image.h"

namespace saccade {

struct ContentCropOptions {
  int tolerance_levels = 16;    // a pixel further than this from the margin's colour, in any channel, is content
  double margin_share = 0.02;   // of the content's longer side, left around it
  int min_margin_px = 4;        // and no less than this
  int min_side_px = 56;         // of what is left, as far as the picture has as much
  double min_cut_share = 0.05;  // of the picture's area; where less would go, nothing does
};

/// A part of a decoded picture, in its own pixels and in the original's.
struct ContentCrop {
  Window decoded;
  Window original;
  bool is_cut = false;  // false: the whole picture
};

/// The box around everything that differs from the dominant colour of the picture's border. Nothing is cut where the
/// border has no such colour (half of it or more), and of a picture that has that colour all over. Only the margins
/// and the content's edge are read.
ContentCrop find_content(const DecodedImage& decoded, const ContentCropOptions& options = {});

/// The picture within `crop`, as if it had been decoded so; its `original` has the size of crop.original.
DecodedImage cut(const DecodedImage& decoded, const ContentCrop& crop);

}  // namespace saccade
