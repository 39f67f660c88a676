// Ids of special tokens, whether a prompt starts with BOS, and the chat template, from wherever a checkpoint has them.
#include <array>
#include <optional>

#include "base/format.h"
#include "platform/whole_file.h"
#include "weights/convert/tokenizer_keys.h"

namespace saccade {
namespace {

struct SpecialKind {
  const char* name;  // in JSON, before _token or _token_id
  const char* key;
};

constexpr std::array<SpecialKind, 4> kKinds = {{{"bos", "tokenizer.ggml.bos_token_id"},
                                                {"eos", "tokenizer.ggml.eos_token_id"},
                                                {"unk", "tokenizer.ggml.unknown_token_id"},
                                                {"pad", "tokenizer.ggml.padding_token_id"}}};

Expected<Json> read_if_present(const Checkpoint& checkpoint, std::string_view file) {
  if (!checkpoint.has_file(file)) return Json::object();
  return read_json_object(checkpoint.path_of(file));
}

// A token is given as its text or as {"content": text}.
std::optional<std::string> token_text(const Json& object, const std::string& name) {
  const Json* value = find_member(object, name);
  if (value != nullptr && value->is_object()) value = find_member(*value, "content");
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

std::optional<int64_t> id_of(const Vocabulary& vocabulary, const std::string& text) {
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (vocabulary.tokens[i].type != TokenType::kUnused && vocabulary.tokens[i].text == text) {
      return static_cast<int64_t>(i);
    }
  }
  return std::nullopt;
}

std::optional<int64_t> valid_id(const Json* value, const Vocabulary& vocabulary) {
  if (value == nullptr || !value->is_number_integer()) return std::nullopt;
  const auto id = value->get<int64_t>();
  if (id < 0 || id >= static_cast<int64_t>(vocabulary.tokens.size())) return std::nullopt;
  return id;
}

// The ids under a name that may hold one or a list.
std::vector<int64_t> ids_in(const Json& object, const std::string& name, const Vocabulary& vocabulary) {
  std::vector<int64_t> ids;
  const Json* value = find_member(object, name);
  if (value == nullptr) return ids;
  if (!value->is_array()) {
    if (const auto id = valid_id(value, vocabulary)) ids.push_back(*id);
    return ids;
  }
  for (const Json& element : *value) {
    if (const auto id = valid_id(&element, vocabulary)) ids.push_back(*id);
  }
  return ids;
}

// Plain text: the tokenizer's own files first, then the ids that the model's settings repeat.
std::optional<int64_t> find_special(const std::string& name, const std::vector<const Json*>& tokenizer_files,
                                    const std::vector<const Json*>& settings, const Vocabulary& vocabulary) {
  for (const Json* file : tokenizer_files) {
    const auto text = token_text(*file, name + "_token");
    const auto id = text ? id_of(vocabulary, *text) : std::nullopt;
    if (id) return id;
  }
  for (const Json* file : settings) {
    const auto ids = ids_in(*file, name + "_token_id", vocabulary);
    if (!ids.empty()) return ids.front();
  }
  return std::nullopt;
}

// A string, or a list of {"name", "template"} of which the one named default is meant.
std::optional<std::string> template_in(const Json& object) {
  const Json* value = find_member(object, "chat_template");
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array()) return std::nullopt;
  std::optional<std::string> first;
  for (const Json& entry : *value) {
    const Json* text = find_member(entry, "template");
    const Json* name = find_member(entry, "name");
    if (text == nullptr || !text->is_string()) continue;
    if (name != nullptr && *name == "default") return text->get<std::string>();
    if (!first) first = text->get<std::string>();
  }
  return first;
}

// Processors of vision-language models have their own template, which knows pictures; it goes before the tokenizer's.
Expected<std::optional<std::string>> chat_template(const Checkpoint& checkpoint) {
  if (checkpoint.has_file("chat_template.jinja")) {
    SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes,
                             read_whole_file(checkpoint.path_of("chat_template.jinja"), kMaxSettingsBytes));
    return std::optional(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  for (const char* name : {"chat_template.json", "processor_config.json", "tokenizer_config.json"}) {
    SACCADE_ASSIGN_OR_RETURN(const Json object, read_if_present(checkpoint, name));
    if (auto text = template_in(object)) return text;
  }
  return std::optional<std::string>();
}

}  // namespace

Status write_special_tokens(PlanBuilder& builder, const Vocabulary& vocabulary) {
  const Checkpoint& checkpoint = builder.checkpoint();
  GgufKeys& keys = builder.plan().language_keys;
  SACCADE_ASSIGN_OR_RETURN(const Json tokenizer_config, read_if_present(checkpoint, "tokenizer_config.json"));
  SACCADE_ASSIGN_OR_RETURN(const Json special_map, read_if_present(checkpoint, "special_tokens_map.json"));
  const Json* text_config = find_member(checkpoint.config(), "text_config");
  std::vector<const Json*> settings = {&checkpoint.generation_config(), &checkpoint.config()};
  if (text_config != nullptr) settings.push_back(text_config);
  for (const SpecialKind& kind : kKinds) {
    const auto id = find_special(kind.name, {&tokenizer_config, &special_map}, settings, vocabulary);
    if (id) keys.set_u32(kind.key, static_cast<uint32_t>(*id));
    if (!id || std::string_view(kind.name) != "eos") continue;
    // Where generation stops at several tokens, one that is not EOS ends a turn.
    for (const int64_t other : ids_in(checkpoint.generation_config(), "eos_token_id", vocabulary)) {
      if (other != *id) keys.set_u32("tokenizer.ggml.eot_token_id", static_cast<uint32_t>(other));
    }
  }
  Config config(checkpoint.path_of("tokenizer_config.json"));
  config.add(&tokenizer_config);
  SACCADE_ASSIGN_OR_RETURN(const bool adds_bos, config.boolean_or("add_bos_token", vocabulary.adds_bos));
  SACCADE_ASSIGN_OR_RETURN(const bool adds_eos, config.boolean_or("add_eos_token", false));
  keys.set_bool("tokenizer.ggml.add_bos_token", adds_bos && keys.has("tokenizer.ggml.bos_token_id"));
  keys.set_bool("tokenizer.ggml.add_eos_token", adds_eos && keys.has("tokenizer.ggml.eos_token_id"));
  if (vocabulary.model == "llama" && config.has("add_prefix_space")) {
    SACCADE_ASSIGN_OR_RETURN(const bool adds_space, config.boolean_or("add_prefix_space", true));
    keys.set_bool("tokenizer.ggml.add_space_prefix", adds_space);
  }
  SACCADE_ASSIGN_OR_RETURN(auto text, chat_template(checkpoint));
  if (text) keys.set_string("tokenizer.chat_template", std::move(*text));
  return {};
}

}  // namespace saccade
