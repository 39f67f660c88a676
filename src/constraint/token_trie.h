// A vocabulary as a tree over the tokens' bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace saccade {

/// A bit for each token of a vocabulary.
class TokenSet {
 public:
  explicit TokenSet(size_t vocab_size = 0) : words_((vocab_size + 63) / 64, 0) {}

  void add(TokenId token) { words_[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64); }
  void add(const TokenSet& others) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= others.words_[i];
  }
  bool has(TokenId token) const {
    const auto word = static_cast<size_t>(token) / 64;
    return token >= 0 && word < words_.size() && (words_[word] >> (token % 64) & 1) != 0;
  }
  bool is_empty() const;
  /// The lowest of them; there must be one.
  TokenId first() const;
  std::span<const uint64_t> words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

/// The tokens that an answer may be written with, in two trees: those of plain bytes alone (Automaton::is_plain), which
/// are most of a vocabulary, and all others. Tokens without bytes (control tokens) are in none of them. Thread safety:
/// const after construction.
class TokenTrie {
 public:
  static constexpr size_t kMaxTokenBytes = 512;  // longer ones are never drawn

  struct Node {
    uint32_t end = 0;         // behind the last node that begins with this one's bytes
    uint32_t tokens_end = 0;  // its tokens are those from the node before it to here
    uint16_t depth = 0;       // of its byte, from 1
    uint8_t byte = 0;
  };
  /// Nodes in the order of their bytes, each ahead of those that go on from it.
  struct Tree {
    std::vector<Node> nodes;
    std::vector<TokenId> tokens;
    std::span<const TokenId> tokens_of(size_t node) const {
      const uint32_t begin = node == 0 ? 0 : nodes[node - 1].tokens_end;
      return std::span(tokens).subspan(begin, nodes[node].tokens_end - begin);
    }
  };

  explicit TokenTrie(const Tokenizer& tokenizer);

  size_t vocab_size() const { return vocab_size_; }
  const Tree& plain() const { return plain_; }
  const Tree& others() const { return others_; }
  /// Plain tokens of at most `num_bytes`.
  const TokenSet& plain_up_to(size_t num_bytes) const;
  size_t longest_plain() const { return plain_by_length_.size() - 1; }
  const TokenSet& ends() const { return ends_; }  // that end an answer
  const std::string& bytes(TokenId token) const { return bytes_[static_cast<size_t>(token)]; }

 private:
  size_t vocab_size_;
  Tree plain_;
  Tree others_;
  std::vector<TokenSet> plain_by_length_;  // each with all shorter ones
  TokenSet ends_;
  std::vector<std::string> bytes_;
};

}  // namespace saccade
