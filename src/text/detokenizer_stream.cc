#include <utility>

#include "base/utf8.h"
#include "text/tokenizer.h"

namespace saccade {
namespace {

// The text with each byte that is not part of a UTF-8 sequence as U+FFFD.
std::string repair_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    if (next_code_point(text, position).is_valid) {
      repaired += text.substr(begin, position - begin);
    } else {
      append_utf8(0xFFFD, repaired);
    }
  }
  return repaired;
}

}  // namespace

std::string DetokenizerStream::push(TokenId token) {
  // decode() of one token treats it as the first of a sequence; a token without text does not make the next one second.
  held_ += is_first_ ? tokenizer_->decode({&token, 1}) : tokenizer_->piece(token);
  is_first_ = is_first_ && tokenizer_->piece(token).empty();
  const size_t num_complete = complete_utf8_prefix(held_);
  std::string text = repair_utf8(std::string_view(held_).substr(0, num_complete));
  held_.erase(0, num_complete);
  return text;
}

std::string DetokenizerStream::finish() {
  return repair_utf8(std::exchange(held_, {}));
}

}  // namespace saccade
