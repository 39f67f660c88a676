// A vocabulary of given byte strings, for tests of what is drawn from it.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace saccade::testing {

/// The first token ends an answer, the second is a control token without bytes.
class ListTokenizer : public Tokenizer {
 public:
  static constexpr TokenId kEnd = 0;
  static constexpr TokenId kControl = 1;

  explicit ListTokenizer(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {
    pieces_.insert(pieces_.begin(), {"<end>", ""});
  }

  /// All 256 bytes.
  static std::vector<std::string> bytes() {
    std::vector<std::string> pieces;
    for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
    return pieces;
  }

  /// The longest match at each place: not what a tokenizer of a model would do, but a way to write the text.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& /*options*/ = {}) const override {
    std::vector<TokenId> tokens;
    while (!text.empty()) {
      TokenId best = -1;
      size_t longest = 0;
      for (size_t i = 2; i < pieces_.size(); ++i) {
        if (pieces_[i].size() <= longest || !text.starts_with(pieces_[i])) continue;
        best = static_cast<TokenId>(i);
        longest = pieces_[i].size();
      }
      if (best < 0) return {};
      tokens.push_back(best);
      text.remove_prefix(longest);
    }
    return tokens;
  }
  std::vector<TokenId> encode_runs(std::span<const TextRun> /*runs*/, bool /*is_start*/) const override { return {}; }
  std::string piece(TokenId token, bool /*render_special*/ = false) const override {
    return token < 2 ? "" : pieces_[static_cast<size_t>(token)];
  }
  std::string decode(std::span<const TokenId> tokens, bool /*render_special*/ = false) const override {
    std::string text;
    for (const TokenId token : tokens) text += piece(token);
    return text;
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  bool adds_bos() const override { return false; }
  bool is_end(TokenId token) const override { return token == kEnd; }
  std::optional<TokenId> special(std::string_view /*text*/) const override { return std::nullopt; }
  std::string_view token_text(TokenId token) const override { return pieces_[static_cast<size_t>(token)]; }

 private:
  std::vector<std::string> pieces_;
};

/// All bytes, what JSON is made of, and `num_random` pieces that go over the borders of its tokens.
inline ListTokenizer random_tokenizer(std::mt19937& random, int num_random) {
  static const std::vector<std::string> kParts = {"\"",  "{",  "}",    "[",    "]",        ":",  ",",  " ",    "\n",
                                                  "  ",  "a",  "b",    "é",    "漢",       "😀",  "\\", "\\n",  "\\u",
                                                  "00",  "d8", "1",    "0",    ".",        "e",  "-",  "true", "null",
                                                  "fal", "se", "name", "\xC3", "\x98\x80", "id", "x",  "k0",   "k1"};
  std::vector<std::string> pieces = ListTokenizer::bytes();
  std::uniform_int_distribution<size_t> draw(0, kParts.size() - 1);
  for (int i = 0; i < num_random; ++i) {
    std::string piece;
    for (size_t parts = 1 + random() % 4; parts > 0; --parts) piece += kParts[draw(random)];
    pieces.push_back(std::move(piece));
  }
  return ListTokenizer(std::move(pieces));
}

}  // namespace saccade::testing
