// A checkpoint's tokenizer files to llama.cpp's tokenizer.* keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saccade/status.h"
#include "weights/convert/checkpoint.h"
#include "weights/convert/model_plan.h"

namespace saccade {

/// Types of vocabulary entries, as tokenizer.ggml.token_type numbers them.
enum class TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// Where a space is put in front of text. SentencePiece puts one before every stretch between special tokens; the
/// library "tokenizers" has a way of its own (Metaspace), which leaves stretches alone that begin with a space.
enum class SpacePrefix : uint8_t { kNever, kSentencePiece, kMetaspaceAlways, kMetaspaceFirst };

struct Vocabulary {
  struct Token {
    std::string text;
    float score = 0;
    TokenType type = TokenType::kUnused;  // not filled yet
  };

  std::string model;  // "llama" or "gpt2"
  std::string pre;    // the pre-tokenizer's name
  std::vector<Token> tokens;
  std::vector<std::string> merges;                         // gpt2: "left right"
  SpacePrefix space_prefix = SpacePrefix::kSentencePiece;  // llama only
  bool adds_bos = false;                                   // unless tokenizer_config.json says otherwise

  /// The entry of that id, or null for an id outside the vocabulary.
  Token* at(int64_t id) { return id >= 0 && id < static_cast<int64_t>(tokens.size()) ? &tokens[id] : nullptr; }
};

/// Writes tokenizer.* with exactly `vocab_size` entries (rows of the embedding): missing ones are filled with [PADn],
/// those beyond are left out with a warning. A checkpoint without any tokenizer file gets a warning and no keys.
/// Errors: kUnsupported (a kind of tokenizer that is not known, and what was seen), kCorruptData.
Status write_tokenizer_keys(PlanBuilder& builder, int64_t vocab_size);

/// The readers behind it; `tokens` has been sized to the model's vocabulary. What a tokenizer.json beside a
/// tokenizer.model says of spaces goes before the model's own word, for it is what Transformers loads.
Status read_sentencepiece_model(const std::string& path, Vocabulary& vocabulary, std::vector<std::string>& warnings);
Status read_tokenizer_json(const Json& tokenizer, const std::string& path, Vocabulary& vocabulary,
                           std::vector<std::string>& warnings);
Status read_space_prefix(const Json& tokenizer, const std::string& path, Vocabulary& vocabulary);

/// The name llama.cpp has for tokenizer.json's pre_tokenizer, from its structure and its regular expression.
Expected<std::string> pre_tokenizer_name(const Json& tokenizer, const std::string& path);

/// bos, eos, ... ids, add_bos and the chat template, after the vocabulary is known.
Status write_special_tokens(PlanBuilder& builder, const Vocabulary& vocabulary);

/// Whether an added token that is not marked special stands for control all the same ("<|im_end|>"), as llama.cpp's
/// converter has it.
bool looks_like_control(std::string_view text);

}  // namespace saccade
