// A template's source to tokens, with Jinja's rules for white space.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

namespace saccade::jinja {

struct Token {
  enum class Kind {
    kText,           // template text as it is
    kBlockBegin,     // {%
    kBlockEnd,       // %}
    kVariableBegin,  // {{
    kVariableEnd,    // }}
    kName,
    kString,  // text: with escapes resolved
    kInteger,
    kFloat,
    kOperator,  // one of ( ) [ ] { } + - * / // % ** ~ == != < <= > >= = . , : | ;
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  int line = 1;
};

/// White space as Transformers sets it: the first line break after a block goes (trim_blocks), so does white space
/// between the start of a line and a block (lstrip_blocks); "-" and "+" override both. Errors name the line.
Expected<std::vector<Token>> tokenize(std::string_view source);

}  // namespace saccade::jinja
