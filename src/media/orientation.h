// Turning and mirroring a stored picture to the way up it is shown.
#pragma once

#include "media/image.h"

namespace saccade {

/// The size shown for a stored size, or the stored size for the one shown: orientations 5 to 8 swap the sides.
ImageSize oriented_size(ImageSize size, int exif_orientation);

/// Undoes the EXIF orientation 1..8.
Image apply_orientation(Image stored, int exif_orientation);

}  // namespace saccade
