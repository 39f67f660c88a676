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

class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  /// Needs tokenizer.ggml.scores, one for each token. Errors name the key.
  static Expected<std::unique_ptr<Tokenizer>> from_metadata(const Metadata& metadata);

  std::string piece(TokenId token, bool render_special) const override;
  std::string decode(std::span<const TokenId> tokens, bool render_special) const override;

 protected:
  void encode_plain(std::string_view text, std::vector<TokenId>& out) const override;

 private:
  SentencePieceTokenizer(Vocabulary vocabulary, const std::vector<double>& scores, bool adds_space_prefix);
  std::optional<PairMerge> find_piece(std::string_view text) const;
  void append_fallback(std::string_view text, std::vector<TokenId>& out) const;

  std::unordered_map<std::string_view, PairMerge> pieces_;  // views into the vocabulary; cost is -score
  size_t max_piece_bytes_ = 0;
  std::array<TokenId, 256> byte_tokens_;  // -1 where the vocabulary has none
  bool adds_space_prefix_;
};

}  // namespace saccade
