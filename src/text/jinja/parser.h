// Tokens to a tree.
#pragma once

#include <string_view>

#include "saccade/status.h"
#include "text/jinja/ast.h"

namespace saccade::jinja {

/// Errors: kUnsupported, with the line, for what is no Jinja or is not known here; source over a mebibyte, and
/// expressions or blocks nested more than a hundred deep.
Expected<Block> parse_template(std::string_view source);

}  // namespace saccade::jinja
