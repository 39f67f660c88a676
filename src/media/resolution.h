// How finely a picture is looked at: a family's PixelSpec made cheaper. The resolution is the lever that costs the
// least for what it saves, ahead of any pruning of tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "media/pixel_batch.h"
#include "saccade/plan.h"

namespace saccade {

/// The spec for a picture whose longest side becomes no more than `longest_side_px`, as far as the family has that:
/// - Square: a smaller square, of whole cells (the tower then interpolates its positions).
/// - AnyResolution: the pinpoints within it; where none is, the whole picture alone, and below its size that smaller.
/// - Tile: whole tiles within it; below two, the whole picture as one tile, of the tower's own size.
/// - DynamicResolution: no more pixels than a square of it has.
/// Never finer than `spec`, and never coarser than 8 x 8 cells, one tile or min_pixels. `cell_px` is the side of what
/// becomes one visual token, which divides the sizes of `spec`.
PixelSpec with_resolution(const PixelSpec& spec, int longest_side_px, int cell_px);

/// The visual tokens of a layout, before padding is dropped or separators are added (LLaVA-1.6).
int64_t count_cells(const PixelLayout& layout, int cell_px);

/// The finest spec of which this picture has no more than `max_tokens` cells, or the coarsest there is. Errors: those
/// of plan_pixels().
Expected<PixelSpec> with_max_tokens(const PixelSpec& spec, ImageSize original, int64_t max_tokens, int cell_px);

/// The longest sides at which with_resolution() gives something else, the finest first, which is `spec` itself.
std::vector<int> resolution_steps(const PixelSpec& spec, int cell_px);

/// The spec for a picture at this detail (saccade/plan.h). Errors: those of plan_pixels().
Expected<PixelSpec> with_detail(const PixelSpec& spec, ImageSize original, Detail detail, int cell_px);

}  // namespace saccade
