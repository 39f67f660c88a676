#include "media/png_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "media/golden_pixels.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

TEST(PngWriter, WritesWhatTheReaderReads) {
  for (const ImageSize size : {ImageSize{1, 1}, {3, 200}, {133, 71}, {640, 2}}) {
    const Image image = synthetic_picture(size.width, size.height);
    const auto bytes = encode_png(image);
    ASSERT_TRUE(bytes.is_ok());
    const auto read = decode_image(*bytes);
    ASSERT_TRUE(read.is_ok()) << read.status().message();
    EXPECT_EQ(read->size(), size);
    EXPECT_EQ(read->rgb, image.rgb);
  }
}

TEST(PngWriter, RefusesAnEmptyPicture) {
  EXPECT_EQ(encode_png(Image{}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(encode_png(make_image({3, 0})).status().code(), StatusCode::kInvalidArgument);
}

TEST(PngWriter, ReplacesTheFileWhole) {
  const std::string path = testing::TempDir() + "png_writer_test.png";
  for (const int side : {9, 4}) {
    const Image image = synthetic_picture(side, side);
    ASSERT_TRUE(write_png(image, path).is_ok());
    const auto bytes = read_whole_file(path, 1 << 20);
    ASSERT_TRUE(bytes.is_ok());
    EXPECT_EQ(decode_image(*bytes)->rgb, image.rgb);
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  std::filesystem::remove(path);
  EXPECT_EQ(write_png(synthetic_picture(2, 2), "no/such/folder/x.png").code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace saccade
