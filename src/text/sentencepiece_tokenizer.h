// SentencePiece's BPE as Llama uses it: pieces with scores over characters, spaces as U+2581, bytes for what is left.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pair_merger.h"
#include "text/vocabulary_tokenizer.h"

namespace saccade {

/// Where a space is put in front of a stretch of text between special tokens.
enum class SpacePrefix : uint8_t {
  kNever,
  kAlways,            // SentencePiece's dummy prefix
  kUnlessSpaced,      // not where the stretch begins with a space: tokenizers' Metaspace, prepend_scheme "always"
  kStartUnlessSpaced  // the same at the start of the text alone: prepend_scheme "first"
};

class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  /// Needs tokenizer.ggml.scores, one for each token; tokenizer.ggml.add_space_prefix and, for what that cannot say,
  /// saccade.tokenizer.prepend_scheme decide on the space in front. Errors name the key.
  static Expected<std::unique_ptr<Tokenizer>> from_metadata(const Metadata& metadata);

  std::string piece(TokenId token, bool render_special) const override;
  std::string decode(std::span<const TokenId> tokens, bool render_special) const override;

 protected:
  void encode_plain(std::string_view text, bool is_start, std::vector<TokenId>& out) const override;

 private:
  SentencePieceTokenizer(Vocabulary vocabulary, const std::vector<double>& scores, SpacePrefix space_prefix);
  bool puts_space_before(std::string_view marked, bool is_start) const;
  std::optional<PairMerge> find_piece(std::string_view text) const;
  void append_fallback(std::string_view text, std::vector<TokenId>& out) const;

  std::unordered_map<std::string_view, PairMerge> pieces_;  // views into the vocabulary; cost is -score
  size_t max_piece_bytes_ = 0;
  std::array<TokenId, 256> byte_tokens_;  // -1 where the vocabulary has none
  const SpacePrefix space_prefix_;
};

}  // namespace saccade
