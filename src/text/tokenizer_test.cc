#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "base/utf8.h"
#include "text/small_vocabulary_for_test.h"

namespace saccade {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Tokenizer> make(const Metadata& metadata) {
  auto tokenizer = Tokenizer::from_metadata(metadata);
  EXPECT_TRUE(tokenizer.is_ok()) << tokenizer.status().message();
  return tokenizer.is_ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<std::string> texts(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  std::vector<std::string> result;
  for (const TokenId token : tokens) result.emplace_back(tokenizer.token_text(token));
  return result;
}

const std::vector<std::string>& samples() {
  static const std::vector<std::string> list = {"",
                                                " ",
                                                "  ",
                                                "a",
                                                "abc ab a",
                                                " leading",
                                                "trailing ",
                                                "tab\there\nand\r\nlines\n\n",
                                                "naïve café 東京 한국어 👩‍👩‍👧‍👦",
                                                "x = y[1:2] + 12345 // \"quoted\" don't WE'LL",
                                                std::string("nul\0inside", 10),
                                                "\xC2\x85\xE2\x80\xA8\xEF\xBB\xBF|"};
  return list;
}

std::string random_bytes(std::mt19937& rng, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += static_cast<char>(rng() % 4 == 0 ? ' ' : rng() % 256);
  return bytes;
}

TEST(Tokenizer, SentencePieceMergesByScoreAndPrefixesASpace) {
  const auto tokenizer = make(small_vocabulary());
  EXPECT_THAT(texts(*tokenizer, tokenizer->encode("abc a")), ElementsAre("▁ab", "c", "▁a"));
  EXPECT_THAT(texts(*tokenizer, tokenizer->encode("a", {.add_bos = true})), ElementsAre("<s>", "▁a"));
  EXPECT_THAT(texts(*tokenizer, tokenizer->encode("z")), ElementsAre("▁", "<0x7A>"));
  EXPECT_TRUE(tokenizer->encode("").empty());
}

// What the tokenizers library (0.23) gives for this vocabulary: with the normalizer Prepend, and with the pre-tokenizer
// Metaspace and its schemes.
TEST(Tokenizer, SpacesInFrontFollowTheScheme) {
  const auto with_scheme = [](const char* scheme) {
    Metadata metadata = small_vocabulary({"<sep>"});
    if (*scheme != '\0') metadata.set("saccade.tokenizer.prepend_scheme", std::string(scheme));
    return make(metadata);
  };
  const auto tokens = [](const Tokenizer& tokenizer, std::string_view text) {
    return texts(tokenizer, tokenizer.encode(text, {.parse_special = true}));
  };
  const auto prepend = with_scheme("");
  EXPECT_THAT(tokens(*prepend, "ab<sep>ab"), ElementsAre("▁ab", "<sep>", "▁ab"));
  EXPECT_THAT(tokens(*prepend, " ab"), ElementsAre("▁", "▁ab"));
  EXPECT_THAT(tokens(*prepend, "<sep> ab"), ElementsAre("<sep>", "▁", "▁ab"));
  const auto always = with_scheme("always");
  EXPECT_THAT(tokens(*always, "ab<sep>ab"), ElementsAre("▁ab", "<sep>", "▁ab"));
  EXPECT_THAT(tokens(*always, " ab"), ElementsAre("▁ab"));
  EXPECT_THAT(tokens(*always, "<sep> ab"), ElementsAre("<sep>", "▁ab"));
  const auto first = with_scheme("first");
  EXPECT_THAT(tokens(*first, "ab<sep>ab"), ElementsAre("▁ab", "<sep>", "ab"));
  EXPECT_THAT(tokens(*first, " ab"), ElementsAre("▁ab"));
  EXPECT_THAT(tokens(*first, "  ab"), ElementsAre("▁", "▁ab"));
  EXPECT_THAT(tokens(*first, "▁ab"), ElementsAre("▁ab"));
  EXPECT_THAT(tokens(*first, "<sep>ab"), ElementsAre("<sep>", "ab"));
  EXPECT_THAT(tokens(*first, "ab<sep> ab<sep>ab"), ElementsAre("▁ab", "<sep>", "▁ab", "<sep>", "ab"));
  EXPECT_EQ(first->decode(first->encode("ab ab")), "ab ab");
  EXPECT_EQ(first->decode(first->encode("  ab")), " ab");
  // The runs behind a picture do not begin the text.
  const std::vector<TextRun> runs = {{"a", true}, {"b", false}};
  EXPECT_THAT(texts(*first, first->encode_runs(runs, true)), ElementsAre("<s>", "▁ab"));
  EXPECT_THAT(texts(*first, first->encode_runs(runs, false)), ElementsAre("ab"));
  EXPECT_THAT(texts(*always, always->encode_runs(runs, false)), ElementsAre("▁ab"));
}

TEST(Tokenizer, WithoutByteTokensUnknownCharactersInARowAreOneUnknownToken) {
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "▁", "a"});
  metadata.set("tokenizer.ggml.token_type", std::vector<int64_t>{2, 1, 1});
  metadata.set("tokenizer.ggml.scores", std::vector<double>{0, -1, -2});
  const auto tokenizer = make(metadata);
  EXPECT_THAT(tokenizer->encode("axyza"), ElementsAre(1, 2, 0, 2));
}

