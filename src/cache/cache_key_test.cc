#include "cache/cache_key.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace saccade {
namespace {

CacheKey key_of(const CacheScope& scope, const std::vector<std::string>& contents) {
  CacheKeyBuilder builder(scope);
  for (const std::string& content : contents) builder.add_content(content);
  return builder.build();
}

TEST(CacheKey, Sha256IsTheStandards) {
  const std::string_view text = "abc";  // FIPS 180-4, example 1
  EXPECT_EQ(CacheKey{sha256_of(std::as_bytes(std::span(text)))}.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// What a server stored is found by the next version of the program, or the format's number is another.
TEST(CacheKey, StaysWhatItWas) {
  const CacheScope scope = {CacheKind::kFeatures, "acme", "mini", "288x288", "keep=144"};
  EXPECT_EQ(key_of(scope, {"picture"}).to_hex(), "4b8c129ebab118f74711b9d79c8f9a36599c708c4118fbfb476e7b3a43198515");
}

TEST(CacheKey, EveryFieldCounts) {
  const CacheScope base = {CacheKind::kFeatures, "t", "m", "p", "o"};
  std::set<CacheKey> keys = {key_of(base, {"c"})};
  size_t num_tried = 1;
  const auto differs = [&](const CacheScope& scope, const std::vector<std::string>& contents) {
    keys.insert(key_of(scope, contents));
    EXPECT_EQ(keys.size(), ++num_tried);
  };
  differs({CacheKind::kPrefix, "t", "m", "p", "o"}, {"c"});
  differs({CacheKind::kFeatures, "", "m", "p", "o"}, {"c"});
  differs({CacheKind::kFeatures, "t", "n", "p", "o"}, {"c"});
  differs({CacheKind::kFeatures, "t", "m", "q", "o"}, {"c"});
  differs({CacheKind::kFeatures, "t", "m", "p", ""}, {"c"});
  differs(base, {"d"});
  differs(base, {});
  differs(base, {""});
  differs(base, {"c", ""});
}

TEST(CacheKey, FieldsDoNotRunIntoEachOther) {
  EXPECT_NE(key_of({CacheKind::kAnswer, "ab", "c", "", ""}, {}), key_of({CacheKind::kAnswer, "a", "bc", "", ""}, {}));
  EXPECT_NE(key_of({CacheKind::kAnswer, "", "x", "", ""}, {}), key_of({CacheKind::kAnswer, "x", "", "", ""}, {}));
  EXPECT_NE(key_of({}, {"ab", "c"}), key_of({}, {"a", "bc"}));
  EXPECT_NE(key_of({}, {"abc"}), key_of({}, {"a", "b", "c"}));
  EXPECT_NE(key_of({}, {"a", "b"}), key_of({}, {"b", "a"}));
}

TEST(CacheKey, ABuilderTellsTheKeyOfEachPrefix) {
  CacheKeyBuilder builder({});
  builder.add_content("a");
  EXPECT_EQ(builder.build(), key_of({}, {"a"}));
  EXPECT_EQ(builder.build(), key_of({}, {"a"}));
  builder.add_content("b");
  EXPECT_EQ(builder.build(), key_of({}, {"a", "b"}));
}

}  // namespace
}  // namespace saccade
