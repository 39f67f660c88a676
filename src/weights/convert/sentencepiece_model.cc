// tokenizer.model: SentencePiece's ModelProto, as sentencepiece_model.proto describes it, read without protobuf.
#include <bit>
#include <optional>
#include <string_view>

#include "base/format.h"
#include "platform/mapped_file.h"
#include "weights/byte_reader.h"
#include "weights/convert/tokenizer_keys.h"
#include "weights/foreign_file.h"

namespace saccade {
namespace {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t integer = 0;    // kVarint, kFixed32, kFixed64
  std::string_view bytes;  // kBytes
};

// The fields of one message, in order. `is_broken()` after the last tells an end from an error.
class Message {
 public:
  explicit Message(std::string_view bytes)
      : reader_({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}) {}

  std::optional<Field> next() {
    if (is_broken_ || reader_.num_left() == 0) return std::nullopt;
    const auto tag = varint();
    Field field;
    if (!tag || *tag > 0xffffffffu) return fail();
    field.number = static_cast<uint32_t>(*tag >> 3);
    field.type = static_cast<WireType>(*tag & 7);
    return read_value(field) ? std::optional(field) : fail();
  }
  bool is_broken() const { return is_broken_; }
  uint64_t position() const { return reader_.position(); }

 private:
  std::optional<Field> fail() {
    is_broken_ = true;
    return std::nullopt;
  }
  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = reader_.read<uint8_t>();
      if (!byte) return std::nullopt;
      value |= static_cast<uint64_t>(*byte & 0x7f) << shift;
      if ((*byte & 0x80) == 0) return value;
    }
    return std::nullopt;
  }
  template <typename T>
  bool store(const std::optional<T>& value, uint64_t& target) {
    if (value) target = *value;
    return value.has_value();
  }
  bool read_value(Field& field) {
    switch (field.type) {
      case WireType::kVarint:
        return store(varint(), field.integer);
      case WireType::kFixed32:
        return store(reader_.read<uint32_t>(), field.integer);
      case WireType::kFixed64:
        return store(reader_.read<uint64_t>(), field.integer);
      case WireType::kBytes: {
        const auto length = varint();
        const auto bytes = length ? reader_.take(*length) : std::nullopt;
        if (bytes) field.bytes = *bytes;
        return bytes.has_value();
      }
    }
    return false;
  }

  ByteReader reader_;
  bool is_broken_ = false;
};

constexpr uint64_t kUnigram = 1;  // TrainerSpec.ModelType; 2 is BPE

struct Normalizer {
  bool adds_dummy_prefix = true;
};

bool read_piece(std::string_view bytes, Vocabulary::Token& token) {
  Message message(bytes);
  token.type = TokenType::kNormal;
  while (const auto field = message.next()) {
    if (field->number == 1 && field->type == WireType::kBytes) token.text = field->bytes;
    if (field->number == 2 && field->type == WireType::kFixed32) {
      token.score = std::bit_cast<float>(static_cast<uint32_t>(field->integer));
    }
    if (field->number == 3 && field->type == WireType::kVarint && field->integer >= 1 && field->integer <= 6) {
      token.type = static_cast<TokenType>(field->integer);  // the numbers are the same
    }
  }
  return !message.is_broken();
}

}  // namespace

Status read_sentencepiece_model(const std::string& path, Vocabulary& vocabulary, std::vector<std::string>& warnings) {
  SACCADE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  if (const std::string kind = kind_of_foreign_file(file.bytes()); !kind.empty()) {
    return corrupt_data(path + ": not a SentencePiece model but " + kind);
  }
  Message model({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  size_t num_pieces = 0;
  uint64_t model_type = kUnigram;
  Normalizer normalizer;
  bool is_broken = false;
  while (const auto field = model.next()) {
    if (field->type != WireType::kBytes) continue;
    if (field->number == 1) {
      Vocabulary::Token token;
      is_broken = is_broken || !read_piece(field->bytes, token);
      if (num_pieces < vocabulary.tokens.size()) vocabulary.tokens[num_pieces] = std::move(token);
      ++num_pieces;
    } else if (field->number == 2) {
      Message trainer(field->bytes);
      while (const auto inner = trainer.next()) {
        if (inner->number == 3 && inner->type == WireType::kVarint) model_type = inner->integer;
      }
      is_broken = is_broken || trainer.is_broken();
    } else if (field->number == 3) {
      Message spec(field->bytes);
      while (const auto inner = spec.next()) {
        if (inner->number == 3 && inner->type == WireType::kVarint) normalizer.adds_dummy_prefix = inner->integer != 0;
      }
      is_broken = is_broken || spec.is_broken();
    }
  }
  if (is_broken || model.is_broken() || num_pieces == 0) {
    return corrupt_data(format("%s: not a SentencePiece model (broken near byte %llu)", path.c_str(),
                               static_cast<unsigned long long>(model.position())));
  }
  if (model_type == kUnigram) {
    return unsupported(path + ": a unigram SentencePiece model; only BPE ones can be converted");
  }
  if (num_pieces > vocabulary.tokens.size()) {
    warnings.push_back(format("tokenizer.model has %zu pieces, the embedding %zu rows: the rest is left out",
                              num_pieces, vocabulary.tokens.size()));
  }
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  vocabulary.space_prefix = normalizer.adds_dummy_prefix ? SpacePrefix::kSentencePiece : SpacePrefix::kNever;
  vocabulary.adds_bos = true;
  return {};
}

}  // namespace saccade
