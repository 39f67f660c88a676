// JPEGs decoded at a part of their size: which part, and what is lost by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "media/golden_pixels.h"
#include "media/orientation.h"
#include "media/pixel_batch.h"
#include "media/resize.h"

namespace saccade {
namespace {

// One for each kind of JPEG that is read by another path; all are 37 x 23 pixels.
const char* const kJpegs[] = {"baseline_420.jpg", "baseline_444.jpg", "progressive_422.jpg", "grey.jpg",
                              "cmyk.jpg",         "ycck.jpg",         "restarts.jpg"};

double mean_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

TEST(DecodeReduced, TakesTheLeastSizeThatIsLargeEnough) {
  const struct {
    ImageSize smallest;
    int reduction;
    ImageSize size;
  } kCases[] = {{{37, 23}, 1, {37, 23}}, {{19, 1}, 1, {37, 23}}, {{1, 12}, 1, {37, 23}}, {{18, 11}, 2, {19, 12}},
                {{10, 5}, 2, {19, 12}},  {{9, 5}, 4, {10, 6}},   {{5, 1}, 4, {10, 6}},   {{4, 2}, 8, {5, 3}},
                {{1, 1}, 8, {5, 3}},     {{99, 1}, 1, {37, 23}}};
  for (const char* name : kJpegs) {
    for (const auto& expected : kCases) {
      const auto decoded = decode_reduced(read_golden(name), expected.smallest);
      ASSERT_TRUE(decoded.is_ok()) << name << ": " << decoded.status().message();
      EXPECT_EQ(decoded->reduction, expected.reduction) << name << " to " << expected.smallest.width;
      EXPECT_EQ(decoded->image.size(), expected.size) << name;
      EXPECT_EQ(decoded->original, (ImageSize{37, 23})) << name;
    }
  }
}

TEST(DecodeReduced, ShowsTheSamePicture) {
  ThreadPool pool(2);
  for (const char* name : kJpegs) {
    const auto whole = decode_image(read_golden(name));
    ASSERT_TRUE(whole.is_ok()) << name;
    for (const ImageSize size : {ImageSize{18, 11}, ImageSize{9, 5}, ImageSize{4, 2}}) {
      const auto reduced = decode_reduced(read_golden(name), size);
      ASSERT_TRUE(reduced.is_ok()) << name;
      const Image exact = resize(at_full_size(*whole), size, ResizeFilter::kBicubic, pool);
      EXPECT_LT(mean_difference(resize(*reduced, size, ResizeFilter::kBicubic, pool), exact), 6) << name << size.width;
    }
  }
}

TEST(DecodeReduced, LeavesOtherFormatsAlone) {
  for (const char* name : {"rgb.png", "lossy.webp"}) {
    const auto decoded = decode_reduced(read_golden(name), {1, 1});
    ASSERT_TRUE(decoded.is_ok()) << name;
    EXPECT_EQ(decoded->reduction, 1);
    EXPECT_EQ(decoded->image.rgb, decode_image(read_golden(name))->rgb);
  }
}

/// `jpeg`, whose EXIF block says 1, with another orientation.
std::vector<std::byte> with_orientation(std::vector<std::byte> jpeg, int orientation) {
  for (size_t i = 0; i + 12 < jpeg.size(); ++i) {
    const auto at = [&](size_t offset) { return std::to_integer<int>(jpeg[i + offset]); };
    const bool is_big_endian = at(0) == 0x01 && at(1) == 0x12;
    if (!is_big_endian && !(at(0) == 0x12 && at(1) == 0x01)) continue;
    jpeg[i + (is_big_endian ? 9 : 8)] = static_cast<std::byte>(orientation);
    return jpeg;
  }
  ADD_FAILURE() << "no orientation in the file";
  return jpeg;
}

// 37 and 23 are no multiples of the reductions, so a turned picture begins within a pixel.
TEST(DecodeReduced, TurnsThePictureAboutItsOwnEdges) {
  ThreadPool pool(2);
  const std::vector<std::byte> upright = read_golden("orientation_1.jpg");
  const ImageSize size = probe_image(upright).is_ok() ? decode_image(upright)->size() : ImageSize{};
  for (const int reduction : {2, 4}) {
    const ImageSize smallest = {size.width / reduction, size.height / reduction};
    const auto expected = decode_reduced(upright, smallest);
    ASSERT_TRUE(expected.is_ok());
    ASSERT_EQ(expected->reduction, reduction);
    const Image resized = resize(*expected, smallest, ResizeFilter::kBicubic, pool);
    for (int orientation = 2; orientation <= 8; ++orientation) {
      const auto turned = decode_reduced(with_orientation(upright, orientation), oriented_size(smallest, orientation));
      ASSERT_TRUE(turned.is_ok());
      ASSERT_EQ(turned->reduction, reduction);
      EXPECT_EQ(turned->original, oriented_size(size, orientation));
      const Image actual = resize(*turned, oriented_size(smallest, orientation), ResizeFilter::kBicubic, pool);
      EXPECT_LT(mean_difference(actual, apply_orientation(resized, orientation)), 0.5)
          << "1/" << reduction << ", orientation " << orientation;
    }
  }
}

TEST(DecodeReduced, RefusesWhatTheWholePictureRefuses) {
  for (const char* name : {"baseline_420.jpg", "progressive_422.jpg", "restarts.jpg"}) {
    const std::vector<std::byte> whole = read_golden(name);
    for (size_t length = 12; length < whole.size(); length += 1 + whole.size() / 150) {
      const auto decoded = decode_reduced(std::span(whole).first(length), {1, 1});
      ASSERT_FALSE(decoded.is_ok()) << name << " cut to " << length;
      EXPECT_EQ(decoded.status().code(), StatusCode::kCorruptData) << name;
    }
    ImageLimits limits;
    limits.max_pixels = 37 * 23 - 1;
    EXPECT_EQ(decode_reduced(whole, {1, 1}, limits).status().code(), StatusCode::kResourceExhausted) << name;
  }
}

/// A slope, drawn at 1/`reduction` of its size with its corner at (left, top): each pixel is the mean of what it
/// covers.
Image slope(ImageSize size, int reduction, double left, double top) {
  Image image = make_image(size);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const double across = (x - left + 0.5) * reduction;
      const double down = (y - top + 0.5) * reduction;
      image.pixel(x, y)[0] = static_cast<uint8_t>(std::lround(20 + 0.93 * across));
      image.pixel(x, y)[1] = static_cast<uint8_t>(std::lround(20 + 0.93 * down));
      image.pixel(x, y)[2] = static_cast<uint8_t>(std::lround(20 + 0.31 * (across + down)));
    }
  }
  return image;
}

