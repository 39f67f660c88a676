// The vocabulary of a GGUF file: pieces, their types and scores, and the tokens with a role.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "saccade/status.h"
#include "text/tokenizer.h"
#include "weights/metadata.h"

namespace saccade {

/// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// What a file that lacks a key means by that, which depends on the tokenizer's kind.
struct VocabularyDefaults {
  bool adds_bos = false;
  std::optional<TokenId> bos;  // these three count only if the token there is a control or unknown token
  std::optional<TokenId> eos;
  std::optional<TokenId> unknown;
};

class Vocabulary {
 public:
  /// Longer pieces are taken for a damaged file; real ones stay under a few hundred bytes.
  static constexpr size_t kMaxPieceBytes = 4096;

  /// Reads tokenizer.ggml.{tokens, token_type, *_token_id, add_bos_token}. Of two tokens with the same text, the first
  /// is found by it. Errors name the key: an empty vocabulary, arrays of different lengths, ids outside the vocabulary,
  /// pieces over kMaxPieceBytes, unknown types.
  static Expected<Vocabulary> from_metadata(const Metadata& metadata, const VocabularyDefaults& defaults);

  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  bool contains(TokenId token) const { return token >= 0 && token < size(); }
  const std::string& text(TokenId token) const { return texts_[static_cast<size_t>(token)]; }
  TokenType type(TokenId token) const { return types_[static_cast<size_t>(token)]; }
  std::optional<TokenId> find(std::string_view text) const;

  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> unknown() const { return unknown_; }
  bool adds_bos() const { return adds_bos_; }
  bool is_end(TokenId token) const { return ends_.contains(token); }

 private:
  Vocabulary() = default;
  Status read_types(const Metadata& metadata);
  Status read_roles(const Metadata& metadata, const VocabularyDefaults& defaults);
  void find_ends_by_name();

  std::vector<std::string> texts_;
  std::vector<TokenType> types_;
  std::unordered_map<std::string_view, TokenId> ids_;  // views into texts_
  std::unordered_set<TokenId> ends_;
  std::optional<TokenId> bos_, unknown_;
  bool adds_bos_ = false;
};

}  // namespace saccade
