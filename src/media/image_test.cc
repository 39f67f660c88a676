#include "media/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "media/golden_pixels.h"
#include "platform/clock.h"

namespace saccade {
namespace {

using testing::HasSubstr;
using std::string_view_literals::operator""sv;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

TEST(DecodeImage, MatchesPillow) {
  const auto table = read_golden_table("decode.tsv");
  ASSERT_GE(table.size(), 35u);
  for (const auto& row : table) {
    const Expected<Image> image = decode_image(read_golden(row[0]));
    ASSERT_TRUE(image.is_ok()) << row[0] << ": " << image.status().message();
    EXPECT_EQ(image->width, std::stoi(row[1])) << row[0];
    EXPECT_EQ(image->height, std::stoi(row[2])) << row[0];
    EXPECT_EQ(crc_of(*image), crc_in(row[3])) << row[0];
  }
}

TEST(ProbeImage, AgreesWithDecode) {
  for (const auto& row : read_golden_table("decode.tsv")) {
    const Expected<ImageInfo> info = probe_image(read_golden(row[0]));
    ASSERT_TRUE(info.is_ok()) << row[0] << ": " << info.status().message();
    EXPECT_EQ(info->width, std::stoi(row[1])) << row[0];
    EXPECT_EQ(info->height, std::stoi(row[2])) << row[0];
    const size_t number = row[0].find("orientation_");
    const bool is_numbered = number == 0 && row[0] != "orientation_late.png";
    EXPECT_EQ(info->exif_orientation, is_numbered                        ? row[0][12] - '0'
                                      : row[0] == "orientation_late.png" ? 8
                                                                         : 1)
        << row[0];
  }
}

TEST(DecodeImage, RefusesAnAnimation) {
  const Expected<Image> image = decode_image(read_golden("animation.webp"));
  ASSERT_FALSE(image.is_ok());
  EXPECT_EQ(image.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(image.status().message(), HasSubstr("animation"));
}

TEST(DecodeImage, NamesWhatIsNoPicture) {
  const struct {
    std::string_view bytes;
    const char* name;
  } kFiles[] = {{"Just a shopping list\nmilk\n", "plain text"},
                {"BMW is a maker of cars", "plain text"},
                {"GIF89a\1\0\1\0", "GIF"},
                {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0"sv, "BMP"},
                {"II*\0\x08\0\0\0"sv, "TIFF"},
                {"\0\0\0\x1c"
                 "ftypheic"sv,
                 "HEIC"},
                {"\0\0\0\x1c"
                 "ftypavif"sv,
                 "AVIF"},
                {"%PDF-1.7", "PDF"},
                {"<?xml version='1.0'?><svg xmlns='x'/>", "SVG"},
                {"<!DOCTYPE HTML><html></html>", "HTML"},
                {"RIFF\1\0\0\0WAVE"sv, "WAV"},
                {"\x01\x02\xff\xfe", "no format known"}};
  for (const auto& file : kFiles) {
    const Expected<Image> image = decode_image(bytes_of(file.bytes));
    ASSERT_FALSE(image.is_ok()) << file.name;
    EXPECT_EQ(image.status().code(), StatusCode::kUnsupported) << file.name;
    EXPECT_THAT(image.status().message(), HasSubstr("not a JPEG, PNG or WebP picture (starts with \""));
    EXPECT_THAT(image.status().message(), HasSubstr(file.name));
  }
  EXPECT_EQ(decode_image({}).status().code(), StatusCode::kCorruptData);
}

TEST(DecodeImage, ChecksTheFileSizeFirst) {
  ImageLimits limits;
  limits.max_file_bytes = 100;
  const Expected<Image> image = decode_image(read_golden("rgb.png"), limits);
  ASSERT_FALSE(image.is_ok());
  EXPECT_EQ(image.status().code(), StatusCode::kResourceExhausted);
}

TEST(DecodeImage, ChecksTheSizeInPixels) {
  for (const char* name : {"rgb.png", "baseline_420.jpg", "lossy.webp"}) {
    ImageLimits limits;
    limits.max_pixels = 37 * 23 - 1;
    EXPECT_EQ(decode_image(read_golden(name), limits).status().code(), StatusCode::kResourceExhausted) << name;
    limits = {};
    limits.max_side = 36;
    EXPECT_EQ(decode_image(read_golden(name), limits).status().code(), StatusCode::kResourceExhausted) << name;
    limits.max_side = 37;
    limits.max_pixels = 37 * 23;
    EXPECT_TRUE(decode_image(read_golden(name), limits).is_ok()) << name;
  }
}

/// `bytes` with `patch` written at `position`.
std::vector<std::byte> patched(std::vector<std::byte> bytes, size_t position, std::string_view patch) {
  for (size_t i = 0; i < patch.size(); ++i) bytes[position + i] = static_cast<std::byte>(patch[i]);
  return bytes;
}

/// Where a JPEG's frame header gives the height; the width follows.
size_t frame_size_position(const std::vector<std::byte>& jpeg) {
  for (size_t i = 2; i + 9 < jpeg.size(); ++i) {
    const int marker = std::to_integer<int>(jpeg[i + 1]);
    if (std::to_integer<int>(jpeg[i]) == 0xff && (marker == 0xc0 || marker == 0xc2)) return i + 5;
  }
  return 0;
}

TEST(DecodeImage, RefusesBombsByTheirHeader) {
  const std::vector<std::byte> jpeg = read_golden("baseline_420.jpg");
  // The lossless WebP header is 14 bits of width - 1 and 14 of height - 1 after the signature byte.
  const std::vector<std::vector<std::byte>> bombs = {
      patched(read_golden("rgb.png"), 16, "\0\0\xea\x60\0\0\xea\x60"sv),        // 60000 x 60000
      patched(read_golden("rgb.png"), 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff"),  // 2^31 - 1
      patched(jpeg, frame_size_position(jpeg), "\xff\xdc\xff\xdc"),             // 65500 x 65500
      patched(jpeg, frame_size_position(jpeg), "\xff\xff\xff\xff"),             // 65535 x 65535
      patched(read_golden("lossless.webp"), 21, "\xff\xff\xff\x0f"),            // 16384 x 16384
  };
  const Stopwatch stopwatch;
  for (size_t i = 0; i < bombs.size(); ++i) {
    const Expected<Image> image = decode_image(bombs[i]);
    ASSERT_FALSE(image.is_ok()) << i;
    EXPECT_EQ(image.status().code(), StatusCode::kResourceExhausted) << i << ": " << image.status().message();
  }
  EXPECT_LT(stopwatch.elapsed_ms(), 100);
}

/// Where the next marker with this code stands, from `position` on.
size_t find_marker(const std::vector<std::byte>& jpeg, size_t position, int code) {
  while (!(jpeg[position] == std::byte{0xff} && std::to_integer<int>(jpeg[position + 1]) == code)) ++position;
  return position;
}

TEST(DecodeImage, StopsAtTooManyScans) {
  std::vector<std::byte> jpeg = read_golden("progressive_422.jpg");
  // The first scan, of the coarsest coefficients, can be read any number of times; the next one brings its own tables.
  const size_t scan = find_marker(jpeg, 0, 0xda);
  const size_t next = find_marker(jpeg, scan + 2, 0xc4);
  const std::vector<std::byte> first(jpeg.begin() + static_cast<ptrdiff_t>(scan),
                                     jpeg.begin() + static_cast<ptrdiff_t>(next));
  jpeg.insert(jpeg.begin() + static_cast<ptrdiff_t>(next), first.begin(), first.end());
  EXPECT_TRUE(decode_image(jpeg).is_ok()) << decode_image(jpeg).status().message();
  for (int i = 0; i < 200; ++i) {
    jpeg.insert(jpeg.begin() + static_cast<ptrdiff_t>(next), first.begin(), first.end());
  }
  const Expected<Image> image = decode_image(jpeg);
  ASSERT_FALSE(image.is_ok());
  EXPECT_EQ(image.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(image.status().message(), HasSubstr("scans"));
}

TEST(DecodeImage, RefusesEveryTruncation) {
  for (const char* name : {"baseline_420.jpg", "progressive_422.jpg", "restarts.jpg", "rgb_interlaced.png",
                           "palette.png", "lossy_alpha.webp", "lossless.webp", "orientation_5.webp"}) {
    const std::vector<std::byte> whole = read_golden(name);
    ASSERT_TRUE(decode_image(whole).is_ok()) << name;
    for (size_t length = 12; length < whole.size(); length += 1 + whole.size() / 150) {
      const Expected<Image> image = decode_image(std::span(whole).first(length));
      ASSERT_FALSE(image.is_ok()) << name << " cut to " << length << " of " << whole.size();
      EXPECT_EQ(image.status().code(), StatusCode::kCorruptData) << name << ": " << image.status().message();
    }
    EXPECT_FALSE(decode_image(std::span(whole).first(whole.size() - 1)).is_ok()) << name;
  }
}

TEST(DecodeImage, SaysWhereAPictureIsDamaged) {
  const std::vector<std::byte> png = read_golden("rgb.png");
  const Expected<Image> image = decode_image(std::span(png).first(png.size() / 2));
  EXPECT_THAT(image.status().message(), HasSubstr("PNG picture is damaged near byte"));
  const std::vector<std::byte> jpeg = read_golden("baseline_420.jpg");
  const Expected<Image> cut = decode_image(std::span(jpeg).first(jpeg.size() - 100));
  EXPECT_THAT(cut.status().message(), HasSubstr("JPEG picture is damaged near byte"));
}

}  // namespace
}  // namespace saccade
