#include "engine/answer_writer.h"

namespace saccade {

void AnswerWriter::finish() {
  emit(stops_.push(detokenizer_.finish()));
  emit(stops_.finish());
}

void AnswerWriter::emit(const std::string& text) {
  if (text.empty() || is_cancelled_) return;
  text_ += text;
  if (callbacks_.on_text) is_cancelled_ = !callbacks_.on_text(text);
}

}  // namespace saccade
