// Drawings on paper made of pixels, by Cairo: small, in every distribution, and with fonts, which the smaller libraries
// for PNG lack; plotting libraries (PLplot) bring a dozen of devices and draw axes less well than 100 lines do.
#pragma once

#include <string>
#include <string_view>

#include "cli/plot/drawing.h"
#include "saccade/status.h"

namespace saccade::plot {

/// Of a line of UTF-8, in points.
double text_width(std::string_view text, double size, bool is_bold);

/// The drawing in light colours as a PNG file, `scale` pixels for a point. Errors: kIoError with the path.
Status write_png(const Drawing& drawing, const std::string& path, double scale = 2);

}  // namespace saccade::plot
