#include "ledger/prices.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kFile = R"(
per_device_second = 0.0001

[per_million_tokens]
text = 1
image = 2
output = 4.5

[models."big.gguf"]
per_device_second = 0.5
per_million_tokens = { image = 20 }

[models.free]
per_device_second = 0
[models.free.per_million_tokens]
text = 0
image = 0
output = 0

[accounts.default]
day_usd = 5
at_90_percent = "apply"

[accounts.acme]
month_usd = 100
at_100_percent = "degrade"

[accounts.open]
day_usd = inf
at_90_percent = "recommend"
)";

PriceFile parsed(const std::string& text) {
  const auto file = parse_prices(text, "p.toml");
  EXPECT_TRUE(file.is_ok()) << file.status().message();
  return file ? *file : PriceFile();
}

TEST(Prices, AreReadWithWhatModelsAndAccountsOverride) {
  const PriceFile file = parsed(kFile);
  const Price& other = file.price_of("other.gguf");
  EXPECT_EQ(other.text_usd, 1);
  EXPECT_EQ(other.output_usd, 4.5);
  EXPECT_EQ(other.audio_usd, 0);
  EXPECT_EQ(other.device_second_usd, 0.0001);
  const Price& big = file.price_of("big.gguf");
  EXPECT_EQ(big.image_usd, 20);
  EXPECT_EQ(big.text_usd, 1) << "as above";
  EXPECT_EQ(big.device_second_usd, 0.5);
  EXPECT_EQ(cost_usd(file.price_of("free"), {.text_tokens = 5, .output_tokens = 5, .device_ms = 9}), 0);

  EXPECT_EQ(file.policy_of("someone").limits.day_usd, 5);
  EXPECT_EQ(file.policy_of("").at_90_percent, AtNinetyPercent::kApply);
  const AccountPolicy& acme = file.policy_of("acme");
  EXPECT_EQ(acme.limits.day_usd, 5) << "as the default";
  EXPECT_EQ(acme.limits.month_usd, 100);
  EXPECT_EQ(acme.at_90_percent, AtNinetyPercent::kApply);
  EXPECT_EQ(acme.at_100_percent, AtHundredPercent::kDegrade);
  const AccountPolicy& open = file.policy_of("open");
  EXPECT_EQ(open.limits.day_usd, std::nullopt);
  EXPECT_EQ(open.at_90_percent, AtNinetyPercent::kRecommend);
}

TEST(Prices, AddUp) {
  const Price price = {
      .text_usd = 1, .image_usd = 2, .audio_usd = 4, .video_usd = 8, .output_usd = 16, .device_second_usd = 0.5};
  EXPECT_EQ(cost_usd(price, {}), 0);
  EXPECT_DOUBLE_EQ(cost_usd(price, {.text_tokens = 1'000'000}), 1);
  EXPECT_DOUBLE_EQ(cost_usd(price, {.text_tokens = 1000,
                                    .image_tokens = 1000,
                                    .audio_tokens = 1000,
                                    .video_tokens = 1000,
                                    .output_tokens = 1000,
                                    .device_ms = 250}),
                   0.031 + 0.125);
}

TEST(Prices, AnEmptyFileCostsNothingAndLimitsNobody) {
  const PriceFile file = parsed("");
  EXPECT_EQ(cost_usd(file.price_of("m"), {.text_tokens = 1, .output_tokens = 1, .device_ms = 1}), 0);
  EXPECT_EQ(file.policy_of("a").limits.day_usd, std::nullopt);
  EXPECT_EQ(file.policy_of("a").at_100_percent, AtHundredPercent::kRefuse);
}

