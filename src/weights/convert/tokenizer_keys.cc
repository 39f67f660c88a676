#include "weights/convert/tokenizer_keys.h"

#include <charconv>
#include <utility>

#include "base/format.h"

namespace saccade {
namespace {

constexpr float kAddedTokenScore = -1000.0F;
// The largest vocabularies in use (256 thousand pieces and their merges) take 35 MB.
constexpr uint64_t kMaxTokenizerBytes = 64 << 20;

void place_added_token(Vocabulary& vocabulary, int64_t id, std::string text, bool is_special) {
  Vocabulary::Token* token = vocabulary.at(id);
  // The unknown piece keeps its type: it stands for text, unlike other control tokens.
  if (token == nullptr || token->type == TokenType::kUnknown) return;
  token->type = is_special || looks_like_control(text) ? TokenType::kControl : TokenType::kUserDefined;
  if (token->type == TokenType::kUserDefined) {
    // Readers match these against plain text, so the marker for a space becomes a space.
    constexpr std::string_view kMarker = "\xe2\x96\x81";
    for (size_t at = text.find(kMarker); at != std::string::npos; at = text.find(kMarker, at)) {
      text.replace(at, kMarker.size(), " ");
    }
  }
  token->text = std::move(text);
  token->score = kAddedTokenScore;
}

// added_tokens.json: {"<image>": 32000}; tokenizer_config.json: added_tokens_decoder {"32000": {content, special}}.
Status read_added_tokens(const Checkpoint& checkpoint, Vocabulary& vocabulary) {
  if (checkpoint.has_file("added_tokens.json")) {
    SACCADE_ASSIGN_OR_RETURN(const Json added, read_json_object(checkpoint.path_of("added_tokens.json")));
    for (const auto& [text, id] : added.items()) {
      if (id.is_number_integer()) place_added_token(vocabulary, id.get<int64_t>(), text, false);
    }
  }
  if (!checkpoint.has_file("tokenizer_config.json")) return {};
  SACCADE_ASSIGN_OR_RETURN(const Json config, read_json_object(checkpoint.path_of("tokenizer_config.json")));
  const Json* decoder = find_member(config, "added_tokens_decoder");
  if (decoder == nullptr || !decoder->is_object()) return {};
  for (const auto& [key, entry] : decoder->items()) {
    int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const Json* content = find_member(entry, "content");
    const Json* special = find_member(entry, "special");
    if (error != std::errc() || content == nullptr || !content->is_string()) continue;
    place_added_token(vocabulary, id, content->get<std::string>(),
                      special != nullptr && special->is_boolean() && special->get<bool>());
  }
  return {};
}

// tokenizer.json's own list of added tokens.
void place_listed_tokens(const Json& tokenizer, Vocabulary& vocabulary) {
  const Json* added = find_member(tokenizer, "added_tokens");
  if (added == nullptr || !added->is_array()) return;
  for (const Json& entry : *added) {
    const Json* id = find_member(entry, "id");
    const Json* content = find_member(entry, "content");
    const Json* special = find_member(entry, "special");
    if (id == nullptr || !id->is_number_integer() || content == nullptr || !content->is_string()) continue;
    place_added_token(vocabulary, id->get<int64_t>(), content->get<std::string>(),
                      special != nullptr && special->is_boolean() && special->get<bool>());
  }
}

void write_space_prefix(GgufKeys& keys, SpacePrefix prefix) {
  keys.set_bool("tokenizer.ggml.add_space_prefix", prefix != SpacePrefix::kNever);
  constexpr const char* kScheme = "saccade.tokenizer.prepend_scheme";
  if (prefix == SpacePrefix::kMetaspaceAlways) keys.set_string(kScheme, "always");
  if (prefix == SpacePrefix::kMetaspaceFirst) keys.set_string(kScheme, "first");
}

void write_vocabulary(GgufKeys& keys, const Vocabulary& vocabulary) {
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const Vocabulary::Token& token = vocabulary.tokens[i];
    const bool is_filled = token.type != TokenType::kUnused || !token.text.empty();
    texts.push_back(is_filled ? token.text : "[PAD" + std::to_string(i) + "]");
    scores.push_back(is_filled ? token.score : kAddedTokenScore);
    types.push_back(static_cast<int32_t>(token.type));
  }
  keys.set_string("tokenizer.ggml.model", vocabulary.model);
  keys.set_string("tokenizer.ggml.pre", vocabulary.pre);
  keys.set_strings("tokenizer.ggml.tokens", std::move(texts));
  keys.set_i32s("tokenizer.ggml.token_type", types);
  if (vocabulary.model == "llama") {
    keys.set_f32s("tokenizer.ggml.scores", scores);
    write_space_prefix(keys, vocabulary.space_prefix);
  } else {
    keys.set_strings("tokenizer.ggml.merges", vocabulary.merges);
  }
}

}  // namespace

bool looks_like_control(std::string_view text) {
  if (text == "<pad>" || text == "<mask>") return true;
  return (text.starts_with("<|") && text.ends_with("|>")) || (text.starts_with("<unused") && text.ends_with(">"));
}

Status write_tokenizer_keys(PlanBuilder& builder, int64_t vocab_size) {
  const Checkpoint& checkpoint = builder.checkpoint();
  Vocabulary vocabulary;
  vocabulary.tokens.resize(static_cast<size_t>(vocab_size));
  // tokenizer.model has the true scores; tokenizer.json is what later models have instead.
  Json tokenizer = Json::object();
  if (checkpoint.has_file("tokenizer.json")) {
    SACCADE_ASSIGN_OR_RETURN(tokenizer, read_json_object(checkpoint.path_of("tokenizer.json"), kMaxTokenizerBytes));
  }
  if (checkpoint.has_file("tokenizer.model")) {
    SACCADE_RETURN_IF_ERROR(
        read_sentencepiece_model(checkpoint.path_of("tokenizer.model"), vocabulary, builder.plan().warnings));
    if (!tokenizer.empty()) {
      SACCADE_RETURN_IF_ERROR(read_space_prefix(tokenizer, checkpoint.path_of("tokenizer.json"), vocabulary));
    }
  } else if (!tokenizer.empty()) {
    SACCADE_RETURN_IF_ERROR(
        read_tokenizer_json(tokenizer, checkpoint.path_of("tokenizer.json"), vocabulary, builder.plan().warnings));
  } else {
    builder.warn("neither tokenizer.json nor tokenizer.model: the file has no tokenizer and cannot be asked");
    return {};
  }
  place_listed_tokens(tokenizer, vocabulary);
  SACCADE_RETURN_IF_ERROR(read_added_tokens(checkpoint, vocabulary));
  write_vocabulary(builder.plan().language_keys, vocabulary);
  return write_special_tokens(builder, vocabulary);
}

}  // namespace saccade
