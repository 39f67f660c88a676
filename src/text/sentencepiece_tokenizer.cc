#include "text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

std::string mark_spaces(std::string_view text) {
  std::string marked;
  marked.reserve(text.size() + text.size() / 2);
  for (const char byte : text) {
    if (byte == ' ') {
      marked += kSpaceMark;
    } else {
      marked += byte;
    }
  }
  return marked;
}

std::string unmark_spaces(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    const size_t mark = text.find(kSpaceMark);
    plain += text.substr(0, mark);
    if (mark == std::string_view::npos) break;
    plain += ' ';
    text.remove_prefix(mark + kSpaceMark.size());
  }
  return plain;
}

// "<0x0A>" to 10, or -1.
int parse_byte_piece(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  for (const char digit : text.substr(3, 2)) {
    const size_t nibble = std::string_view("0123456789ABCDEF").find(digit);
    if (nibble == std::string_view::npos) return -1;
    value = value * 16 + static_cast<int>(nibble);
  }
  return value;
}

Expected<SpacePrefix> read_space_prefix(const Metadata& metadata) {
  constexpr const char* kScheme = "saccade.tokenizer.prepend_scheme";
  SACCADE_ASSIGN_OR_RETURN(const bool adds_prefix, metadata.boolean_or("tokenizer.ggml.add_space_prefix", true));
  SACCADE_ASSIGN_OR_RETURN(const std::string scheme, metadata.string_or(kScheme, ""));
  if (!adds_prefix) return SpacePrefix::kNever;
  if (!metadata.has(kScheme)) return SpacePrefix::kAlways;
  if (scheme == "always") return SpacePrefix::kUnlessSpaced;
  if (scheme == "first") return SpacePrefix::kStartUnlessSpaced;
  return unsupported(format("key %s is %s; known are always and first", kScheme, quote(scheme).c_str()));
}

}  // namespace

Expected<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::from_metadata(const Metadata& metadata) {
  constexpr const char* kScores = "tokenizer.ggml.scores";
  const VocabularyDefaults defaults{.adds_bos = true, .bos = 1, .eos = 2, .unknown = 0};
  SACCADE_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::from_metadata(metadata, defaults));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<double> scores, metadata.numbers(kScores));
  if (scores.size() != static_cast<size_t>(vocabulary.size())) {
    return corrupt_data(format("%s: %zu scores for %d tokens", kScores, scores.size(), vocabulary.size()));
  }
  const auto nan = std::find_if(scores.begin(), scores.end(), [](double score) { return std::isnan(score); });
  if (nan != scores.end()) {
    return corrupt_data(format("%s: the score of token %td is not a number", kScores, nan - scores.begin()));
  }
  SACCADE_ASSIGN_OR_RETURN(const SpacePrefix space_prefix, read_space_prefix(metadata));
  return std::unique_ptr<Tokenizer>(new SentencePieceTokenizer(std::move(vocabulary), scores, space_prefix));
}

SentencePieceTokenizer::SentencePieceTokenizer(Vocabulary vocabulary, const std::vector<double>& scores,
                                               SpacePrefix space_prefix)
    : VocabularyTokenizer(std::move(vocabulary)), space_prefix_(space_prefix) {
  byte_tokens_.fill(-1);
  for (TokenId token = 0; token < vocabulary_.size(); ++token) {
    const std::string& text = vocabulary_.text(token);
    if (vocabulary_.type(token) == TokenType::kByte) {
      const int byte = parse_byte_piece(text);
      if (byte >= 0) byte_tokens_[static_cast<size_t>(byte)] = token;
    } else if (vocabulary_.type(token) == TokenType::kNormal && !text.empty()) {
      pieces_.try_emplace(text, PairMerge{-static_cast<float>(scores[static_cast<size_t>(token)]), token});
      max_piece_bytes_ = std::max(max_piece_bytes_, text.size());
    }
  }
  index_special_tokens([this](TokenId token) { return unmark_spaces(vocabulary_.text(token)); });
}

