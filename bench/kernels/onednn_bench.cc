// oneDNN's products at the shapes of matmul_bench.cc, with weights reordered to whatever layout it likes best.
#include <benchmark/benchmark.h>
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>

namespace {

using dnnl::memory;

/// args: 0 f32, 1 bf16, 2 int8 (unsigned x, signed weights, s32 sums: no scales, so less than our products do); m, n,
/// k, threads.
void onednn_matmul(benchmark::State& state) {
  const int kind = static_cast<int>(state.range(0));
  const int64_t m = state.range(1), n = state.range(2), k = state.range(3);
  omp_set_num_threads(static_cast<int>(state.range(4)));
  const auto x_type = kind == 0 ? memory::data_type::f32 : kind == 1 ? memory::data_type::bf16 : memory::data_type::u8;
  const auto weight_type = kind == 2 ? memory::data_type::s8 : x_type;
  const auto y_type = kind == 2 ? memory::data_type::s32 : memory::data_type::f32;
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::matmul::desc desc(memory::desc({m, k}, x_type, memory::format_tag::ab),
                                memory::desc({k, n}, weight_type, memory::format_tag::any),
                                memory::desc({m, n}, y_type, memory::format_tag::ab));
  const dnnl::matmul::primitive_desc primitive_desc(desc, engine);
  memory x(primitive_desc.src_desc(), engine), weights(primitive_desc.weights_desc(), engine);
  memory y(primitive_desc.dst_desc(), engine);
  dnnl::matmul matmul(primitive_desc);
  for (auto _ : state) {
    matmul.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, y}});
    stream.wait();
  }
  const dnnl_version_t* version = dnnl_version();
  state.SetLabel(std::string(kind == 0   ? "f32"
                             : kind == 1 ? "bf16"
                                         : "int8") +
                 " oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + ", " +
                 primitive_desc.impl_info_str());
  state.counters["GFLOP/s"] = benchmark::Counter(
      2e-9 * static_cast<double>(m * n * k) * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

BENCHMARK(onednn_matmul)
    ->ArgNames({"kind", "m", "n", "k", "threads"})
    ->ArgsProduct({{0, 1, 2}, {512}, {4096}, {4096}, {1, 2}})
    ->ArgsProduct({{0, 1, 2}, {577}, {1024, 4096}, {1024}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
