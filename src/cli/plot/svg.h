// Drawings as SVG to be put into an HTML page.
#pragma once

#include <string>
#include <string_view>

#include "cli/plot/drawing.h"

namespace saccade::plot {

/// An <svg> element whose colours are the variables of ink_style(), with words as text and marks' titles as tooltips.
std::string to_svg(const Drawing& drawing);

/// The CSS that gives the colours: light ones, and dark ones where the reader prefers them.
std::string ink_style();

/// Text as it may stand in HTML, within an element or a quoted attribute. Control characters become spaces.
std::string escape_html(std::string_view text);

}  // namespace saccade::plot