TEST(Prices, ErrorsNameFileLineAndKey) {
  const std::pair<const char*, std::vector<const char*>> kWrong[] = {
      {"\n\nper_device_second = -1", {"p.toml:3: ", "\"per_device_second\"", "0 or more"}},
      {"per_device_second = nan", {"p.toml:1: ", "per_device_second"}},
      {"per_device_second = inf", {"p.toml:1: ", "per_device_second"}},
      {"per_device_second = true", {"p.toml:1: ", "per_device_second"}},
      {"per_device_second = \"1\"", {"p.toml:1: ", "per_device_second"}},
      {"[per_million_tokens]\ntext = 1\nimage = -0.5", {"p.toml:3: ", "\"per_million_tokens.image\""}},
      {"[per_million_tokens]\nsmell = 1", {"p.toml:2: ", "\"per_million_tokens.smell\"", "text, image, audio"}},
      {"per_million_tokens = 4", {"p.toml:1: ", "not a table"}},
      {"\nprices = 4", {"p.toml:2: ", "\"prices\"", "per_device_second"}},
      {"[models.x]\nper_second = 4", {"p.toml:2: ", "\"models.x.per_second\""}},
      {"[models.x.per_million_tokens]\noutput = nan", {"p.toml:2: ", "\"models.x.per_million_tokens.output\""}},
      {"models = 1", {"p.toml:1: ", "\"models\" is not a table"}},
      {"[models]\nx = 1", {"p.toml:2: ", "\"models.x\" is not a table"}},
      {"[accounts.a]\nday_usd = -2", {"p.toml:2: ", "\"accounts.a.day_usd\"", "or inf"}},
      {"[accounts.default]\nday_usd = nan", {"p.toml:2: ", "\"accounts.default.day_usd\""}},
      {"[accounts.a]\nhour_usd = 2", {"p.toml:2: ", "\"accounts.a.hour_usd\"", "day_usd, month_usd"}},
      {"[accounts]\ndefault = 2", {"p.toml:2: ", "\"accounts.default\" is not a table"}},
      {"[accounts.a]\nat_90_percent = \"refuse\"", {"p.toml:2: ", "at_90_percent", "\"recommend\" nor \"apply\""}},
      {"[accounts.a]\nat_100_percent = 1", {"p.toml:2: ", "at_100_percent", "\"refuse\" nor \"degrade\""}},
      {"a = 1\na = 2", {"p.toml:2: ", "a"}},
      {"[per_million_tokens\n", {"p.toml:1: "}},
      {"x = \"\xff\"", {"p.toml:1: "}},
  };
  for (const auto& [text, words] : kWrong) {
    const auto file = parse_prices(text, "p.toml");
    ASSERT_FALSE(file.is_ok()) << text;
    EXPECT_EQ(file.status().code(), StatusCode::kCorruptData) << text;
    for (const char* word : words) EXPECT_THAT(file.status().message(), HasSubstr(word)) << text;
    EXPECT_EQ(file.status().message().find('\n'), std::string::npos) << file.status().message();
  }
}

TEST(Prices, AnyTextIsReadOrRefused) {
  std::mt19937 random(3);
  const std::string whole = kFile;
  int num_refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole.substr(0, i % 2 == 0 ? whole.size() : random() % whole.size());
    for (int j = 0; j < 4 && !damaged.empty(); ++j) {
      damaged[random() % damaged.size()] =
          static_cast<char>(random() % 3 == 0 ? random() : whole[random() % whole.size()]);
    }
    const auto file = parse_prices(damaged, "p.toml");
    if (file) continue;
    ++num_refused;
    EXPECT_THAT(file.status().message(), ::testing::StartsWith("p.toml:"));
  }
  EXPECT_GT(num_refused, 1000);
}

TEST(Prices, AreReadFromAFile) {
  const std::string path = ::testing::TempDir() + "prices_test.toml";
  std::ofstream(path) << kFile;
  ASSERT_TRUE(read_prices(path).is_ok());
  EXPECT_EQ(read_prices(path)->price.text_usd, 1);
  std::filesystem::remove(path);
  EXPECT_EQ(read_prices(path).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(read_prices(::testing::TempDir()).status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace saccade
