// Norms and activations: bytes read and written a second, on rows that the caches do not hold.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/activation.h"
#include "kernels/norm.h"
#include "platform/thread_pool.h"

namespace saccade {
namespace {

constexpr int64_t kRows = 4096;

void count_bytes(benchmark::State& state, int64_t floats) {
  const double bytes = 4.0 * static_cast<double>(floats) * static_cast<double>(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(1e-9 * bytes, benchmark::Counter::kIsRate);
}

/// args: width, threads.
void rms_norms(benchmark::State& state) {
  const int64_t dim = state.range(0);
  ThreadPool pool(static_cast<int>(state.range(1)));
  const std::vector<float> x(static_cast<size_t>(kRows * dim), 0.5f), weight(static_cast<size_t>(dim), 1.0f);
  std::vector<float> y(x.size());
  for (auto _ : state) rms_norm(pool, x.data(), weight.data(), 1e-5f, kRows, dim, y.data());
  count_bytes(state, 2 * kRows * dim);
}

void layer_norms(benchmark::State& state) {
  const int64_t dim = state.range(0);
  ThreadPool pool(static_cast<int>(state.range(1)));
  const std::vector<float> x(static_cast<size_t>(kRows * dim), 0.5f), weight(static_cast<size_t>(dim), 1.0f);
  std::vector<float> y(x.size());
  for (auto _ : state) layer_norm(pool, x.data(), weight.data(), weight.data(), 1e-5f, kRows, dim, y.data());
  count_bytes(state, 2 * kRows * dim);
}

/// args: activation.
void activations(benchmark::State& state) {
  const auto activation = static_cast<Activation>(state.range(0));
  std::vector<float> x(size_t{1} << 22, 0.5f);
  for (auto _ : state) activate(activation, x.data(), static_cast<int64_t>(x.size()));
  count_bytes(state, 2 * static_cast<int64_t>(x.size()));
}

BENCHMARK(rms_norms)->ArgNames({"dim", "threads"})->ArgsProduct({{576, 4096}, {1, 2}})->UseRealTime();
BENCHMARK(layer_norms)->ArgNames({"dim", "threads"})->ArgsProduct({{1024}, {1, 2}})->UseRealTime();
BENCHMARK(activations)->ArgName("activation")->DenseRange(0, static_cast<int>(Activation::kSilu));

}  // namespace
}  // namespace saccade
