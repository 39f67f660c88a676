#include "text/byte_bpe_tokenizer.h"

#include "base/format.h"
#include "base/utf8.h"
#include "text/unicode_text.h"

namespace saccade {
namespace {

// GPT-2's alphabet: printable bytes stand for themselves, the others for the code points from U+0100 on, in order.
struct ByteAlphabet {
  static constexpr size_t kNumCodePoints = 0x144;
  std::array<char32_t, 256> code_points;
  std::array<int, kNumCodePoints> bytes;  // -1 for code points that are no byte

  ByteAlphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool is_printable =
          (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
      const char32_t code_point = is_printable ? static_cast<char32_t>(byte) : next++;
      code_points[static_cast<size_t>(byte)] = code_point;
      bytes[code_point] = byte;
    }
  }
};

const ByteAlphabet& byte_alphabet() {
  static const ByteAlphabet kAlphabet;
  return kAlphabet;
}

std::string to_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(byte_alphabet().code_points[static_cast<unsigned char>(byte)], text);
  return text;
}

// Characters outside the alphabet stand for themselves: added tokens are not written in it.
std::string from_alphabet(std::string_view text) {
  std::string bytes;
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    const DecodedCodePoint decoded = next_code_point(text, position);
    const bool is_in_range = decoded.is_valid && decoded.code_point < ByteAlphabet::kNumCodePoints;
    const int byte = is_in_range ? byte_alphabet().bytes[decoded.code_point] : -1;
    if (byte < 0) {
      bytes += text.substr(begin, position - begin);
    } else {
      bytes += static_cast<char>(byte);
    }
  }
  return bytes;
}

uint64_t pair_key(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

Expected<std::unique_ptr<Tokenizer>> ByteBpeTokenizer::from_metadata(const Metadata& metadata) {
  SACCADE_ASSIGN_OR_RETURN(const std::string pre_name, metadata.string_or("tokenizer.ggml.pre", "default"));
  SACCADE_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::by_name(pre_name));
  VocabularyDefaults defaults;
  defaults.adds_bos = pre_tokenizer.adds_bos();
  SACCADE_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::from_metadata(metadata, defaults));
  std::unique_ptr<ByteBpeTokenizer> tokenizer(new ByteBpeTokenizer(std::move(vocabulary), std::move(pre_tokenizer)));
  SACCADE_RETURN_IF_ERROR(tokenizer->read_merges(metadata));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

ByteBpeTokenizer::ByteBpeTokenizer(Vocabulary vocabulary, PreTokenizer pre_tokenizer)
    : VocabularyTokenizer(std::move(vocabulary)), pre_tokenizer_(std::move(pre_tokenizer)) {
  for (size_t byte = 0; byte < 256; ++byte) {
    const char value = static_cast<char>(byte);
    byte_tokens_[byte] = vocabulary_.find(to_alphabet({&value, 1})).value_or(-1);
  }
  index_special_tokens([this](TokenId token) { return std::string_view(vocabulary_.text(token)); });
}

Status ByteBpeTokenizer::read_merges(const Metadata& metadata) {
  constexpr const char* kMerges = "tokenizer.ggml.merges";
  const std::vector<std::string>* merges = metadata.find_strings(kMerges);
  if (merges == nullptr) return metadata.strings(kMerges).status();
  merges_.reserve(merges->size());
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string_view merge = (*merges)[rank];
    const size_t space = merge.find(' ', 1);  // a part may begin with a space, but not be empty
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return corrupt_data(format("%s: merge %zu, %s, is not two pieces with a space between them", kMerges, rank,
                                 quote(merge).c_str()));
    }
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    const auto left_token = vocabulary_.find(left), right_token = vocabulary_.find(right);
    if (!left_token || !right_token || merge.size() > Vocabulary::kMaxPieceBytes) continue;
    const auto result = vocabulary_.find(std::string(left) + std::string(right));
    if (!result) continue;
    merges_.try_emplace(pair_key(*left_token, *right_token), PairMerge{static_cast<float>(rank), *result});
  }
  return {};
}

void ByteBpeTokenizer::encode_plain(std::string_view text, bool /*is_start*/, std::vector<TokenId>& out) const {
  std::string composed;
  if (pre_tokenizer_.composes()) {
    composed = compose(text);
    text = composed;
  }
  PairMerger merger;
  for (const std::string_view word : pre_tokenizer_.split(text)) encode_word(word, merger, out);
}

void ByteBpeTokenizer::encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& out) const {
  if (pre_tokenizer_.takes_whole_words() && word.size() <= Vocabulary::kMaxPieceBytes) {
    const std::optional<TokenId> whole = vocabulary_.find(to_alphabet(word));
    if (whole && vocabulary_.type(*whole) == TokenType::kNormal) {
      out.push_back(*whole);
      return;
    }
  }
  std::vector<MergeSymbol>& symbols = merger.symbols();
  symbols.clear();
  for (size_t i = 0; i < word.size(); ++i) {
    const TokenId token = byte_tokens_[static_cast<unsigned char>(word[i])];
    if (token >= 0) symbols.push_back({i, 1, token});
  }
  merger.run([this](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<PairMerge> {
    const auto found = merges_.find(pair_key(left.token, right.token));
    if (found == merges_.end()) return std::nullopt;
    return found->second;
  });
  for (const MergeSymbol& symbol : symbols) out.push_back(symbol.token);
}

std::string ByteBpeTokenizer::piece(TokenId token, bool render_special) const {
  if (!vocabulary_.contains(token)) return {};
  const std::string& text = vocabulary_.text(token);
  switch (vocabulary_.type(token)) {
    case TokenType::kControl:
    case TokenType::kUnknown:
      return render_special ? text : std::string();
    case TokenType::kUserDefined:
      return text;
    case TokenType::kNormal:
    case TokenType::kUnused:
    case TokenType::kByte:
      break;
  }
  return from_alphabet(text);
}

}  // namespace saccade
