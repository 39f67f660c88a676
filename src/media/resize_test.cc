#include "media/resize.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "media/golden_pixels.h"
#include "media/resample.h"
#include "platform/clock.h"

namespace saccade {
namespace {

ResizeFilter filter_named(const std::string& name) {
  if (name == "bilinear") return ResizeFilter::kBilinear;
  return name == "bicubic" ? ResizeFilter::kBicubic : ResizeFilter::kLanczos;
}

Image resize(const Image& image, int width, int height, ResizeFilter filter, int num_threads = 2) {
  ThreadPool pool(num_threads);
  return resize(at_full_size(image), {width, height}, filter, pool);
}

TEST(Resize, IsBitExactWithPillow) {
  const auto table = read_golden_table("resize.tsv");
  ASSERT_GE(table.size(), 40u);
  for (const auto& row : table) {
    const Image source = synthetic_picture(std::stoi(row[0]), std::stoi(row[1]));
    const Image resized = resize(source, std::stoi(row[3]), std::stoi(row[4]), filter_named(row[2]));
    EXPECT_EQ(crc_of(resized), crc_in(row[5]))
        << row[0] << " x " << row[1] << " " << row[2] << " to " << row[3] << " x " << row[4];
  }
}

TEST(Resize, LeavesTheSameSizeAlone) {
  const Image source = synthetic_picture(31, 17);
  for (const ResizeFilter filter : {ResizeFilter::kBilinear, ResizeFilter::kBicubic, ResizeFilter::kLanczos}) {
    EXPECT_EQ(resize(source, 31, 17, filter).rgb, source.rgb);
  }
}

TEST(Resize, KeepsAFlatColour) {
  Image source = make_image({13, 29});
  for (uint8_t& value : source.rgb) value = 255;
  for (const uint8_t value : resize(source, 57, 5, ResizeFilter::kLanczos).rgb) EXPECT_EQ(value, 255);
}

/// The canvas that PaddedImage only describes.
Image drawn(const PaddedImage& padded) {
  Image canvas = make_image(padded.canvas);
  for (int y = 0; y < canvas.height; ++y) {
    for (int x = 0; x < canvas.width; ++x) {
      const int inner_x = x - padded.left;
      const int inner_y = y - padded.top;
      const bool is_inside =
          inner_x >= 0 && inner_x < padded.image.width && inner_y >= 0 && inner_y < padded.image.height;
      for (int c = 0; c < 3; ++c) {
        canvas.pixel(x, y)[c] =
            is_inside ? padded.image.pixel(inner_x, inner_y)[c] : padded.color[static_cast<size_t>(c)];
      }
    }
  }
  return canvas;
}

TEST(Resample, PaddingAndWindowEqualThePictureDrawnAndCut) {
  ThreadPool pool(2);
  std::mt19937 random(7);
  const auto up_to = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  for (int trial = 0; trial < 200; ++trial) {
    const Image image = synthetic_picture(1 + up_to(40), 1 + up_to(40));
    const PaddedImage padded{
        image, {image.width + up_to(60), image.height + up_to(60)}, 0, 0, {static_cast<uint8_t>(up_to(256)), 104, 250}};
    PaddedImage placed = padded;
    placed.left = up_to(padded.canvas.width - image.width + 1);
    placed.top = up_to(padded.canvas.height - image.height + 1);
    const ImageSize output = trial % 5 == 0 ? padded.canvas : ImageSize{1 + up_to(80), 1 + up_to(80)};
    Window window{up_to(output.width), up_to(output.height), {}};
    window.size = {1 + up_to(output.width - window.left), 1 + up_to(output.height - window.top)};
    const auto filter = static_cast<ResizeFilter>(trial % 3);

    Image actual = make_image(window.size);
    const Box box = {0, 0, static_cast<double>(placed.canvas.width), static_cast<double>(placed.canvas.height)};
    resample(placed, box, output, window, filter, pool, [&](int y, const uint8_t* row) {
      std::memcpy(actual.pixel(0, y), row, static_cast<size_t>(actual.width) * 3);
    });
    const Image whole = resize(drawn(placed), output.width, output.height, filter);
    for (int y = 0; y < window.size.height; ++y) {
      for (int x = 0; x < window.size.width; ++x) {
        for (int c = 0; c < 3; ++c) {
          ASSERT_EQ(actual.pixel(x, y)[c], whole.pixel(window.left + x, window.top + y)[c]) << "trial " << trial;
        }
      }
    }
  }
}

TEST(Resize, ShrinksTwelveMegapixelsWithoutDelay) {
  const Image source = synthetic_picture(4000, 3000);
  const Stopwatch stopwatch;
  const Image resized = resize(source, 336, 252, ResizeFilter::kBicubic);
  RecordProperty("milliseconds", static_cast<int>(stopwatch.elapsed_ms()));
  EXPECT_EQ(resized.rgb.size(), 336u * 252 * 3);
  EXPECT_LT(stopwatch.elapsed_ms(), 10'000);  // about 100 when optimised; a sanitizer takes longer
}

}  // namespace
}  // namespace saccade
