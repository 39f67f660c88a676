#include "engine/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/testing/temporary_model.h"

namespace saccade {
namespace {

using ::saccade::testing::TemporaryModel;
using ::testing::HasSubstr;
using Renames = std::vector<std::pair<std::string, std::string>>;

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// What Model::load says of a family's tiny checkpoint with other names in its tokenizer's files.
Status load_renamed(const std::string& family, const Renames& renames) {
  namespace fs = std::filesystem;
  const fs::path from = fs::path(SACCADE_SOURCE_DIR) / "tests/parity/data" / family / "checkpoint";
  const fs::path dir = fs::path(::testing::TempDir()) / ("saccade_model_test_" + std::to_string(getpid()));
  fs::remove_all(dir);
  fs::copy(from, dir);
  for (const fs::directory_entry& file : fs::directory_iterator(dir)) {
    if (!file.path().filename().string().starts_with("tokenizer")) continue;
    std::string text = read_text(file.path());
    for (const auto& [name, other] : renames) replace_all(text, name, other);
    std::ofstream(file.path(), std::ios::binary) << text;
  }
  const auto converted = TemporaryModel::convert(dir.string());
  fs::remove_all(dir);
  EXPECT_TRUE(converted) << converted.status().message();
  const auto model = Model::load(converted->path(), "");
  return model ? Status() : model.status();
}

TEST(Model, RefusesAVocabularyWithoutAControlTokenOfItsPictures) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"smolvlm", "<fake_token_around_image>"},
                                                                  {"smolvlm", "<global-img>"},
                                                                  {"smolvlm", "<row_2_col_3>"},
                                                                  {"idefics3", "<row_3_col_1>"},
                                                                  {"qwen2_vl", "<|vision_end|>"},
                                                                  {"qwen2_5_vl", "<|vision_start|>"}};
  for (const auto& [family, token] : cases) {
    EXPECT_TRUE(load_renamed(family, {}).is_ok()) << family;
    const Status status = load_renamed(family, {{token, "<other>"}});
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << family << ", " << token;
    EXPECT_THAT(status.message(), HasSubstr("\"" + token + "\"")) << family;
  }
}

TEST(Model, TakesAVocabularyThatSpellsTheTilesNamesOut) {
  EXPECT_TRUE(load_renamed("idefics3", {{"<row_", "<line_"}, {"<global-img>", "<other>"}}).is_ok());
}

}  // namespace
}  // namespace saccade
