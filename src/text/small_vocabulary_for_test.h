// Vocabularies of a few tokens, for tests.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "weights/metadata.h"

namespace saccade {

/// SentencePiece-style: <unk> <s> </s>, the 256 bytes, some pieces, and `controls` as control tokens.
inline Metadata small_vocabulary(const std::vector<std::string>& controls = {}) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int64_t> types = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(format("<0x%02X>", static_cast<unsigned>(byte)));
    types.push_back(6);
  }
  for (const char* piece : {"▁", "a", "b", "c", "▁a", "ab", "▁ab", "abc", "é"}) {
    tokens.emplace_back(piece);
    types.push_back(1);
  }
  for (const std::string& control : controls) {
    tokens.push_back(control);
    types.push_back(3);
  }
  std::vector<double> scores;
  for (size_t i = 0; i < tokens.size(); ++i) scores.push_back(-static_cast<double>(i));
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  metadata.set("tokenizer.ggml.bos_token_id", int64_t{1});
  metadata.set("tokenizer.ggml.eos_token_id", int64_t{2});
  return metadata;
}

/// Byte-level: the bytes' characters, a few merges, and `controls` as control tokens.
inline Metadata small_byte_vocabulary(const std::string& pre, const std::vector<std::string>& controls = {},
                                      const std::vector<std::string>& user_defined = {}) {
  std::vector<std::string> tokens;
  for (unsigned byte = 0, next = 0x100; byte < 256; ++byte) {
    const bool is_printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const unsigned point = is_printable ? byte : next++;
    std::string text;
    if (point < 0x80) {
      text = static_cast<char>(point);
    } else {
      text = {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3F))};
    }
    tokens.push_back(text);
  }
  tokens.insert(tokens.end(), {"ab", "Ġa", "Ġab", "aa", "aaaa"});
  std::vector<int64_t> types(tokens.size(), 1);
  for (const auto& [list, type] : {std::pair(&controls, 3), std::pair(&user_defined, 4)}) {
    tokens.insert(tokens.end(), list->begin(), list->end());
    types.insert(types.end(), list->size(), type);
  }
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", pre);
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"Ġ a", "a b", "Ġa b", "a a", "aa aa"});
  return metadata;
}

}  // namespace saccade
