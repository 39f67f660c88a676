// Damaged pictures of every format: a Status or a picture of the size that the header gives, never a crash.
#include <gtest/gtest.h>

#include <random>

#include "media/golden_pixels.h"

namespace saccade {
namespace {

constexpr int kMutationsPerFile = 40;

std::vector<std::byte> mutated(std::vector<std::byte> bytes, std::mt19937& random) {
  const size_t num_changes = 1 + random() % 6;
  for (size_t i = 0; i < num_changes; ++i) {
    const size_t position = random() % bytes.size();
    switch (random() % 4) {
      case 0:
        bytes[position] ^= static_cast<std::byte>(1u << (random() % 8));
        break;
      case 1:
        bytes[position] = static_cast<std::byte>(random() % 2 == 0 ? 0xff : 0x00);
        break;
      case 2:
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(position), 1 + random() % 9,
                     static_cast<std::byte>(random()));
        break;
      default:
        bytes.resize(std::max<size_t>(bytes.size() - random() % (1 + bytes.size() / 4), 1));
    }
  }
  return bytes;
}

class MutatedImage : public testing::TestWithParam<const char*> {};

TEST_P(MutatedImage, GivesAStatusOrAPicture) {
  ImageLimits limits;
  limits.max_pixels = 1'000'000;  // a changed size shall not make the test slow
  std::mt19937 random(20240517);
  int num_files = 0;
  int num_refused = 0;
  for (const auto& row : read_golden_table("decode.tsv")) {
    if (!row[0].ends_with(GetParam())) continue;
    const std::vector<std::byte> whole = read_golden(row[0]);
    ASSERT_FALSE(whole.empty());
    for (int i = 0; i < kMutationsPerFile; ++i, ++num_files) {
      const std::vector<std::byte> bytes = mutated(whole, random);
      const Expected<ImageInfo> info = probe_image(bytes, limits);
      const Expected<Image> image = decode_image(bytes, limits);
      if (!image.is_ok()) {
        ++num_refused;
        EXPECT_FALSE(image.status().message().empty());
        continue;
      }
      ASSERT_TRUE(info.is_ok());
      EXPECT_EQ(image->size(), (ImageSize{info->width, info->height}));
      EXPECT_EQ(image->rgb.size(), static_cast<size_t>(image->width) * static_cast<size_t>(image->height) * 3);
    }
  }
  EXPECT_GE(num_files, 100);
  EXPECT_GE(num_refused, num_files / 4);
}

INSTANTIATE_TEST_SUITE_P(Formats, MutatedImage, testing::Values(".jpg", ".png", ".webp"),
                         [](const auto& format) { return std::string(format.param + 1); });

}  // namespace
}  // namespace saccade
