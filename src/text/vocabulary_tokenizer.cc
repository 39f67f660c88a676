#include "text/vocabulary_tokenizer.h"

namespace saccade {
namespace {

// For each byte of the runs joined, the end of the stretch of parse_special runs it lies in, or its own index.
std::vector<size_t> find_trusted_ends(std::span<const TextRun> runs, size_t num_bytes) {
  std::vector<size_t> ends(num_bytes);
  size_t begin_of_run = num_bytes;
  size_t trusted_end = num_bytes;
  for (size_t r = runs.size(); r-- > 0;) {
    const size_t end_of_run = begin_of_run;
    begin_of_run -= runs[r].text.size();
    if (!runs[r].parse_special && !runs[r].text.empty()) trusted_end = begin_of_run;
    for (size_t i = begin_of_run; i < end_of_run; ++i) ends[i] = runs[r].parse_special ? trusted_end : i;
  }
  return ends;
}

}  // namespace

std::vector<TokenId> VocabularyTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  const TextRun run{text, options.parse_special};
  return encode_whole({&run, 1}, /*is_start=*/true, options.add_bos);
}

std::vector<TokenId> VocabularyTokenizer::encode_runs(std::span<const TextRun> runs, bool is_start) const {
  return encode_whole(runs, is_start, /*add_bos=*/is_start);
}

std::vector<TokenId> VocabularyTokenizer::encode_whole(std::span<const TextRun> runs, bool is_start,
                                                       bool add_bos) const {
  std::string text;
  for (const TextRun& run : runs) text += run.text;
  const std::vector<size_t> trusted_ends = find_trusted_ends(runs, text.size());

  std::vector<TokenId> tokens;
  const std::string_view view = text;
  for (size_t position = 0; position < view.size();) {
    const std::optional<SpecialTokens::Match> match = specials_.find(view, position, trusted_ends);
    const size_t end = match ? match->position : view.size();
    if (end > position) encode_plain(view.substr(position, end - position), is_start && position == 0, tokens);
    if (match) tokens.push_back(match->token);
    position = match ? end + match->num_bytes : end;
  }
  // Many chat templates print the BOS themselves.
  const bool has_bos = !tokens.empty() && tokens.front() == bos();
  if (add_bos && adds_bos() && !has_bos) tokens.insert(tokens.begin(), *bos());
  return tokens;
}

std::string VocabularyTokenizer::decode(std::span<const TokenId> tokens, bool render_special) const {
  std::string text;
  for (const TokenId token : tokens) text += piece(token, render_special);
  return text;
}

std::optional<TokenId> VocabularyTokenizer::special(std::string_view text) const {
  const std::optional<TokenId> token = vocabulary_.find(text);
  if (token) {
    const TokenType type = vocabulary_.type(*token);
    if (type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUserDefined) return token;
  }
  return specials_.exact(text);
}

std::string_view VocabularyTokenizer::token_text(TokenId token) const {
  return vocabulary_.contains(token) ? std::string_view(vocabulary_.text(token)) : std::string_view();
}

}  // namespace saccade
