// Finds control and user-defined tokens in a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace saccade {

/// A trie of token texts; each position of a text costs at most the longest text in it.
class SpecialTokens {
 public:
  /// Longer texts are left out: with them a search could take time quadratic in the input.
  static constexpr size_t kMaxTextBytes = 512;

  /// `is_control` tokens are found only where the text is trusted; the others, user-defined ones, everywhere.
  void add(std::string_view text, TokenId token, bool is_control);

  struct Match {
    size_t position;
    size_t num_bytes;
    TokenId token;
  };
  /// The first match at or after `position`, the longest there. A control token must end at or before the end of the
  /// trusted stretch that it starts in; `trusted_ends[i]` is that end for byte i, and i itself where i is not trusted.
  std::optional<Match> find(std::string_view text, size_t position, const std::vector<size_t>& trusted_ends) const;

  /// The token with exactly this text.
  std::optional<TokenId> exact(std::string_view text) const;

 private:
  struct Node {
    TokenId token = -1;
    bool is_control = false;
  };
  static constexpr uint32_t kNone = 0;  // the root is nobody's child
  uint32_t child(uint32_t node, char byte) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::unordered_map<uint64_t, uint32_t> children_;  // node * 256 + byte -> node
  bool starts_[256] = {};                            // bytes that any text starts with
};

}  // namespace saccade
