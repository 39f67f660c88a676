// What both kinds of tokenizer share: the vocabulary's roles, and splitting a text at its special tokens.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/special_tokens.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace saccade {

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override;
  std::vector<TokenId> encode_runs(std::span<const TextRun> runs, bool is_start) const override;
  std::string decode(std::span<const TokenId> tokens, bool render_special) const override;

  int32_t vocab_size() const override { return vocabulary_.size(); }
  std::optional<TokenId> bos() const override { return vocabulary_.bos(); }
  bool adds_bos() const override { return vocabulary_.adds_bos(); }
  bool is_end(TokenId token) const override { return vocabulary_.is_end(token); }
  std::optional<TokenId> special(std::string_view text) const override;
  std::string_view token_text(TokenId token) const override;

 protected:
  explicit VocabularyTokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

  /// Fills the trie; `text_of` gives the text that a special token stands for in an input.
  template <typename TextOf>
  void index_special_tokens(TextOf text_of);

  /// Appends the tokens of a stretch between special tokens, or between one and an end of the text; never empty.
  /// `is_start` is true for the stretch that begins the text.
  virtual void encode_plain(std::string_view text, bool is_start, std::vector<TokenId>& out) const = 0;

  const Vocabulary vocabulary_;
  SpecialTokens specials_;

 private:
  std::vector<TokenId> encode_whole(std::span<const TextRun> runs, bool is_start, bool add_bos) const;
};

template <typename TextOf>
void VocabularyTokenizer::index_special_tokens(TextOf text_of) {
  for (TokenId token = 0; token < vocabulary_.size(); ++token) {
    const TokenType type = vocabulary_.type(token);
    if (type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUserDefined) {
      specials_.add(text_of(token), token, type != TokenType::kUserDefined);
    }
  }
}

}  // namespace saccade
