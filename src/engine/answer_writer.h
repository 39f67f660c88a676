// Tokens of an answer to its text, as the caller sees it come.
#pragma once

#include <string>

#include "response/stop_matcher.h"
#include "saccade/engine.h"
#include "text/tokenizer.h"

namespace saccade {

class AnswerWriter {
 public:
  /// Appends to `text` and tells the callback. All must outlive the writer.
  AnswerWriter(const Tokenizer& tokenizer, const Request& request, const AnswerCallbacks& callbacks, std::string& text)
      : detokenizer_(tokenizer), stops_(request.stop), callbacks_(callbacks), text_(text) {}

  /// Takes the next token; not one that ends the answer.
  void push(TokenId token) { emit(stops_.push(detokenizer_.push(token))); }
  /// Writes what was held back; to be called once, after the last token.
  void finish();

  bool is_stopped() const { return stops_.is_stopped(); }  // by a stop string
  bool is_cancelled() const { return is_cancelled_ || callbacks_.stop.stop_requested(); }

 private:
  void emit(const std::string& text);

  DetokenizerStream detokenizer_;
  StopMatcher stops_;
  const AnswerCallbacks& callbacks_;
  std::string& text_;
  bool is_cancelled_ = false;
};

}  // namespace saccade
