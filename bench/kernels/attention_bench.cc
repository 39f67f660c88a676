// Attention at the shapes of real models: pictures (all patches see all), prefill (causal), decoding (one query).
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/attention.h"
#include "platform/thread_pool.h"
#include "tensor/dtype.h"

namespace saccade {
namespace {

/// args: queries, keys, heads, KV heads, head_dim, dtype of keys and values, threads. Queries are the last of the keys.
void attend(benchmark::State& state) {
  const int64_t num_queries = state.range(0), num_keys = state.range(1), num_heads = state.range(2);
  const int64_t num_kv_heads = state.range(3), head_dim = state.range(4);
  const auto dtype = static_cast<DType>(state.range(5));
  ThreadPool pool(static_cast<int>(state.range(6)));
  const int64_t head_bytes = row_bytes(dtype, head_dim);
  const std::vector<std::byte> keys(static_cast<size_t>(num_keys * num_kv_heads * head_bytes));
  const std::vector<std::byte> values = keys;
  const std::byte* key_block = keys.data();
  const std::byte* value_block = values.data();
  const std::vector<float> q(static_cast<size_t>(num_queries * num_heads * head_dim), 0.1f);
  std::vector<float> out(q.size());
  AttentionArgs args;
  args.q = q.data();
  args.q_stride = args.out_stride = num_heads * head_dim;
  // A head's rows side by side, as decoder/kv_cache.h keeps them.
  args.kv = {&key_block, &value_block, dtype, num_keys, head_bytes, num_keys * head_bytes};
  args.out = out.data();
  args.num_queries = num_queries;
  args.num_keys = num_keys;
  args.num_heads = num_heads;
  args.num_kv_heads = num_kv_heads;
  args.head_dim = head_dim;
  args.scale = 0.125f;
  args.is_causal = dtype != DType::kF32;
  args.first_visible = num_keys - num_queries;
  args.allows_bf16 = true;
  for (auto _ : state) {
    attention(pool, args);
    benchmark::DoNotOptimize(out.data());
  }
  const double mean_keys = args.is_causal ? static_cast<double>(num_keys) - static_cast<double>(num_queries) / 2
                                          : static_cast<double>(num_keys);
  const double flops = 4 * static_cast<double>(num_queries * num_heads * head_dim) * mean_keys;
  const auto iterations = static_cast<double>(state.iterations());
  state.SetLabel(std::string(traits_of(dtype).name));
  state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * flops * iterations, benchmark::Counter::kIsRate);
  state.counters["GB/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(keys.size()) * iterations, benchmark::Counter::kIsRate);
}

constexpr int kF32 = static_cast<int>(DType::kF32), kF16 = static_cast<int>(DType::kF16);
constexpr int kQ8_0 = static_cast<int>(DType::kQ8_0);

BENCHMARK(attend)
    ->ArgNames({"queries", "keys", "heads", "kv_heads", "head_dim", "dtype", "threads"})
    ->Args({577, 577, 16, 16, 64, kF32, 2})    // CLIP ViT-L/14-336
    ->Args({1024, 1024, 12, 12, 64, kF32, 2})  // SigLIP-B/16-512
    ->Args({1600, 1600, 16, 16, 80, kF32, 2})  // Qwen2-VL, 560 x 560
    ->Args({512, 512, 32, 32, 128, kF16, 2})   // 7B, prefill
    ->Args({512, 4096, 32, 32, 128, kF16, 2})  // the end of a long prompt
    ->Args({512, 512, 9, 3, 64, kF16, 2})      // SmolLM2-135M
    ->Args({1, 600, 4, 4, 64, kF16, 2})        // decoding: the small model,
    ->Args({1, 4096, 32, 32, 128, kF16, 2})    // and 7B
    ->Args({1, 4096, 32, 32, 128, kQ8_0, 2})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace saccade
