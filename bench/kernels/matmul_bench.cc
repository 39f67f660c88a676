// Products at the shapes of real models: prefill (many rows of x) in GFLOP/s, decoding (few) in GB/s of weights.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "kernels/isa.h"
#include "kernels/linear.h"
#include "kernels/packed_matmul.h"
#include "platform/thread_pool.h"
#include "tensor/dtype.h"

namespace saccade {
namespace {

/// Random bytes, with scales of about 1/128: what the values are does not change the time.
std::vector<std::byte> make_weights(DType dtype, int64_t n, int64_t k) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, k) * n));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0x1f);
  return bytes;
}

/// args: dtype, m, n, k, threads.
void matmul(benchmark::State& state) {
  const auto dtype = static_cast<DType>(state.range(0));
  const int64_t m = state.range(1), n = state.range(2), k = state.range(3);
  ThreadPool pool(static_cast<int>(state.range(4)));
  // As many copies as no cache holds, taken in turn.
  const int64_t num_copies = m > 16 ? 1 : std::max<int64_t>(1, 256'000'000 / (row_bytes(dtype, k) * n));
  const std::vector<std::byte> bytes = make_weights(dtype, n, k);
  std::vector<WeightMatrix> weights(static_cast<size_t>(num_copies));
  for (WeightMatrix& weight : weights) {
    weight = WeightMatrix({dtype, Shape{n, k}, bytes.data()});
    weight.pack(pool);
  }
  std::vector<float> x(static_cast<size_t>(m * k), 0.5f), y(static_cast<size_t>(m * n));
  size_t next = 0;
  for (auto _ : state) {
    LinearOutput output;
    output.weight = &weights[next++ % weights.size()];
    output.y = y.data();
    linear(pool, x.data(), m, output);
    benchmark::DoNotOptimize(y.data());
  }
  const auto iterations = static_cast<double>(state.iterations());
  state.SetLabel(std::string(traits_of(dtype).name) + " " + std::string(isa_name(active_isa().value())));
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(m * n * k) * iterations, benchmark::Counter::kIsRate);
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(row_bytes(dtype, k) * n) * iterations, benchmark::Counter::kIsRate);
}

BENCHMARK(matmul)
    ->ArgNames({"dtype", "m", "n", "k", "threads"})
    ->ArgsProduct({{1, 3, 4, 8, 9, 10}, {1, 8, 512}, {4096}, {4096}, {1, 2}})
    ->ArgsProduct({{1, 3}, {577}, {1024, 4096}, {1024}, {1, 2}})
    ->ArgsProduct({{3}, {1, 512}, {576, 1536}, {576, 1536}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace saccade