TEST(Tokenizer, DecodeUndoesEncode) {
  std::mt19937 rng(7);
  std::vector<std::string> inputs = samples();
  for (int i = 0; i < 200; ++i) inputs.push_back(random_bytes(rng, rng() % 40));
  std::vector<Metadata> vocabularies = {small_vocabulary()};
  for (const char* pre : {"default", "gpt-2", "llama-bpe", "smollm", "deepseek-r1-qwen"}) {
    vocabularies.push_back(small_byte_vocabulary(pre));
  }
  for (const Metadata& metadata : vocabularies) {
    const auto tokenizer = make(metadata);
    for (const std::string& input : inputs) {
      if (input.find("\xE2\x96\x81") != std::string::npos) continue;  // SentencePiece reads U+2581 as a space
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(input)), input);
    }
  }
}

TEST(Tokenizer, Qwen2ComposesCharactersButKeepsOtherBytes) {
  const auto tokenizer = make(small_byte_vocabulary("qwen2"));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("e\xCC\x81")), "\xC3\xA9");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("\xFF"
                                                "e\xCC\x81\xC3")),
            "\xFF\xC3\xA9\xC3");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB")), "\xED\x95\x9C");  // Hangul
}

TEST(Tokenizer, ControlTokensNeedParseSpecialAndUserDefinedOnesDoNot) {
  const auto tokenizer = make(small_byte_vocabulary("gpt-2", {"<|end|>", "<|end|>>"}, {"<tool>"}));
  const TokenId end = *tokenizer->special("<|end|>"), longer = *tokenizer->special("<|end|>>");
  const TokenId tool = *tokenizer->special("<tool>"), a = tokenizer->encode("a")[0];
  EXPECT_THAT(tokenizer->encode("a<|end|>a<|end|>>", {.parse_special = true}), ElementsAre(a, end, a, longer));
  const auto plain = tokenizer->encode("a<|end|><tool>");
  EXPECT_EQ(std::count(plain.begin(), plain.end(), end), 0);
  EXPECT_EQ(plain.back(), tool);
  EXPECT_EQ(tokenizer->decode(plain), "a<|end|><tool>");
  EXPECT_EQ(tokenizer->piece(end), "");
  EXPECT_EQ(tokenizer->piece(end, true), "<|end|>");
  EXPECT_FALSE(tokenizer->special("a").has_value());
  EXPECT_TRUE(tokenizer->is_end(end));
  EXPECT_FALSE(tokenizer->is_end(a));
}

