#include "weights/convert/tokenizer_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "weights/convert/test_checkpoints.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing_files::TempDir;

std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

std::string piece(const std::string& text, float score, int type) {
  std::string inner = field(1, text) + std::string("\x15");
  inner.append(reinterpret_cast<const char*>(&score), sizeof(score));
  if (type != 1) inner += std::string{'\x18', static_cast<char>(type)};
  return field(1, inner);
}

// Four pieces; trained as BPE (type 2); no dummy prefix.
std::string sentencepiece_bytes() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("<0x0A>", 0, 6) + piece("ab", -1.5F, 1) +
         field(2, std::string("\x18\x02")) + field(3, std::string("\x18\x00", 2));
}

TEST(SentencePiece, ReadsPiecesScoresAndTypes) {
  const TempDir dir;
  dir.write("tokenizer.model", sentencepiece_bytes());
  Vocabulary vocabulary;
  vocabulary.tokens.resize(6);
  std::vector<std::string> warnings;
  const Status status = read_sentencepiece_model(dir.path("tokenizer.model"), vocabulary, warnings);
  ASSERT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(vocabulary.tokens[0].type, TokenType::kUnknown);
  EXPECT_EQ(vocabulary.tokens[2].type, TokenType::kByte);
  EXPECT_EQ(vocabulary.tokens[3].text, "ab");
  EXPECT_EQ(vocabulary.tokens[3].score, -1.5F);
  EXPECT_EQ(vocabulary.tokens[3].type, TokenType::kNormal);
  EXPECT_EQ(vocabulary.tokens[4].type, TokenType::kUnused);
  EXPECT_EQ(vocabulary.space_prefix, SpacePrefix::kNever);
}

TEST(SentencePiece, RefusesUnigramModelsAndOtherFiles) {
  const TempDir dir;
  Vocabulary vocabulary;
  vocabulary.tokens.resize(6);
  std::vector<std::string> warnings;
  dir.write("m", piece("a", 0, 1));
  EXPECT_THAT(read_sentencepiece_model(dir.path("m"), vocabulary, warnings).message(), HasSubstr("unigram"));
  dir.write("m", "hello, I am a text file");
  EXPECT_THAT(read_sentencepiece_model(dir.path("m"), vocabulary, warnings).message(), HasSubstr("not a Sentence"));
}

TEST(SentencePiece, MutatedModelsAreReadOrRefused) {
  const TempDir dir;
  const std::string good = sentencepiece_bytes();
  std::mt19937 random(11);
  for (int i = 0; i < 200; ++i) {
    std::string mutant = good;
    mutant[random() % mutant.size()] = static_cast<char>(random());
    if (i % 4 == 0) mutant.resize(random() % mutant.size());
    dir.write("m", mutant);
    Vocabulary vocabulary;
    vocabulary.tokens.resize(3);
    std::vector<std::string> warnings;
    [[maybe_unused]] const Status status = read_sentencepiece_model(dir.path("m"), vocabulary, warnings);
  }
}

Json with_pre_tokenizer(const std::string& text) {
  return Json{{"pre_tokenizer", Json::parse(text)}};
}

TEST(PreTokenizer, IsKnownByItsStructure) {
  const auto name = [](const std::string& text) {
    const auto found = pre_tokenizer_name(with_pre_tokenizer(text), "tokenizer.json");
    return found ? *found : found.status().message();
  };
  const auto split = [](const char* digits) {
    return std::string(R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Isolated", "pattern":
      {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|)") +
           digits + R"(| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
  };
  EXPECT_EQ(name(split(R"(\\p{N}{1,3})")), "llama-bpe");
  EXPECT_EQ(name(split(R"(\\p{N})")), "qwen2");
  EXPECT_THAT(name(split(R"(\\p{N}{1,2})")), HasSubstr("not known"));
  EXPECT_EQ(name(R"({"type": "ByteLevel", "add_prefix_space": false})"), "gpt-2");
  EXPECT_EQ(name(R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
                     {"type": "ByteLevel", "add_prefix_space": false}]})"),
            "smollm");
  EXPECT_THAT(name(R"({"type": "Whitespace"})"), HasSubstr("known: llama-bpe"));
  EXPECT_THAT(name("null"), HasSubstr("not known"));
}

