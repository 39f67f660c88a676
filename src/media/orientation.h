// Turning and mirroring a stored picture to the way up it is shown.
#pragma once

#include "media/image.h"

namespace saccade {

/// The size shown for a stored size, or the stored size for the one shown: orientations 5 to 8 swap the sides.
ImageSize oriented_size(ImageSize size, int exif_orientation);

/// Whether the picture as shown has the stored one's right or lower edge on its left.
bool has_far_edge_left(int exif_orientation);
/// Whether it has the stored one's right or lower edge at its top.
bool has_far_edge_on_top(int exif_orientation);

/// Undoes the EXIF orientation 1..8.
Image apply_orientation(Image stored, int exif_orientation);

}  // namespace saccade