TEST(Tokenizer, RunsAreOneTextWithControlTokensOnlyInTrustedOnes) {
  const auto tokenizer = make(small_byte_vocabulary("gpt-2", {"<|end|>"}));
  const TokenId end = *tokenizer->special("<|end|>");
  const std::vector<TextRun> word = {{"a", true}, {"b", false}};
  EXPECT_EQ(tokenizer->encode_runs(word, false), tokenizer->encode("ab"));
  const auto num_ends = [&](const std::vector<TextRun>& runs) {
    const auto tokens = tokenizer->encode_runs(runs, false);
    return std::count(tokens.begin(), tokens.end(), end);
  };
  EXPECT_EQ(num_ends({{"x<|e", true}, {"", false}, {"nd|>", true}}), 1);
  EXPECT_EQ(num_ends({{"<|end|>", false}, {"<|end|>", true}, {"<|end|>", false}}), 1);
  EXPECT_EQ(num_ends({{"<|", true}, {"end|>", false}}), 0);
  EXPECT_EQ(num_ends({{"<|en", false}, {"d|>", true}}), 0);
}

TEST(Tokenizer, StreamGivesTheWholeTextInWholeCharactersAtEverySplit) {
  for (const Metadata& metadata : {small_vocabulary(), small_byte_vocabulary("gpt-2")}) {
    const auto tokenizer = make(metadata);
    for (const std::string& input : samples()) {
      if (!is_valid_utf8(input)) continue;
      const auto tokens = tokenizer->encode(input);
      DetokenizerStream stream(*tokenizer);
      std::string text;
      for (const TokenId token : tokens) {
        const std::string chunk = stream.push(token);
        EXPECT_TRUE(is_valid_utf8(chunk));
        text += chunk;
      }
      EXPECT_EQ(text + stream.finish(), input);
    }
  }
}

TEST(Tokenizer, StreamReplacesWhatCannotBecomeACharacter) {
  const auto tokenizer = make(small_byte_vocabulary("gpt-2"));
  const auto push_all = [&](const std::string& bytes) {
    DetokenizerStream stream(*tokenizer);
    std::string text;
    for (const TokenId token : tokenizer->encode(bytes)) text += stream.push(token);
    return text + stream.finish();
  };
  EXPECT_EQ(push_all("a\xFFz"), "a\xEF\xBF\xBDz");
  const std::string cut = push_all("\xE2\x82");
  EXPECT_TRUE(is_valid_utf8(cut));
  EXPECT_FALSE(cut.empty());
}

