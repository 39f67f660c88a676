#include "media/orientation.h"

#include <cassert>
#include <cstring>

namespace saccade {

namespace {

/// Which stored pixel is shown at (x, y).
struct Place {
  int x;
  int y;
};

/// EXIF 2.3, tag 0x0112: the number says which sides of the picture the stored row 0 and column 0 are.
Place stored_place(int exif_orientation, ImageSize stored, int x, int y) {
  const int right = stored.width - 1;
  const int bottom = stored.height - 1;
  switch (exif_orientation) {
    case 2:
      return {right - x, y};
    case 3:
      return {right - x, bottom - y};
    case 4:
      return {x, bottom - y};
    case 5:
      return {y, x};
    case 6:
      return {y, bottom - x};
    case 7:
      return {right - y, bottom - x};
    case 8:
      return {right - y, x};
    default:
      return {x, y};
  }
}

}  // namespace

ImageSize oriented_size(ImageSize size, int exif_orientation) {
  return exif_orientation >= 5 ? ImageSize{size.height, size.width} : size;
}

bool has_far_edge_left(int exif_orientation) {
  return exif_orientation == 2 || exif_orientation == 3 || exif_orientation == 6 || exif_orientation == 7;
}

bool has_far_edge_on_top(int exif_orientation) {
  return exif_orientation == 3 || exif_orientation == 4 || exif_orientation == 7 || exif_orientation == 8;
}

Image apply_orientation(Image stored, int exif_orientation) {
  assert(exif_orientation >= 1 && exif_orientation <= 8);
  if (exif_orientation == 1) return stored;
  Image shown = make_image(oriented_size(stored.size(), exif_orientation));
  uint8_t* out = shown.rgb.data();
  for (int y = 0; y < shown.height; ++y) {
    // Along a shown row the stored place moves by the same step, so two places give them all.
    const Place first = stored_place(exif_orientation, stored.size(), 0, y);
    const Place second = stored_place(exif_orientation, stored.size(), 1, y);
    const ptrdiff_t step =
        (static_cast<ptrdiff_t>(second.y - first.y) * stored.width + (second.x - first.x)) * ptrdiff_t{3};
    const ptrdiff_t start = (static_cast<ptrdiff_t>(first.y) * stored.width + first.x) * ptrdiff_t{3};
    for (int x = 0; x < shown.width; ++x, out += 3) std::memcpy(out, stored.rgb.data() + start + step * x, 3);
  }
  return shown;
}

}  // namespace saccade
