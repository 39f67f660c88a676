// Pages of HTML that need nothing but themselves: no scripts, styles or fonts from elsewhere.
#pragma once

#include <string>
#include <vector>

namespace saccade::plot {

/// A page with the title as its heading and `body`, which is HTML, below; in the colours of ink_style(), with styles
/// for tables, lists and drawings.
std::string html_page(const std::string& title, const std::string& body);

/// A list with a line of text each.
std::string html_list(const std::vector<std::string>& lines);

}  // namespace saccade::plot
