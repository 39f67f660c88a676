// Every strategy on a picture of LLaVA-1.5's size (128 of 576 tokens, 4096 wide) and of the small model's (144 of 576,
// 256 wide): from vectors to what is kept, checks included, and from there to the vectors that the decoder gets.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "compression/apply_reduction.h"
#include "compression/strategy.h"
#include "compression/test_picture.h"
#include "kernels/isa.h"
#include "platform/thread_pool.h"

namespace saccade {
namespace {

struct Size {
  int64_t keep;
  int64_t dim;
};

void choose(benchmark::State& state, const Strategy& strategy, Size size, int num_threads) {
  ThreadPool pool(num_threads);
  const test::TestPicture picture(24, 24, size.dim, 1);
  const CompressionInput input = picture.input();
  for (auto _ : state) {
    const Expected<Reduction> reduction = reduce(pool, strategy, input, {.keep = size.keep});
    if (!reduction) return state.SkipWithError(reduction.status().message().c_str());
    benchmark::DoNotOptimize(reduction->ranking.data());
  }
}

void apply(benchmark::State& state, const Strategy& strategy, Size size, int num_threads) {
  ThreadPool pool(num_threads);
  test::TestPicture picture(24, 24, size.dim, 1);
  const Reduction reduction = reduce(pool, strategy, picture.input(), {.keep = size.keep}).value();
  MediaTokens tokens;
  tokens.vectors = std::move(picture.vectors);
  tokens.places = picture.places;
  for (auto _ : state) benchmark::DoNotOptimize(apply_reduction(pool, reduction, tokens).places.data());
}

void register_all() {
  for (const Size size : {Size{128, 4096}, Size{144, 256}}) {
    const std::string suffix = "/" + std::to_string(size.keep) + "_of_576/width:" + std::to_string(size.dim);
    for (const int num_threads : {1, 2}) {
      const std::string threads = "/threads:" + std::to_string(num_threads);
      for (const Strategy& strategy : strategies()) {
        const std::string name(strategy.name);
        benchmark::RegisterBenchmark(("choose/" + name + suffix + threads).c_str(), choose, strategy, size, num_threads)
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
        if (strategy.name != "random" && strategy.name != "visionzip" && strategy.name != "tome") continue;
        benchmark::RegisterBenchmark(("apply/" + name + suffix + threads).c_str(), apply, strategy, size, num_threads)
            ->UseRealTime()
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  const saccade::Expected<saccade::Isa> isa = saccade::active_isa();
  if (!isa) {
    std::fprintf(stderr, "%s\n", isa.status().message().c_str());
    return 2;
  }
  std::fprintf(stderr, "ISA: %s\n", std::string(saccade::isa_name(*isa)).c_str());
  saccade::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
