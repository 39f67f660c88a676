#include "encoder/vit_block.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention.h"
#include "kernels/rope.h"

namespace saccade {
namespace {

// Rotates every head of x [num_rows, num_heads, head_dim]. Towers pair element i with i + head_dim / 2.
void rotate_heads(ThreadPool& pool, const RotaryTable& rotary, int64_t num_heads, Tensor& x) {
  const int64_t half = rotary.cosine.shape()[1];
  pool.parallel_for(x.shape()[0], 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const float* cosine = rotary.cosine.row(row).data();
      const float* sine = rotary.sine.row(row).data();
      float* heads = x.row(row).data();
      for (int64_t head = 0; head < num_heads; ++head) {
        apply_rope(RopePairing::kHalves, cosine, sine, 2 * half, heads + head * 2 * half);
      }
    }
  });
}

void attend(ThreadPool& pool, const VitBlock& block, std::span<const RowRange> ranges, VitWorkspace& workspace) {
  const int64_t dim = workspace.q.shape()[1];
  for (const RowRange& range : ranges) {
    const int64_t num_rows = range.end - range.begin;
    if (num_rows == 0) continue;
    const float* keys = workspace.k.floats().data() + range.begin * dim;
    const float* values = workspace.v.floats().data() + range.begin * dim;
    AttentionArgs args;
    args.q = workspace.q.floats().data() + range.begin * dim;
    args.q_stride = dim;
    args.kv = {&keys, &values, num_rows};
    args.out = workspace.normed.floats().data() + range.begin * dim;
    args.out_stride = dim;
    args.num_queries = num_rows;
    args.num_keys = num_rows;
    args.num_heads = block.num_heads;
    args.num_kv_heads = block.num_heads;
    args.head_dim = dim / block.num_heads;
    args.scale = 1.0F / std::sqrt(static_cast<float>(args.head_dim));
    attention(pool, args);
  }
}

void feed_forward(ThreadPool& pool, const VitBlock& block, VitWorkspace& workspace, Tensor& hidden) {
  const int64_t num_rows = hidden.shape()[0];
  const int64_t dim = hidden.shape()[1];
  const int64_t ffn_dim = block.up.weight.shape[0];
  for (int64_t first = 0; first < num_rows; first += VitWorkspace::kFfnRows) {
    const int64_t rows = std::min(VitWorkspace::kFfnRows, num_rows - first);
    const float* x = workspace.normed.floats().data() + first * dim;
    float* up = workspace.up.floats().data();
    float* gate = workspace.gate.is_empty() ? nullptr : workspace.gate.floats().data();
    apply_linear(pool, block.up, x, rows, up);
    if (gate != nullptr) apply_linear(pool, block.gate, x, rows, gate);
    pool.parallel_for(rows, 16, [&](int64_t begin, int64_t end, int) {
      const int64_t offset = begin * ffn_dim;
      const int64_t count = (end - begin) * ffn_dim;
      if (gate != nullptr) {
        silu_times(gate + offset, up + offset, count);
      } else {
        activate(block.activation, up + offset, count);
      }
    });
    apply_linear(pool, block.down, gate != nullptr ? gate : up, rows, hidden.floats().data() + first * dim, true);
  }
}

}  // namespace

VitWorkspace::VitWorkspace(int64_t num_rows, const VitBlock& block) {
  const int64_t dim = block.up.weight.shape[1];
  const Shape ffn_shape{std::min(num_rows, kFfnRows), block.up.weight.shape[0]};
  normed = Tensor(Shape{num_rows, dim});
  q = Tensor(Shape{num_rows, dim});
  k = Tensor(Shape{num_rows, dim});
  v = Tensor(Shape{num_rows, dim});
  up = Tensor(ffn_shape);
  if (block.gate.weight) gate = Tensor(ffn_shape);
}

void run_vit_block(ThreadPool& pool, const VitBlock& block, std::span<const RowRange> ranges, const RotaryTable* rotary,
                   VitWorkspace& workspace, Tensor& hidden) {
  const int64_t num_rows = hidden.shape()[0];
  float* x = hidden.floats().data();
  float* normed = workspace.normed.floats().data();
  apply_norm(block.norm1, x, num_rows, normed);
  apply_linear(pool, block.q, normed, num_rows, workspace.q.floats().data());
  apply_linear(pool, block.k, normed, num_rows, workspace.k.floats().data());
  apply_linear(pool, block.v, normed, num_rows, workspace.v.floats().data());
  if (rotary != nullptr) {
    rotate_heads(pool, *rotary, block.num_heads, workspace.q);
    rotate_heads(pool, *rotary, block.num_heads, workspace.k);
  }
  attend(pool, block, ranges, workspace);
  apply_linear(pool, block.out, normed, num_rows, x, true);
  apply_norm(block.norm2, x, num_rows, normed);
  feed_forward(pool, block, workspace, hidden);
}

Status LayerProgress::layer_done() {
  ++num_done_;
  if (!*report_) return {};
  const double fraction = static_cast<double>(num_done_) / static_cast<double>(num_layers_);
  if (!(*report_)(fraction)) return cancelled("the caller stopped the encoding of a picture");
  return {};
}

}  // namespace saccade
