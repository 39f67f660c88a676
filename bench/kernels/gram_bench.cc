// The products of a picture's tokens with one another, which strategies of compression go by.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/gram.h"
#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

/// args: rows, width, whether bf16 is allowed, threads. GFLOP/s of the half that is computed.
void products_of_rows(benchmark::State& state) {
  const int64_t n = state.range(0), k = state.range(1);
  ThreadPool pool(static_cast<int>(state.range(3)));
  const std::vector<float> rows = test::Random(1).normals(n * k);
  std::vector<float> out(static_cast<size_t>(n * n));
  for (auto _ : state) {
    gram(pool, {rows.data(), k, n, k, out.data(), n, state.range(2) != 0});
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["GFLOP/s"] = benchmark::Counter(
      1e-9 * static_cast<double>(n * n * k) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

BENCHMARK(products_of_rows)
    ->ArgNames({"rows", "width", "bf16", "threads"})
    ->Args({576, 4096, 1, 1})
    ->Args({576, 4096, 1, 2})
    ->Args({576, 4096, 0, 2})
    ->Args({576, 256, 1, 2})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace saccade
