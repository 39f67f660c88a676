// Tiny tokenizers that the reference libraries trained, against the ids that these libraries give for fuzzed lines.
// tools/parity/small_tokenizers.py makes the file; SACCADE_TOKENIZER_CASES names another one.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "text/tokenizer.h"

namespace saccade {
namespace {

Metadata metadata_of(const nlohmann::json& values) {
  Metadata metadata;
  for (const auto& [key, value] : values.items()) {
    if (value.is_string()) {
      metadata.set(key, value.get<std::string>());
    } else if (value.at(0).is_string()) {
      metadata.set(key, value.get<std::vector<std::string>>());
    } else if (value.at(0).is_number_float()) {
      metadata.set(key, value.get<std::vector<double>>());
    } else {
      metadata.set(key, value.get<std::vector<int64_t>>());
    }
  }
  return metadata;
}

TEST(TokenizerParity, IdsAreThoseOfTheReferenceLibraries) {
  const char* override_path = std::getenv("SACCADE_TOKENIZER_CASES");
  const std::string path =
      override_path ? override_path : SACCADE_SOURCE_DIR "/tests/parity/data/small_tokenizers.json";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_GE(cases.size(), 6u);
  for (const auto& [name, data] : cases.items()) {
    const auto tokenizer = Tokenizer::from_metadata(metadata_of(data.at("metadata")));
    ASSERT_TRUE(tokenizer.is_ok()) << name << ": " << tokenizer.status().message();
    int num_different = 0;
    for (const auto& line : data.at("lines")) {
      const auto text = line.at("text").get<std::string>();
      const auto expected = line.at("ids").get<std::vector<TokenId>>();
      const auto ids = (*tokenizer)->encode(text, {.add_bos = false, .parse_special = true});
      if (ids == expected || ++num_different > 3) continue;
      EXPECT_EQ(ids, expected) << name << ": " << line.at("text").dump();
    }
    EXPECT_EQ(num_different, 0) << name << ", of " << data.at("lines").size() << " lines";
  }
}

}  // namespace
}  // namespace saccade
