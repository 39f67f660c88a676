// Chat templates of model families, for files whose own is missing or can't be run.
#pragma once

#include <string_view>

#include "text/tokenizer.h"
#include "weights/metadata.h"

namespace saccade {

struct FamilyTemplate {
  std::string_view name;
  std::string_view source;  // Jinja over content in parts; the variable image_marker holds the text for a picture
};

/// The family by the control tokens in the vocabulary, else by the model's name and the tokenizer's kind.
FamilyTemplate choose_family_template(const Metadata& metadata, const Tokenizer& tokenizer);

}  // namespace saccade
