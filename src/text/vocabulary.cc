#include "text/vocabulary.h"

#include <array>
#include <limits>
#include <utility>

#include "base/format.h"

namespace saccade {
namespace {

// Tokens that end a turn or a text in the vocabularies of published models. Files often name only one of them as EOS.
constexpr std::array<std::string_view, 14> kEndNames = {
    "<|im_end|>",      "<|eot_id|>",
    "<|eom_id|>",      "<|endoftext|>",
    "<|end_of_text|>", "<end_of_utterance>",
    "<end_of_turn>",   "<|end|>",
    "<|eot|>",         "<EOT>",
    "<|end_of_turn|>", "<|endofturn|>",
    "<|return|>",      "<|end▁of▁sentence|>",
};

bool is_special_type(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUserDefined;
}

}  // namespace

std::optional<TokenId> Vocabulary::find(std::string_view text) const {
  const auto found = ids_.find(text);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

Expected<Vocabulary> Vocabulary::from_metadata(const Metadata& metadata, const VocabularyDefaults& defaults) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  Vocabulary vocabulary;
  SACCADE_ASSIGN_OR_RETURN(vocabulary.texts_, metadata.strings(kTokens));
  const std::vector<std::string>& texts = vocabulary.texts_;
  if (texts.empty()) return corrupt_data(format("%s: the vocabulary is empty", kTokens));
  if (texts.size() > static_cast<size_t>(std::numeric_limits<TokenId>::max())) {
    return corrupt_data(format("%s: %zu tokens are more than ids can count", kTokens, texts.size()));
  }
  vocabulary.ids_.reserve(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() > kMaxPieceBytes) {
      return corrupt_data(format("%s: token %zu has %zu bytes, more than the %zu a piece may have", kTokens, i,
                                 texts[i].size(), kMaxPieceBytes));
    }
    vocabulary.ids_.emplace(texts[i], static_cast<TokenId>(i));
  }
  SACCADE_RETURN_IF_ERROR(vocabulary.read_types(metadata));
  SACCADE_RETURN_IF_ERROR(vocabulary.read_roles(metadata, defaults));
  vocabulary.find_ends_by_name();
  return vocabulary;
}

Status Vocabulary::read_types(const Metadata& metadata) {
  constexpr const char* kTypes = "tokenizer.ggml.token_type";
  types_.assign(texts_.size(), TokenType::kNormal);
  if (!metadata.has(kTypes)) return {};
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> types, metadata.integers(kTypes));
  if (types.size() != texts_.size()) {
    return corrupt_data(format("%s: %zu types for %zu tokens", kTypes, types.size(), texts_.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 0 || types[i] > static_cast<int64_t>(TokenType::kByte)) {
      return corrupt_data(format("%s: token %zu has the unknown type %lld", kTypes, i, (long long)types[i]));
    }
    // 0 is "undefined", which some writers leave for plain pieces.
    if (types[i] != 0) types_[i] = static_cast<TokenType>(types[i]);
  }
  return {};
}

Status Vocabulary::read_roles(const Metadata& metadata, const VocabularyDefaults& defaults) {
  const auto read = [&](const char* name, std::optional<TokenId> fallback, std::optional<TokenId>& out) -> Status {
    const std::string key = format("tokenizer.ggml.%s_token_id", name);
    if (metadata.has(key)) {
      SACCADE_ASSIGN_OR_RETURN(const int64_t id, metadata.integer(key, 0, size() - 1));
      out = static_cast<TokenId>(id);
    } else if (fallback && contains(*fallback) && is_special_type(type(*fallback))) {
      out = fallback;
    }
    return {};
  };
  SACCADE_RETURN_IF_ERROR(read("bos", defaults.bos, bos_));
  SACCADE_RETURN_IF_ERROR(read("unknown", defaults.unknown, unknown_));
  for (const char* name : {"eos", "eot", "eom"}) {
    std::optional<TokenId> end;
    SACCADE_RETURN_IF_ERROR(read(name, name == std::string_view("eos") ? defaults.eos : std::nullopt, end));
    if (end) ends_.insert(*end);
  }
  // Some files leave these marked as plain pieces; they must neither be printed nor come from a user's text.
  const auto mark_control = [&](TokenId token) {
    TokenType& mark = types_[static_cast<size_t>(token)];
    if (mark == TokenType::kNormal) mark = TokenType::kControl;
  };
  if (bos_) mark_control(*bos_);
  for (const TokenId end : ends_) mark_control(end);
  SACCADE_ASSIGN_OR_RETURN(adds_bos_, metadata.boolean_or("tokenizer.ggml.add_bos_token", defaults.adds_bos));
  adds_bos_ = adds_bos_ && bos_.has_value();
  return {};
}

void Vocabulary::find_ends_by_name() {
  for (const std::string_view name : kEndNames) {
    const std::optional<TokenId> token = find(name);
    if (token && is_special_type(type(*token))) ends_.insert(*token);
  }
}

}  // namespace saccade
