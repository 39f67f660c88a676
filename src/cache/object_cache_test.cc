#include "cache/object_cache.h"

#include <gmock/gmock.h>

#include <array>
#include <string>
#include <thread>

#include "cache/memory_tier.h"
#include "cache/test_cache.h"

namespace saccade {
namespace {

using test::key_of;

// An object that is its text; one of "bad" bytes can't be decoded.
ObjectCodec<std::string> text_codec() {
  return {.num_bytes = [](const std::string& text) { return static_cast<int64_t>(text.size()); },
          .encode = [](const std::string& text) { return test::to_vector(std::as_bytes(std::span(text))); },
          .decode = [](std::span<const std::byte> bytes) -> Expected<std::string> {
            std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            if (text == "bad") return corrupt_data("bad");
            return text;
          }};
}

class ObjectCacheTest : public testing::Test {
 protected:
  using Cache = ObjectCache<std::string>;

  ObjectCacheTest() {
    std::vector<std::unique_ptr<CacheTier>> tiers;
    tiers.push_back(
        std::make_unique<MemoryTier>("L2", MemoryCacheOptions{.max_bytes = 1 << 20, .clock = clock_.clock()}));
    below_ = std::make_shared<TieredCache>(std::move(tiers), TieredCacheOptions{.clock = clock_.clock()});
  }
  std::unique_ptr<Cache> make(std::optional<double> ttl_ms = std::nullopt) {
    return std::make_unique<Cache>("L1", MemoryCacheOptions{.max_bytes = 1 << 20, .clock = clock_.clock()},
                                   text_codec(), below_, ttl_ms);
  }
  static constexpr auto compute = []() -> Expected<std::string> { return std::string("vectors"); };

  test::FakeClock clock_;
  std::shared_ptr<TieredCache> below_;
};

TEST_F(ObjectCacheTest, HandsOutOneObjectToAll) {
  const auto cache = make();
  const auto first = cache->get_or_compute(key_of(1), compute);
  ASSERT_TRUE(first.is_ok());
  EXPECT_EQ(*first->object, "vectors");
  EXPECT_EQ(first->source, CacheSource::kComputed);
  const auto second = cache->get_or_compute(key_of(1), compute);
  EXPECT_EQ(second->source, CacheSource::kTier);
  EXPECT_EQ(second->object, first->object);
  EXPECT_EQ(cache->get(key_of(1))->object, first->object);
}

TEST_F(ObjectCacheTest, IsFilledFromBelow) {
  ASSERT_TRUE(make()->get_or_compute(key_of(1), compute).is_ok());
  const auto cache = make();  // after a restart, were it a disk
  const auto found = cache->get_or_compute(key_of(1), []() -> Expected<std::string> { return internal_error("no"); });
  ASSERT_TRUE(found.is_ok());
  EXPECT_EQ(*found->object, "vectors");
  EXPECT_EQ(found->source, CacheSource::kTier);
  EXPECT_EQ(found->tier_idx, 1u);
  EXPECT_EQ(cache->get(key_of(1))->tier_idx, 0u);
  const CacheStats stats = cache->stats();
  ASSERT_EQ(stats.tiers.size(), 2u);
  EXPECT_EQ(stats.tiers[0].name, "L1");
  EXPECT_EQ(stats.tiers[1].name, "L2");
  EXPECT_EQ(stats.num_computed, 0u);
}

TEST_F(ObjectCacheTest, BytesThatMakeNoObjectAreDroppedAndComputed) {
  const auto cache = make();
  const std::string_view bad = "bad";
  below_->put(key_of(1), CacheValue(test::to_vector(std::as_bytes(std::span(bad)))));
  EXPECT_FALSE(cache->get(key_of(1)).has_value());
  EXPECT_FALSE(below_->get(key_of(1)).has_value());
  EXPECT_EQ(cache->get_or_compute(key_of(1), compute)->source, CacheSource::kComputed);
  EXPECT_EQ(cache->stats().num_undecodable, 1u);
}

TEST_F(ObjectCacheTest, ObjectsExpireAboveAndBelow) {
  const auto cache = make(1000);
  ASSERT_TRUE(cache->get_or_compute(key_of(1), compute).is_ok());
  clock_.advance_ms(600);
  const auto other = make(1000);
  EXPECT_EQ(other->get(key_of(1))->tier_idx, 1u);  // 400 ms are left, here too
  clock_.advance_ms(400);
  EXPECT_FALSE(cache->get(key_of(1)).has_value());
  EXPECT_FALSE(other->get(key_of(1)).has_value());
}

TEST_F(ObjectCacheTest, TheRichestThatIsThereIsFoundFirst) {
  const auto cache = make();
  const std::array<CacheKey, 3> keys = {key_of(1), key_of(2), key_of(3)};
  EXPECT_FALSE(cache->find_first(keys).has_value());
  cache->put(keys[2], std::make_shared<const std::string>("poor"));
  EXPECT_EQ(cache->find_first(keys)->key_idx, 2u);
  cache->put(keys[0], std::make_shared<const std::string>("rich"));
  EXPECT_EQ(cache->find_first(keys)->key_idx, 0u);
  EXPECT_EQ(*cache->find_first(keys)->found.object, "rich");
}

TEST_F(ObjectCacheTest, WithoutACodecForBytesNothingGoesBelow) {
  ObjectCodec<std::string> codec = text_codec();
  codec.encode = nullptr;
  codec.decode = nullptr;
  ObjectCache<std::string> cache("prefixes", {.max_bytes = 1000, .clock = clock_.clock()}, codec, below_);
  ASSERT_TRUE(cache.get_or_compute(key_of(1), compute).is_ok());
  EXPECT_FALSE(below_->get(key_of(1)).has_value());
  EXPECT_EQ(cache.get(key_of(1))->tier_idx, 0u);
  ObjectCache<std::string> alone("alone", {.max_bytes = 1000, .clock = clock_.clock()}, text_codec(), nullptr);
  ASSERT_TRUE(alone.get_or_compute(key_of(1), compute).is_ok());
  EXPECT_TRUE(alone.get(key_of(1)).has_value());
  EXPECT_TRUE(alone.clear().is_ok());
  EXPECT_FALSE(alone.get(key_of(1)).has_value());
}

TEST_F(ObjectCacheTest, ManyThreads) {
  ObjectCache<std::string> cache("L1", {.max_bytes = 2000, .clock = clock_.clock()}, text_codec(), below_);
  std::atomic<int> num_wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        std::minstd_rand random(static_cast<unsigned>(thread) + 1);
        for (int i = 0; i < 1000; ++i) {
          const int number = static_cast<int>(random() % 20);
          const std::string text(static_cast<size_t>(number) * 10, 'x');
          if (random() % 10 == 0) {
            cache.erase(key_of(number));
            continue;
          }
          const bool fails = random() % 10 == 0;
          const auto found = cache.get_or_compute(key_of(number), [&]() -> Expected<std::string> {
            if (fails) return cancelled("the client went away");
            return text;
          });
          num_wrong += found.is_ok() ? *found->object != text : !fails;
        }
      });
    }
  }
  EXPECT_EQ(num_wrong, 0);
}

}  // namespace
}  // namespace saccade
