#include "cache/entry_format.h"

#include <gmock/gmock.h>

#include "cache/test_cache.h"

namespace saccade {
namespace {

using test::bytes_of;
using test::key_of;

std::vector<std::byte> store(int number, const CacheEntry& entry) {
  const auto header = make_entry_header(key_of(number), entry);
  std::vector<std::byte> stored(header.begin(), header.end());
  stored.insert(stored.end(), entry.value.bytes().begin(), entry.value.bytes().end());
  return stored;
}

TEST(EntryFormat, IsReadAsItWasStored) {
  for (const size_t num_bytes : {size_t{0}, size_t{1}, size_t{1000}}) {
    const std::vector<std::byte> stored = store(1, test::entry_of(1, num_bytes, 12345));
    const auto read = read_entry(key_of(1), stored, nullptr);
    ASSERT_TRUE(read.is_ok()) << read.status().message();
    EXPECT_EQ(test::to_vector(read->value.bytes()), bytes_of(1, num_bytes));
    EXPECT_EQ(read->expires_at_us, 12345);
  }
}

TEST(EntryFormat, EveryFlippedBitIsFound) {
  std::vector<std::byte> stored = store(1, test::entry_of(1, 100));
  for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    stored[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    const auto read = read_entry(key_of(1), stored, nullptr);
    ASSERT_FALSE(read.is_ok()) << bit;
    const bool is_version = bit / 8 == 3;
    EXPECT_EQ(read.status().code(), is_version ? StatusCode::kUnsupported : StatusCode::kCorruptData) << bit;
    stored[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
  }
}

TEST(EntryFormat, AnotherLengthIsFound) {
  std::vector<std::byte> stored = store(1, test::entry_of(1, 100));
  for (size_t length = 0; length < stored.size(); ++length) {
    EXPECT_FALSE(read_entry(key_of(1), std::span(stored).first(length), nullptr).is_ok()) << length;
  }
  stored.push_back(std::byte{0});
  EXPECT_FALSE(read_entry(key_of(1), stored, nullptr).is_ok());
}

TEST(EntryFormat, AValueUnderAnothersKeyIsFound) {
  const std::vector<std::byte> stored = store(1, test::entry_of(1, 100));
  EXPECT_EQ(read_entry(key_of(2), stored, nullptr).status().code(), StatusCode::kCorruptData);
}

}  // namespace
}  // namespace saccade
