// The hand-over from media to the encoder: normalised pixels, and where each tile belongs.
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "media/image.h"
#include "media/resize.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

/// Pixels of one picture. All tiles have the same size.
struct PixelBatch {
  Tensor pixels;  // [num_tiles, 3, height, width], (value / 255 - mean) / std
  // The tile grid; 1 x 1 when the picture is one tile. With a global view and a grid, the family's order is kept:
  // LLaVA-1.6 has the global view first, SmolVLM has it last.
  int grid_rows = 1;
  int grid_cols = 1;
  bool has_global_view = false;  // a whole-picture tile besides the grid
  ImageSize original;            // the picture's own size (LLaVA-1.6 removes its padding by it)

  int num_tiles() const { return static_cast<int>(pixels.shape()[0]); }
  int height() const { return static_cast<int>(pixels.shape()[2]); }
  int width() const { return static_cast<int>(pixels.shape()[3]); }
};

// How a family wants its pictures. Plain values, given by the encoder, carried out by prepare_pixels().

struct Normalization {
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> std = {1, 1, 1};
};

/// LLaVA-1.5: pad to a square with the mean colour, then resize; or (is_padded false) shortest side to `size` and
/// crop the centre, as CLIP's processor does.
struct SquareSpec {
  int size = 336;
  bool is_padded = true;
  ResizeFilter filter = ResizeFilter::kBicubic;
  Normalization normalization = {};
};

/// LLaVA-1.6 "anyres": the whole picture resized to size x size, then tiles of the best fitting resolution of
/// `pinpoints`, the picture resized to fit within it and centred on black.
struct AnyResolutionSpec {
  int size = 336;
  std::vector<ImageSize> pinpoints = {};  // multiples of size; Transformers writes them as (height, width)
  ResizeFilter filter = ResizeFilter::kBicubic;
  Normalization normalization = {};
  bool is_split = true;  // false: the whole picture alone, as one tile
};

/// SmolVLM (Idefics3): the longest edge to `longest_edge`, both sides up to multiples of tile_size, split in tiles,
/// plus the whole picture at tile_size x tile_size as the last tile. Pictures are enlarged too, as the family does;
/// none beyond 4096. What fits one tile has no global view. Not split: one tile of tile_size x tile_size.
struct TileSpec {
  int tile_size = 512;
  int longest_edge = 2048;
  bool is_split = true;
  bool is_enlarged = true;  // false: a picture whose longest edge is shorter keeps its size, up to whole tiles
  ResizeFilter filter = ResizeFilter::kLanczos;
  Normalization normalization = {};
};

/// Qwen2-VL: both sides to multiples of patch_size * merge_size, area between min_pixels and max_pixels.
struct DynamicResolutionSpec {
  int patch_size = 14;
  int merge_size = 2;
  int64_t min_pixels = 56 * 56;
  int64_t max_pixels = 14 * 14 * 4 * 1280;
  ResizeFilter filter = ResizeFilter::kBicubic;
  Normalization normalization = {};
};

using PixelSpec = std::variant<SquareSpec, AnyResolutionSpec, TileSpec, DynamicResolutionSpec>;

inline const Normalization& normalization_of(const PixelSpec& spec) {
  return std::visit([](const auto& family) -> const Normalization& { return family.normalization; }, spec);
}

/// What prepare_pixels() would make of a picture of this size: tiles and their grid, without a pixel touched.
struct PixelLayout {
  int num_tiles = 1;
  int grid_rows = 1;
  int grid_cols = 1;
  bool has_global_view = false;
  ImageSize tile;     // every tile's size
  ImageSize resized;  // the largest size that the picture itself is resized to
};

/// Errors: kUnsupported where the family refuses the shape (Qwen2-VL: an aspect ratio over 200); kInvalidArgument where
/// the spec makes no sense; kResourceExhausted where the tiles would come to more than 32 megapixels.
Expected<PixelLayout> plan_pixels(ImageSize original, const PixelSpec& spec);

/// Where a tile lies in the picture, in pixels of the original: it shows what is there, and padding where that is
/// beyond the picture. `spec` and `layout` are those that the tiles were made by.
Box tile_in_picture(ImageSize original, const PixelSpec& spec, const PixelLayout& layout, int tile_idx);

/// The part of the picture that a cell shows, `cell` being in pixels of its tile; empty (width or height 0) where it
/// shows padding alone.
Box cell_in_picture(ImageSize original, const PixelSpec& spec, const PixelLayout& layout, int tile_idx, Window cell);

/// Resizes, pads, tiles and normalises, with the values of Transformers' Pillow processors where the picture is at full
/// size. The layout and the errors are those of plan_pixels() for the original.
Expected<PixelBatch> prepare_pixels(const DecodedImage& decoded, const PixelSpec& spec, ThreadPool& pool);

}  // namespace saccade
