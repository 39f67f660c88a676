#include "ledger/api_keys.h"

#include <gmock/gmock.h>

#include <random>

#include "ledger/utc_time.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kKey = "sk-saccade-one";

std::string section(const std::string& name, const std::string& key) {
  return *key_section(name, key);
}

KeyFile parsed(const std::string& text) {
  const auto file = parse_keys(text, "k.toml");
  EXPECT_TRUE(file.is_ok()) << file.status().message();
  return file ? *file : KeyFile();
}

std::string error_of(const std::string& text) {
  const auto file = parse_keys(text, "k.toml");
  EXPECT_FALSE(file.is_ok()) << text;
  if (file) return "";
  EXPECT_EQ(file.status().code(), StatusCode::kCorruptData);
  return file.status().message();
}

TEST(ApiKeys, AreReadWithTheirLimits) {
  const KeyFile file = parsed(section("acme", kKey) + R"(
requests_per_minute = 60
tokens_per_minute = 100_000
max_concurrent = 4
usd_per_day = 5
usd_per_month = 100.5
priority = -2
expires = 2027-01-31
)" + section("other.org", "sk-saccade-two"));
  ASSERT_EQ(file.keys.size(), 2U);
  const ApiKey* acme = file.find(kKey);
  ASSERT_NE(acme, nullptr);
  EXPECT_EQ(acme->name, "acme");
  EXPECT_EQ(acme->requests_per_minute, 60);
  EXPECT_EQ(acme->tokens_per_minute, 100'000);
  EXPECT_EQ(acme->max_concurrent, 4);
  EXPECT_EQ(acme->spending.day_usd, 5);
  EXPECT_EQ(acme->spending.month_usd, 100.5);
  EXPECT_EQ(acme->priority, -2);
  EXPECT_EQ(acme->expires_us, parse_day("2027-01-31"));
  EXPECT_TRUE(file.limits_spending());
  const ApiKey* other = file.find("sk-saccade-two");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->name, "other.org");
  EXPECT_FALSE(other->requests_per_minute || other->max_concurrent || other->expires_us || other->spending.day_usd);
  EXPECT_FALSE(parsed(section("a", "b")).limits_spending());
}

TEST(ApiKeys, AreFoundByTheirWholeTextAlone) {
  const KeyFile file = parsed(section("acme", kKey));
  for (const std::string& wrong : {std::string(), std::string("sk-saccade-"), std::string("sk-saccade-onE"),
                                   std::string(kKey) + " ", key_hash_text(kKey), std::string(1 << 20, 'x')}) {
    EXPECT_EQ(file.find(wrong), nullptr);
  }
}

TEST(ApiKeys, ExpireWhenTheyAreToldTo) {
  const int64_t noon_us = *parse_day("2027-01-31") + kDayUs / 2;
  const auto expires = [](const std::string& text) {
    return parsed(section("a", kKey) + "expires = " + text).keys[0].expires_us;
  };
  EXPECT_EQ(expires("2027-01-31T12:00:00Z"), noon_us);
  EXPECT_EQ(expires("2027-01-31T14:00:00+02:00"), noon_us);
  EXPECT_EQ(expires("2027-01-31T12:00:00"), noon_us);
  EXPECT_EQ(expires("2027-01-31T12:00:07Z"), noon_us + 7'000'000);
}

TEST(ApiKeys, NameLineAndKeyOfWhatIsWrong) {
  const std::string good = section("acme", kKey);
  EXPECT_THAT(
      error_of(good + "request_per_minute = 5"),
      AllOf(HasSubstr("k.toml:3"), HasSubstr("keys.acme.request_per_minute"), HasSubstr("requests_per_minute")));
  for (const char* wrong : {"requests_per_minute = 0", "requests_per_minute = -1", "tokens_per_minute = \"5\"",
                            "tokens_per_minute = nan", "max_concurrent = 0", "max_concurrent = 1.5", "usd_per_day = -1",
                            "priority = 5000", "expires = \"2027-01-31\"", "expires = 5"}) {
    const std::string key(wrong, std::string_view(wrong).find(' '));
    EXPECT_THAT(error_of(good + wrong), AllOf(HasSubstr("k.toml:3"), HasSubstr("keys.acme." + key))) << wrong;
  }
  EXPECT_THAT(error_of("[keys.acme]\n"), HasSubstr("sha256\" is missing"));
  EXPECT_THAT(error_of("[keys.acme]\nsha256 = \"abc\""), AllOf(HasSubstr("k.toml:2"), HasSubstr("64 digits")));
  EXPECT_THAT(error_of(good + section("two", kKey)), HasSubstr("the same key"));
  EXPECT_THAT(error_of(""), HasSubstr("there are no keys"));
  EXPECT_THAT(error_of("[key.acme]"), HasSubstr("known here: keys"));
  EXPECT_THAT(error_of("keys = 5"), HasSubstr("not a table"));
  EXPECT_THAT(error_of("[keys.\"a b\"]\nsha256 = \"\""), HasSubstr("no name of an account"));
  EXPECT_THAT(error_of("[keys.a"), HasSubstr("k.toml:1"));
  EXPECT_EQ(read_keys("no/such.toml").status().code(), StatusCode::kNotFound);
}

TEST(ApiKeys, DamagedFilesAreErrors) {
  const std::string good = section("acme", kKey) + "requests_per_minute = 5\nexpires = 2027-01-31\n";
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text = good;
    for (int k = 0; k < 3; ++k) text[random() % text.size()] = static_cast<char>(random());
    (void)parse_keys(text, "k.toml").is_ok();
  }
}

TEST(ApiKeys, AreMadeAnewEachTime) {
  const std::string key = *new_api_key();
  EXPECT_EQ(key.size(), std::string("sk-saccade-").size() + 64);
  EXPECT_NE(key, *new_api_key());
  EXPECT_EQ(key_hash_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const KeyFile file = parsed(section("a.b", key));
  EXPECT_EQ(file.find(key), &file.keys[0]);
  EXPECT_EQ(file.keys[0].name, "a.b");
  for (const char* name : {"", "a b", "a]", "\xc3\xa9"}) {
    EXPECT_EQ(key_section(name, key).status().code(), StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace saccade
