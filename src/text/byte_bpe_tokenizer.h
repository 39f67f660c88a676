// Byte-level BPE as GPT-2 introduced it: words of bytes written as printable characters, merged by rank.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pair_merger.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary_tokenizer.h"

namespace saccade {

class ByteBpeTokenizer final : public VocabularyTokenizer {
 public:
  /// Needs tokenizer.ggml.merges. Errors name the key; a merge without a space between its parts is one. A merge whose
  /// parts or result are not in the vocabulary can never apply and is passed over; of two merges of the same parts, the
  /// first counts. Bytes that have no token vanish from the input, as in the reference implementation.
  static Expected<std::unique_ptr<Tokenizer>> from_metadata(const Metadata& metadata);

  std::string piece(TokenId token, bool render_special) const override;

 protected:
  void encode_plain(std::string_view text, bool is_start, std::vector<TokenId>& out) const override;

 private:
  ByteBpeTokenizer(Vocabulary vocabulary, PreTokenizer pre_tokenizer);
  Status read_merges(const Metadata& metadata);
  void encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& out) const;

  PreTokenizer pre_tokenizer_;
  std::unordered_map<uint64_t, PairMerge> merges_;  // (left << 32 | right) -> rank and result
  std::array<TokenId, 256> byte_tokens_;            // -1 where the vocabulary has none
};

}  // namespace saccade
