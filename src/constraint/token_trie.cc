#include "constraint/token_trie.h"

#include <algorithm>
#include <bit>
#include <string_view>

#include "constraint/automaton.h"

namespace saccade {
namespace {

using Token = std::pair<std::string_view, TokenId>;

TokenTrie::Tree tree_of(std::vector<Token> tokens) {
  std::ranges::sort(tokens);
  TokenTrie::Tree tree;
  std::vector<uint32_t> path;  // nodes of the bytes of the token before
  std::string_view before;
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) tree.nodes[path.back()].end = static_cast<uint32_t>(tree.nodes.size());
  };
  for (const auto& [bytes, token] : tokens) {
    const auto differs = std::ranges::mismatch(before, bytes).in1 - before.begin();
    leave(static_cast<size_t>(differs));
    for (size_t i = path.size(); i < bytes.size(); ++i) {
      path.push_back(static_cast<uint32_t>(tree.nodes.size()));
      tree.nodes.push_back({.end = 0,
                            .tokens_end = static_cast<uint32_t>(tree.tokens.size()),
                            .depth = static_cast<uint16_t>(i + 1),
                            .byte = static_cast<uint8_t>(bytes[i])});
    }
    tree.tokens.push_back(token);
    tree.nodes[path.back()].tokens_end = static_cast<uint32_t>(tree.tokens.size());
    before = bytes;
  }
  leave(0);
  return tree;
}

}  // namespace

bool TokenSet::is_empty() const {
  return std::ranges::all_of(words_, [](uint64_t word) { return word == 0; });
}

TokenId TokenSet::first() const {
  size_t word = 0;
  while (words_[word] == 0) ++word;
  return static_cast<TokenId>(word * 64 + static_cast<size_t>(std::countr_zero(words_[word])));
}

TokenTrie::TokenTrie(const Tokenizer& tokenizer)
    : vocab_size_(static_cast<size_t>(tokenizer.vocab_size())), ends_(vocab_size_), bytes_(vocab_size_) {
  std::vector<Token> plain;
  std::vector<Token> others;
  for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
    std::string& bytes = bytes_[static_cast<size_t>(token)];
    if (tokenizer.is_end(token)) {
      ends_.add(token);
      continue;
    }
    bytes = tokenizer.piece(token);
    if (bytes.empty() || bytes.size() > kMaxTokenBytes) continue;
    const bool is_plain =
        std::ranges::all_of(bytes, [](char c) { return Automaton::is_plain(static_cast<uint8_t>(c)); });
    (is_plain ? plain : others).emplace_back(bytes, token);
  }
  size_t longest = 0;
  for (const Token& token : plain) longest = std::max(longest, token.first.size());
  plain_by_length_.assign(longest + 1, TokenSet(vocab_size_));
  for (const auto& [bytes, token] : plain) plain_by_length_[bytes.size()].add(token);
  for (size_t i = 1; i <= longest; ++i) plain_by_length_[i].add(plain_by_length_[i - 1]);
  plain_ = tree_of(std::move(plain));
  others_ = tree_of(std::move(others));
}

const TokenSet& TokenTrie::plain_up_to(size_t num_bytes) const {
  return plain_by_length_[std::min(num_bytes, longest_plain())];
}

}  // namespace saccade
