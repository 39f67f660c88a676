#include "server/media_store.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

std::vector<std::byte> picture(size_t num_bytes, int value = 0) {
  return std::vector<std::byte>(num_bytes, static_cast<std::byte>(value));
}

TEST(MediaStore, KeepsEachAccountsPicturesByName) {
  MediaStore store(100);
  store.put("ada", "a", picture(10, 1));
  store.put("bob", "a", picture(10, 2));
  EXPECT_EQ(*store.find("ada", "a"), picture(10, 1));
  EXPECT_EQ(*store.find("bob", "a"), picture(10, 2));
  EXPECT_EQ(store.find("ada", "b"), nullptr);
  EXPECT_EQ(store.find("eve", "a"), nullptr);
  store.put("ada", "a", picture(20, 3));
  EXPECT_EQ(*store.find("ada", "a"), picture(20, 3));
}

TEST(MediaStore, DropsTheOneThatWasNotAskedForTheLongest) {
  MediaStore store(30);
  store.put("", "a", picture(10));
  store.put("", "b", picture(10));
  store.put("", "c", picture(10));
  EXPECT_NE(store.find("", "a"), nullptr);
  store.put("", "d", picture(10));
  EXPECT_EQ(store.find("", "b"), nullptr);
  EXPECT_NE(store.find("", "a"), nullptr);
  store.put("", "e", picture(25));
  EXPECT_EQ(store.find("", "a"), nullptr);
  EXPECT_NE(store.find("", "e"), nullptr);
  store.put("", "f", picture(31));
  EXPECT_EQ(store.find("", "f"), nullptr);
  EXPECT_NE(store.find("", "e"), nullptr);
  store.put("", "e", picture(31));
  EXPECT_EQ(store.find("", "e"), nullptr);
}

}  // namespace
}  // namespace saccade
