// One processor per kind of PixelSpec: what it would make of a picture, and making it. Called by pixel_batch.cc, which
// has checked the spec, and the layout against the limits, before it calls a make_tiles().
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "media/pixel_batch.h"
#include "saccade/status.h"

namespace saccade {

/// The tiles of one picture, filled one at a time: 8-bit pixels in, normalised planes out.
class TileWriter {
 public:
  TileWriter(const PixelLayout& layout, const Normalization& normalization);

  /// Normalises the part of `source` that has its upper left corner at (left, top) into the next tile.
  void append(const Image& source, int left = 0, int top = 0);

  /// After num_tiles calls of append().
  Tensor take() &&;

 private:
  ImageSize tile_;
  int num_written_ = 0;
  std::array<std::array<float, 256>, 3> normalized_;  // of each channel's 8-bit values
  Tensor pixels_;                                     // [num_tiles, 3, tile height, tile width]
};

// One pair for each alternative of PixelSpec. Errors: kInvalidArgument for a spec or shape the family refuses.

Expected<PixelLayout> plan_tiles(ImageSize original, const SquareSpec& spec);
Expected<PixelLayout> plan_tiles(ImageSize original, const AnyResolutionSpec& spec);
Expected<PixelLayout> plan_tiles(ImageSize original, const TileSpec& spec);
Expected<PixelLayout> plan_tiles(ImageSize original, const DynamicResolutionSpec& spec);

void make_tiles(const DecodedImage& decoded, const SquareSpec& spec, const PixelLayout& layout, TileWriter& writer);
void make_tiles(const DecodedImage& decoded, const AnyResolutionSpec& spec, const PixelLayout& layout,
                TileWriter& writer);
void make_tiles(const DecodedImage& decoded, const TileSpec& spec, const PixelLayout& layout, TileWriter& writer);
void make_tiles(const DecodedImage& decoded, const DynamicResolutionSpec& spec, const PixelLayout& layout,
                TileWriter& writer);

/// Side lengths and edges that a spec may ask for; the spec may come out of a file.
constexpr int kMaxSpecSide = 8192;
inline bool is_spec_side(int side) {
  return side >= 1 && side <= kMaxSpecSide;
}

}  // namespace saccade
