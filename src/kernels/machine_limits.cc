#include "kernels/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/panel_format.h"
#include "platform/clock.h"
#include "platform/huge_buffer.h"

namespace saccade {
namespace {

constexpr int kRepeats = 5;  // the best counts: whatever else runs can only slow a measurement down

double spin_gops(ThreadPool& pool, Leaf::Spin spin) {
  if (spin == nullptr) return 0;
  const int64_t num_threads = pool.num_threads();
  constexpr int64_t kSteps = 300'000;
  double best = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::atomic<double> ops = 0;
    const Stopwatch clock;
    pool.parallel_for(num_threads, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) ops.fetch_add(spin(kSteps));
    });
    best = std::max(best, ops.load() / (clock.elapsed_ms() * 1e6));
  }
  return best;
}

double stream_gbytes(ThreadPool& pool, const Leaf& leaf) {
  if (leaf.read_stream == nullptr) return 0;
  constexpr int64_t kBytes = int64_t{512} << 20;
  constexpr int64_t kPiece = int64_t{1} << 20;
  HugeBuffer buffer(kBytes);
  std::memset(buffer.data(), 1, kBytes);
  std::atomic<uint64_t> sink = 0;
  double best = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const Stopwatch clock;
    pool.parallel_for(kBytes / kPiece, 8, [&](int64_t begin, int64_t end, int) {
      sink.fetch_xor(leaf.read_stream(buffer.data() + begin * kPiece, (end - begin) * kPiece));
    });
    best = std::max(best, static_cast<double>(kBytes) / (clock.elapsed_ms() * 1e6));
  }
  return best;
}

}  // namespace

MachineLimits measure_limits(ThreadPool& pool) {
  const Leaf& leaf = active_leaf();
  MachineLimits limits;
  for (size_t i = 0; i < kNumNumberKinds; ++i) limits.gops[i] = spin_gops(pool, leaf.spin[i]);
  limits.memory_gbytes = stream_gbytes(pool, leaf);
  return limits;
}

NumberKind number_kind_of(DType weight, int64_t num_rows) {
  const Leaf& leaf = active_leaf();
  const auto idx = static_cast<size_t>(weight);
  const PanelFormat& format = panel_format_of(weight);
  if (format.is_quantized() && leaf.dot_panel[idx] != nullptr) {
    return num_rows > 1 && leaf.expand_to_bf16[idx] != nullptr ? NumberKind::kBf16 : NumberKind::kInt8;
  }
  return format.bits == 16 && leaf.bf16_tile != nullptr ? NumberKind::kBf16 : NumberKind::kF32;
}

}  // namespace saccade
