// What `saccade inspect --image` measures of a picture's pixels, at one megapixel: a photograph (gradients and noise),
// a page (lines of dark strokes on paper) and one that is all the same, which is compared to its end everywhere.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>

#include "media/redundancy.h"

namespace saccade {
namespace {

constexpr ImageSize kSize = {1024, 1024};
constexpr ImageSize kCell = {28, 28};

Image photograph() {
  Image image = make_image(kSize);
  std::mt19937 random(1);
  for (int y = 0; y < kSize.height; ++y) {
    for (int x = 0; x < kSize.width; ++x) {
      const double light = 120 + 80 * std::sin(x / 90.0) * std::cos(y / 70.0);
      for (int c = 0; c < 3; ++c) {
        image.pixel(x, y)[c] = static_cast<uint8_t>(light + 12 * c + static_cast<double>(random() % 9));
      }
    }
  }
  return image;
}

Image page() {
  Image image = make_image(kSize);
  for (uint8_t& level : image.rgb) level = 247;
  std::mt19937 random(1);
  for (int top = 64; top + 64 < kSize.height; top += 20) {
    for (int left = 64; left + 64 < kSize.width; left += 8) {
      if (random() % 6 == 0) continue;  // between words
      for (int y = top; y < top + 11; ++y) {
        const int x = left + static_cast<int>(random() % 6);
        for (int c = 0; c < 6; ++c) image.pixel(x, y)[c] = 20;
      }
    }
  }
  return image;
}

void measure(benchmark::State& state, Image (*make)()) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  const Image image = make();
  for (auto _ : state) benchmark::DoNotOptimize(measure_redundancy(image, kCell, pool).edge_share);
}

void on_threads(benchmark::internal::Benchmark* bench) {
  bench->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(measure, redundancy_of_photograph, photograph)->Apply(on_threads);
BENCHMARK_CAPTURE(measure, redundancy_of_page, page)->Apply(on_threads);
BENCHMARK_CAPTURE(measure, redundancy_of_flat, [] { return make_image(kSize); })->Apply(on_threads);

}  // namespace
}  // namespace saccade