std::optional<PairMerge> SentencePieceTokenizer::find_piece(std::string_view text) const {
  if (text.size() > max_piece_bytes_) return std::nullopt;
  const auto found = pieces_.find(text);
  if (found == pieces_.end()) return std::nullopt;
  return found->second;
}

bool SentencePieceTokenizer::puts_space_before(std::string_view marked, bool is_start) const {
  switch (space_prefix_) {
    case SpacePrefix::kNever:
      return false;
    case SpacePrefix::kAlways:
      return true;
    case SpacePrefix::kUnlessSpaced:
      return !marked.starts_with(kSpaceMark);
    case SpacePrefix::kStartUnlessSpaced:
      return is_start && !marked.starts_with(kSpaceMark);
  }
  return false;
}

void SentencePieceTokenizer::encode_plain(std::string_view text, bool is_start, std::vector<TokenId>& out) const {
  std::string marked = mark_spaces(text);
  if (puts_space_before(marked, is_start)) marked.insert(0, kSpaceMark);
  const std::string_view view = marked;
  PairMerger merger;
  for (size_t position = 0; position < view.size();) {
    const size_t begin = position;
    next_code_point(view, position);
    const std::optional<PairMerge> whole = find_piece(view.substr(begin, position - begin));
    merger.symbols().push_back({begin, position - begin, whole ? whole->token : -1});
  }
  merger.run([&](const MergeSymbol& left, const MergeSymbol& right) {
    return find_piece(view.substr(left.begin, left.num_bytes + right.num_bytes));
  });
  bool is_after_unknown = false;  // characters without any token in a row make one unknown token
  for (const MergeSymbol& symbol : merger.symbols()) {
    const size_t num_before = out.size();
    if (symbol.token >= 0) {
      out.push_back(symbol.token);
    } else {
      append_fallback(view.substr(symbol.begin, symbol.num_bytes), out);
    }
    const bool is_unknown = symbol.token < 0 && out.size() == num_before;
    if (is_unknown && !is_after_unknown && vocabulary_.unknown()) out.push_back(*vocabulary_.unknown());
    is_after_unknown = is_unknown;
  }
}

// The bytes of a character that is no piece; nothing if any of them has no token.
void SentencePieceTokenizer::append_fallback(std::string_view text, std::vector<TokenId>& out) const {
  const auto token_of = [this](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  if (std::any_of(text.begin(), text.end(), [&](char byte) { return token_of(byte) < 0; })) return;
  for (const char byte : text) out.push_back(token_of(byte));
}

std::string SentencePieceTokenizer::piece(TokenId token, bool render_special) const {
  if (!vocabulary_.contains(token)) return {};
  const std::string& text = vocabulary_.text(token);
  switch (vocabulary_.type(token)) {
    case TokenType::kControl:
    case TokenType::kUnknown:
      return render_special ? text : std::string();
    case TokenType::kByte: {
      const int byte = parse_byte_piece(text);
      return byte < 0 ? text : std::string(1, static_cast<char>(byte));
    }
    case TokenType::kNormal:
    case TokenType::kUserDefined:
    case TokenType::kUnused:
      break;
  }
  return unmark_spaces(text);
}

std::string SentencePieceTokenizer::decode(std::span<const TokenId> tokens, bool render_special) const {
  std::string text;
  bool is_first = space_prefix_ != SpacePrefix::kNever;
  for (const TokenId token : tokens) {
    std::string next = piece(token, render_special);
    const bool is_control = vocabulary_.contains(token) && vocabulary_.type(token) == TokenType::kControl;
    if (is_first && !is_control && !next.empty()) {
      if (next[0] == ' ' && vocabulary_.type(token) == TokenType::kNormal) next.erase(0, 1);
      is_first = false;
    }
    text += next;
  }
  return text;
}

}  // namespace saccade
