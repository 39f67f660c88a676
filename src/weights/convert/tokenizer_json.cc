// tokenizer.json: byte-level BPE as it stands; SentencePiece's BPE in the form that fast tokenizers give it.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/format.h"
#include "weights/convert/tokenizer_keys.h"

namespace saccade {
namespace {

const Json kNull;

const Json& member(const Json& object, std::string_view name) {
  const Json* found = find_member(object, name);
  return found == nullptr ? kNull : *found;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool is_true(const Json& value) {
  return value.is_boolean() && value.get<bool>();
}

// A step of a pipeline and, inside a Sequence, its steps.
std::vector<const Json*> steps_of(const Json& pipeline, std::string_view list) {
  if (text_of(member(pipeline, "type")) != "Sequence") return {&pipeline};
  std::vector<const Json*> steps;
  if (const Json& inner = member(pipeline, list); inner.is_array()) {
    for (const Json& step : inner) steps.push_back(&step);
  }
  return steps;
}

const Json* find_step(const Json& pipeline, std::string_view list, std::string_view type) {
  for (const Json* step : steps_of(pipeline, list)) {
    if (text_of(member(*step, "type")) == type) return step;
  }
  return nullptr;
}

// "left right" or, since Transformers 4.45, ["left", "right"]. Spaces inside a part are written as GPT-2's alphabet
// does (U+0120), for the string form could not tell them from the separator.
std::string merge_text(const Json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return {};
  std::string text;
  for (size_t i = 0; i < 2; ++i) {
    if (i == 1) text += ' ';
    for (const char c : merge[i].get_ref<const std::string&>()) text.append(c == ' ' ? "\xc4\xa0" : std::string(1, c));
  }
  return text;
}

// The piece that a merge makes.
std::string merged_piece(const Json& merge) {
  if (merge.is_array() && merge.size() == 2) return text_of(merge[0]) + text_of(merge[1]);
  std::string text = text_of(merge);
  if (const size_t space = text.find(' '); space != std::string::npos) text.erase(space, 1);
  return text;
}

bool is_byte_piece(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.back() == '>' &&
         std::ranges::all_of(text.substr(3, 2),
                             [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

Status read_vocab(const Json& model, const std::string& path, Vocabulary& vocabulary,
                  std::vector<std::string>& warnings) {
  const Json& vocab = member(model, "vocab");
  if (!vocab.is_object() || vocab.empty()) return corrupt_data(path + ": model.vocab is not a map of pieces");
  size_t num_left_out = 0;
  for (const auto& [text, id] : vocab.items()) {
    if (!id.is_number_integer()) return corrupt_data(path + ": the id of piece " + quote(text) + " is not an integer");
    Vocabulary::Token* token = vocabulary.at(id.get<int64_t>());
    if (token == nullptr) {
      ++num_left_out;
      continue;
    }
    token->text = text;
    token->type = TokenType::kNormal;
  }
  if (num_left_out > 0) {
    warnings.push_back(
        format("%zu pieces of tokenizer.json have no row in the embedding and are left out", num_left_out));
  }
  return {};
}

// llama.cpp's (and our) SentencePiece tokenizer merges the neighbours whose joined piece has the best score; this
// format merges the pair of the lowest rank. Fast tokenizers are made from SentencePiece models by listing every pair
// that joins to a piece, ordered by that piece's score; so the rank of the first pair that makes a piece orders the
// pieces as their lost scores did, and minus that rank serves as the score. Pieces no pair makes come last.
void score_by_merges(const Json& model, Vocabulary& vocabulary) {
  std::unordered_map<std::string, float> score_of;
  const Json& merges = member(model, "merges");
  float rank = 0;
  for (const Json& merge : merges) score_of.emplace(merged_piece(merge), -rank++);
  for (Vocabulary::Token& token : vocabulary.tokens) {
    if (token.type != TokenType::kNormal) continue;
    const auto found = score_of.find(token.text);
    token.score = found == score_of.end() ? -rank : found->second;
  }
}

void read_sentencepiece_form(const Json& model, Vocabulary& vocabulary) {
  const std::string unknown = text_of(member(model, "unk_token"));
  for (Vocabulary::Token& token : vocabulary.tokens) {
    if (token.type != TokenType::kNormal) continue;
    if (token.text == unknown) token.type = TokenType::kUnknown;
    if (is_byte_piece(token.text)) token.type = TokenType::kByte;
  }
  score_by_merges(model, vocabulary);
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  vocabulary.adds_bos = true;
}

Status read_byte_level_form(const Json& tokenizer, const Json& model, const std::string& path, Vocabulary& vocabulary) {
  SACCADE_ASSIGN_OR_RETURN(vocabulary.pre, pre_tokenizer_name(tokenizer, path));
  vocabulary.model = "gpt2";
  for (const Json& merge : member(model, "merges")) {
    std::string text = merge_text(merge);
    if (text.empty()) return corrupt_data(path + ": model.merges holds an entry that is not a pair");
    vocabulary.merges.push_back(std::move(text));
  }
  // A template that starts with a special token starts with BOS in every family here.
  const Json* processor = find_step(member(tokenizer, "post_processor"), "processors", "TemplateProcessing");
  if (processor == nullptr) return {};
  const Json& single = member(*processor, "single");
  vocabulary.adds_bos =
      single.is_array() && single.size() > 1 && find_member(single.front(), "SpecialToken") != nullptr;
  return {};
}

struct KnownPattern {
  std::string_view regex;
  std::string_view name;
};

// The splitting expressions of Llama 3 and Qwen 2; they differ in how digits group.
constexpr std::array kPatterns = {
    KnownPattern{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        "llama-bpe"},
    KnownPattern{
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        "qwen2"},
};

}  // namespace

Expected<std::string> pre_tokenizer_name(const Json& tokenizer, const std::string& path) {
  const Json& pipeline = member(tokenizer, "pre_tokenizer");
  const std::vector<const Json*> steps = steps_of(pipeline, "pretokenizers");
  const Json* byte_level = find_step(pipeline, "pretokenizers", "ByteLevel");
  const Json* split = find_step(pipeline, "pretokenizers", "Split");
  const Json* digits = find_step(pipeline, "pretokenizers", "Digits");
  const bool is_plain = byte_level != nullptr && !is_true(member(*byte_level, "add_prefix_space"));
  if (is_plain && steps.size() == 1) return std::string("gpt-2");
  if (is_plain && steps.size() == 2 && digits != nullptr && is_true(member(*digits, "individual_digits"))) {
    return std::string("smollm");
  }
  std::string seen;
  if (is_plain && steps.size() == 2 && split != nullptr) {
    seen = text_of(member(member(*split, "pattern"), "Regex"));
    for (const KnownPattern& pattern : kPatterns) {
      if (seen == pattern.regex) return std::string(pattern.name);
    }
  }
  return unsupported(path + ": this pre-tokenizer is not known (known: llama-bpe, qwen2, smollm, gpt-2); it is " +
                     quote(seen.empty() ? pipeline.dump(-1, ' ', true, Json::error_handler_t::replace) : seen, 200));
}

// Older files prepend the marker in the normalizer, newer ones in Metaspace, whose scheme was a boolean at first.
Status read_space_prefix(const Json& tokenizer, const std::string& path, Vocabulary& vocabulary) {
  const Json* metaspace = find_step(member(tokenizer, "pre_tokenizer"), "pretokenizers", "Metaspace");
  const bool is_prepended = find_step(member(tokenizer, "normalizer"), "normalizers", "Prepend") != nullptr;
  if (metaspace == nullptr || is_prepended) {
    vocabulary.space_prefix = is_prepended ? SpacePrefix::kSentencePiece : SpacePrefix::kNever;
    return {};
  }
  const Json* scheme = find_member(*metaspace, "prepend_scheme");
  const Json* was_boolean = find_member(*metaspace, "add_prefix_space");
  if (scheme == nullptr) {
    const bool is_never = was_boolean != nullptr && !is_true(*was_boolean);
    vocabulary.space_prefix = is_never ? SpacePrefix::kNever : SpacePrefix::kMetaspaceAlways;
    return {};
  }
  constexpr std::array<std::pair<std::string_view, SpacePrefix>, 3> kSchemes = {{
      {"never", SpacePrefix::kNever},
      {"always", SpacePrefix::kMetaspaceAlways},
      {"first", SpacePrefix::kMetaspaceFirst},
  }};
  for (const auto& [name, prefix] : kSchemes) {
    if (text_of(*scheme) != name) continue;
    vocabulary.space_prefix = prefix;
    return {};
  }
  return unsupported(path + ": the prepend_scheme " + quote(text_of(*scheme)) +
                     " is not known (known: never, always, first)");
}

Status read_tokenizer_json(const Json& tokenizer, const std::string& path, Vocabulary& vocabulary,
                           std::vector<std::string>& warnings) {
  const Json& model = member(tokenizer, "model");
  const std::string type = text_of(member(model, "type"));
  if (!(type == "BPE" || (type.empty() && member(model, "merges").is_array()))) {
    return unsupported(path + ": the tokenizer's model is " + quote(type) + "; only BPE can be converted");
  }
  if (!member(model, "merges").is_array()) return corrupt_data(path + ": model.merges is not a list");
  SACCADE_RETURN_IF_ERROR(read_vocab(model, path, vocabulary, warnings));
  if (is_true(member(model, "byte_fallback"))) {
    read_sentencepiece_form(model, vocabulary);
    return read_space_prefix(tokenizer, path, vocabulary);
  }
  return read_byte_level_form(tokenizer, model, path, vocabulary);
}

}  // namespace saccade