TEST(Tokenizer, LongInputsTakeRoughlyLinearTime) {
  // Quadratic code would take minutes over all of these.
  std::string marks;  // combining marks in an order that a naive sort must undo one by one
  for (int i = 0; i < 50'000; ++i) marks += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";
  const std::vector<std::string> inputs = {std::string(100'000, 'a'), std::string(100'000, ' '),
                                           std::string(100'000, '<'), "e" + marks};
  for (const Metadata& metadata :
       {small_vocabulary({"<|end|>"}), small_byte_vocabulary("qwen2", {"<|end|>"}), small_byte_vocabulary("smollm")}) {
    const auto tokenizer = make(metadata);
    for (const std::string& input : inputs) {
      EXPECT_GT(tokenizer->encode(input, {.parse_special = true}).size(), 1000u);
    }
  }
}

TEST(Tokenizer, BosAndEndsFollowTheFile) {
  Metadata metadata = small_vocabulary({"<|im_end|>", "<eot>"});
  const auto eot = static_cast<int64_t>(metadata.find_strings("tokenizer.ggml.tokens")->size() - 1);
  metadata.set("tokenizer.ggml.eot_token_id", eot);
  auto tokenizer = make(metadata);
  EXPECT_TRUE(tokenizer->adds_bos());
  for (const TokenId end : {TokenId{2}, static_cast<TokenId>(eot), static_cast<TokenId>(eot - 1)}) {
    EXPECT_TRUE(tokenizer->is_end(end));
  }
  EXPECT_FALSE(tokenizer->is_end(-1));
  metadata.set("tokenizer.ggml.add_bos_token", false);
  tokenizer = make(metadata);
  EXPECT_FALSE(tokenizer->adds_bos());
  EXPECT_THAT(texts(*tokenizer, tokenizer->encode("a", {.add_bos = true})), ElementsAre("▁a"));
  EXPECT_FALSE(make(small_byte_vocabulary("gpt-2"))->adds_bos());
}

TEST(Tokenizer, IdsOutsideTheVocabularyHaveNoText) {
  for (const Metadata& metadata : {small_vocabulary(), small_byte_vocabulary("gpt-2")}) {
    const auto tokenizer = make(metadata);
    for (const TokenId token : {-1, tokenizer->vocab_size(), std::numeric_limits<TokenId>::max()}) {
      EXPECT_EQ(tokenizer->piece(token, true), "");
      EXPECT_EQ(tokenizer->token_text(token), "");
      EXPECT_EQ(tokenizer->decode({&token, 1}), "");
    }
  }
}

TEST(Tokenizer, HostileVocabulariesAreErrorsThatNameTheKey) {
  const auto expect_error = [](Metadata metadata, const std::string& key, MetadataValue value,
                               const std::string& part) {
    metadata.set(key, std::move(value));
    const auto tokenizer = Tokenizer::from_metadata(metadata);
    ASSERT_FALSE(tokenizer.is_ok()) << key;
    EXPECT_THAT(tokenizer.status().message(), HasSubstr(key));
    EXPECT_THAT(tokenizer.status().message(), HasSubstr(part));
  };
  const Metadata spm = small_vocabulary(), bpe = small_byte_vocabulary("gpt-2");
  expect_error(spm, "tokenizer.ggml.model", std::string("wordpiece"), "llama, gpt2");
  expect_error(spm, "tokenizer.ggml.tokens", std::vector<std::string>{}, "empty");
  expect_error(spm, "tokenizer.ggml.tokens", std::vector<std::string>(300, std::string(5000, 'x')), "bytes");
  expect_error(spm, "tokenizer.ggml.scores", std::vector<double>{1, 2}, "2 scores");
  expect_error(spm, "tokenizer.ggml.token_type", std::vector<int64_t>{1}, "1 types");
  expect_error(spm, "tokenizer.ggml.bos_token_id", int64_t{100'000}, "");
  expect_error(spm, "tokenizer.ggml.eos_token_id", int64_t{-5}, "");
  expect_error(spm, "saccade.tokenizer.prepend_scheme", std::string("last"), "always and first");
  expect_error(spm, "saccade.tokenizer.prepend_scheme", int64_t{1}, "string");
  expect_error(bpe, "tokenizer.ggml.pre", std::string("klingon"), "qwen2");
  expect_error(bpe, "tokenizer.ggml.merges", std::vector<std::string>{"ab"}, "merge 0");
  expect_error(bpe, "tokenizer.ggml.merges", std::vector<std::string>{"a b", "a "}, "merge 1");
  expect_error(bpe, "tokenizer.ggml.merges", int64_t{3}, "");
}

TEST(Tokenizer, OddVocabulariesHaveDefinedBehaviour) {
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "a", "", "b", "\xFF"});
  metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"a b", "x y", "a a", "a a"});
  const auto tokenizer = make(metadata);
  EXPECT_THAT(tokenizer->encode("aab"), ElementsAre(0, 0, 3));  // the first of two equal tokens; no merge applies
  EXPECT_TRUE(tokenizer->encode("zz").empty());                 // bytes without a token vanish
  EXPECT_EQ(tokenizer->piece(4), "\xFF");
}

}  // namespace
}  // namespace saccade