// A piece made by two pairs takes the better rank; characters come after every merged piece.
TEST(TokenizerJson, SentencePieceFormGetsScoresFromRanks) {
  const Json json =
      Json::parse(R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"}]},
    "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
              "vocab": {"<unk>": 0, "<0x0A>": 1, "a": 2, "b": 3, "ab": 4, "abb": 5, "bb": 6},
              "merges": ["a b", "b b", "ab b", "a bb"]}})");
  Vocabulary vocabulary;
  vocabulary.tokens.resize(7);
  std::vector<std::string> warnings;
  const Status status = read_tokenizer_json(json, "tokenizer.json", vocabulary, warnings);
  ASSERT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(vocabulary.model, "llama");
  EXPECT_EQ(vocabulary.space_prefix, SpacePrefix::kSentencePiece);
  EXPECT_EQ(vocabulary.tokens[0].type, TokenType::kUnknown);
  EXPECT_EQ(vocabulary.tokens[1].type, TokenType::kByte);
  EXPECT_EQ(vocabulary.tokens[4].score, 0);
  EXPECT_EQ(vocabulary.tokens[6].score, -1);
  EXPECT_EQ(vocabulary.tokens[5].score, -2);
  EXPECT_EQ(vocabulary.tokens[2].score, -4);
}

TEST(TokenizerJson, SaysWhereASpaceIsPutInFront) {
  const auto prefix = [](const std::string& steps) {
    Vocabulary vocabulary;
    const Status status = read_space_prefix(Json::parse("{" + steps + "}"), "tokenizer.json", vocabulary);
    EXPECT_TRUE(status.is_ok()) << status.message();
    return vocabulary.space_prefix;
  };
  const auto metaspace = [](const std::string& settings) {
    return R"("normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "_")" + settings + "}";
  };
  EXPECT_EQ(prefix(metaspace(R"(, "prepend_scheme": "first", "split": false)")), SpacePrefix::kMetaspaceFirst);
  EXPECT_EQ(prefix(metaspace(R"(, "prepend_scheme": "always")")), SpacePrefix::kMetaspaceAlways);
  EXPECT_EQ(prefix(metaspace(R"(, "prepend_scheme": "never")")), SpacePrefix::kNever);
  EXPECT_EQ(prefix(metaspace(R"(, "add_prefix_space": true)")), SpacePrefix::kMetaspaceAlways);
  EXPECT_EQ(prefix(metaspace(R"(, "add_prefix_space": false)")), SpacePrefix::kNever);
  EXPECT_EQ(prefix(metaspace("")), SpacePrefix::kMetaspaceAlways);
  EXPECT_EQ(prefix(R"("normalizer": {"type": "Prepend"}, "pre_tokenizer": null)"), SpacePrefix::kSentencePiece);
  EXPECT_EQ(prefix(R"("normalizer": {"type": "Replace"}, "pre_tokenizer": null)"), SpacePrefix::kNever);
  Vocabulary vocabulary;
  const Json odd = Json::parse("{" + metaspace(R"(, "prepend_scheme": "last")") + "}");
  EXPECT_THAT(read_space_prefix(odd, "tokenizer.json", vocabulary).message(), HasSubstr("\"last\""));
}

TEST(TokenizerJson, RefusesOtherModelsAndBrokenFiles) {
  Vocabulary vocabulary;
  vocabulary.tokens.resize(2);
  std::vector<std::string> warnings;
  const auto message = [&](const char* text) {
    return read_tokenizer_json(Json::parse(text), "tokenizer.json", vocabulary, warnings).message();
  };
  EXPECT_THAT(message(R"({"model": {"type": "Unigram"}})"), HasSubstr("\"Unigram\""));
  EXPECT_THAT(message("{}"), HasSubstr("only BPE"));
  EXPECT_THAT(message(R"({"model": {"type": "BPE", "merges": [], "vocab": 3}})"), HasSubstr("vocab"));
  EXPECT_THAT(message(R"({"model": {"type": "BPE", "merges": [], "vocab": {"a": "b"}}})"), HasSubstr("not an integer"));
  EXPECT_THAT(message(R"({"model": {"type": "BPE", "merges": [5], "vocab": {"a": 0}},
                          "pre_tokenizer": {"type": "ByteLevel"}})"),
              HasSubstr("not a pair"));
}

}  // namespace
}  // namespace saccade
