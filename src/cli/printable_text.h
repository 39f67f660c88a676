// Text from a file, a model or a command line, made fit for a terminal, which would obey control characters in it.
#pragma once

#include <string>
#include <string_view>

namespace saccade {

/// Control characters (C0 but for newline and tab, DEL, C1) become \u001b, as JSON writes them; bytes that are not
/// UTF-8 become \x9b.
std::string printable(std::string_view text);

/// The same for text that must stay on its line: newlines and tabs are written so too.
std::string one_line(std::string_view text);

}  // namespace saccade