/// The mean of all values but those near the tiles' edges, where padding may begin.
double mean_of_middles(const PixelBatch& batch) {
  const int64_t height = batch.height();
  const int64_t width = batch.width();
  double sum = 0;
  int64_t count = 0;
  for (int64_t row = 0; row < batch.pixels.shape().num_rows(); ++row) {
    if (row % height < height * 3 / 10 || row % height >= height * 7 / 10) continue;
    for (int64_t x = width * 3 / 10; x < width * 7 / 10; ++x, ++count) {
      sum += static_cast<double>(batch.pixels.row(row)[static_cast<size_t>(x)]);
    }
  }
  return sum / static_cast<double>(count);
}

TEST(PreparePixels, PutsAReducedPictureWhereTheWholeOneGoes) {
  ThreadPool pool(2);
  const PixelSpec specs[] = {SquareSpec{.size = 56}, SquareSpec{.size = 28, .is_padded = false},
                             AnyResolutionSpec{.size = 28, .pinpoints = {{56, 28}, {28, 56}, {56, 56}, {84, 28}}},
                             TileSpec{.tile_size = 16, .longest_edge = 64},
                             DynamicResolutionSpec{.min_pixels = 28 * 28, .max_pixels = 28 * 28 * 4}};
  for (const ImageSize original : {ImageSize{237, 133}, ImageSize{131, 222}}) {
    for (const PixelSpec& spec : specs) {
      const auto whole = prepare_pixels(at_full_size(slope(original, 1, 0, 0)), spec, pool);
      ASSERT_TRUE(whole.is_ok()) << whole.status().message();
      for (const double begin : {0.0, 0.5}) {
        const ImageSize half = {(original.width + 1) / 2, (original.height + 1) / 2};
        const double left = original.width % 2 * begin;
        const double top = original.height % 2 * begin;
        const auto reduced = prepare_pixels({slope(half, 2, left, top), original, 2, left, top}, spec, pool);
        ASSERT_TRUE(reduced.is_ok()) << reduced.status().message();
        ASSERT_EQ(reduced->pixels.shape(), whole->pixels.shape());
        EXPECT_EQ(reduced->original, original);
        EXPECT_NEAR(255 * (mean_of_middles(*whole) - mean_of_middles(*reduced)), 0, 0.15)  // half a pixel makes it 0.4
            << spec.index() << " of " << original.width << ", begins at " << begin;
      }
    }
  }
}

}  // namespace
}  // namespace saccade
