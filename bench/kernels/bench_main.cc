#include <benchmark/benchmark.h>

#include <cstdio>

#include "kernels/isa.h"
#include "kernels/machine_limits.h"
#include "platform/thread_pool.h"

/// Prints the machine's limits in front of the table: what the figures are to be held against.
int main(int argc, char** argv) {
  const saccade::Expected<saccade::Isa> isa = saccade::active_isa();
  if (!isa) {
    std::fprintf(stderr, "%s\n", isa.status().message().c_str());
    return 2;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const int num_threads : {1, 2}) {
    saccade::ThreadPool pool(num_threads);
    const saccade::MachineLimits limits = saccade::measure_limits(pool);
    std::fprintf(stderr, "limits, %s, %d threads: f32 %.0f, bf16 %.0f, int8 %.0f GFLOP/s; memory %.1f GB/s\n",
                 std::string(saccade::isa_name(*isa)).c_str(), num_threads, limits.gops_of(saccade::NumberKind::kF32),
                 limits.gops_of(saccade::NumberKind::kBf16), limits.gops_of(saccade::NumberKind::kInt8),
                 limits.memory_gbytes);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
