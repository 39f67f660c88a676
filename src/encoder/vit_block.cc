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

double attention_work_per_row(int64_t num_keys, int64_t dim) {
  return 2.0 * static_cast<double>(num_keys) * static_cast<double>(dim);  // scores, then values
}

double ffn_work_per_row(const VitBlock& block) {
  const double num_layers = block.gate.weight ? 3 : 2;
  return num_layers * static_cast<double>(block.up.weight.shape.num_elements());
}

Status attend(ThreadPool& pool, const VitBlock& block, std::span<const RowRange> ranges, VitWorkspace& workspace,
              WorkProgress& progress) {
  const int64_t dim = workspace.q.shape()[1];
  for (const RowRange& range : ranges) {
    const int64_t num_rows = range.end - range.begin;
    if (num_rows == 0) continue;
    const float* keys = workspace.k.floats().data() + range.begin * dim;
    const float* values = workspace.v.floats().data() + range.begin * dim;
    AttentionArgs args;
    args.q_stride = dim;
    args.kv = {&keys, &values, num_rows};
    args.out_stride = dim;
    args.num_keys = num_rows;
    args.num_heads = block.num_heads;
    args.num_kv_heads = block.num_heads;
    args.head_dim = dim / block.num_heads;
    args.scale = 1.0F / std::sqrt(static_cast<float>(args.head_dim));
    SACCADE_RETURN_IF_ERROR(progress.run_in_pieces(num_rows, attention_work_per_row(num_rows, dim), kAttentionBlockRows,
                                                   [&](int64_t first, int64_t count) {
                                                     const int64_t offset = (range.begin + first) * dim;
                                                     args.q = workspace.q.floats().data() + offset;
                                                     args.out = workspace.normed.floats().data() + offset;
                                                     args.num_queries = count;
                                                     attention(pool, args);
                                                   }));
  }
  return {};
}

// hidden [first, first + count) += the MLP of the same rows of workspace.normed; at most kFfnRows.
void feed_forward(ThreadPool& pool, const VitBlock& block, int64_t first, int64_t count, VitWorkspace& workspace,
                  Tensor& hidden) {
  const int64_t ffn_dim = block.up.weight.shape[0];
  const float* x = workspace.normed.row(first).data();
  float* up = workspace.up.floats().data();
  float* gate = workspace.gate.is_empty() ? nullptr : workspace.gate.floats().data();
  apply_linear(pool, block.up, x, count, up);
  if (gate != nullptr) apply_linear(pool, block.gate, x, count, gate);
  pool.parallel_for(count, 16, [&](int64_t begin, int64_t end, int) {
    const int64_t offset = begin * ffn_dim;
    const int64_t size = (end - begin) * ffn_dim;
    if (gate != nullptr) {
      silu_times(gate + offset, up + offset, size);
    } else {
      activate(block.activation, up + offset, size);
    }
  });
  apply_linear(pool, block.down, gate != nullptr ? gate : up, count, hidden.row(first).data(), true);
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

double block_work(const VitBlock& block, std::span<const RowRange> ranges) {
  const int64_t dim = block.out.weight.shape[0];
  const double linear_work_per_row = 4.0 * static_cast<double>(dim * dim) + ffn_work_per_row(block);
  double work = 0;
  for (const RowRange& range : ranges) {
    const int64_t num_rows = range.end - range.begin;
    work += static_cast<double>(num_rows) * (linear_work_per_row + attention_work_per_row(num_rows, dim));
  }
  return work;
}

Status run_vit_block(ThreadPool& pool, const VitBlock& block, std::span<const RowRange> ranges,
                     const RotaryTable* rotary, VitWorkspace& workspace, Tensor& hidden, WorkProgress& progress) {
  const int64_t num_rows = hidden.shape()[0];
  const int64_t dim = hidden.shape()[1];
  const auto square = static_cast<double>(dim * dim);
  float* x = hidden.floats().data();
  float* normed = workspace.normed.floats().data();
  apply_norm(block.norm1, x, num_rows, normed);
  SACCADE_RETURN_IF_ERROR(progress.run_in_pieces(num_rows, 3 * square, 1, [&](int64_t first, int64_t count) {
    apply_linear(pool, block.q, normed + first * dim, count, workspace.q.row(first).data());
    apply_linear(pool, block.k, normed + first * dim, count, workspace.k.row(first).data());
    apply_linear(pool, block.v, normed + first * dim, count, workspace.v.row(first).data());
  }));
  if (rotary != nullptr) {
    rotate_heads(pool, *rotary, block.num_heads, workspace.q);
    rotate_heads(pool, *rotary, block.num_heads, workspace.k);
  }
  SACCADE_RETURN_IF_ERROR(attend(pool, block, ranges, workspace, progress));
  SACCADE_RETURN_IF_ERROR(progress.run_in_pieces(num_rows, square, 1, [&](int64_t first, int64_t count) {
    apply_linear(pool, block.out, normed + first * dim, count, x + first * dim, true);
  }));
  apply_norm(block.norm2, x, num_rows, normed);
  for (int64_t first = 0; first < num_rows; first += VitWorkspace::kFfnRows) {
    const int64_t count = std::min(VitWorkspace::kFfnRows, num_rows - first);
    feed_forward(pool, block, first, count, workspace, hidden);
    SACCADE_RETURN_IF_ERROR(progress.add(static_cast<double>(count) * ffn_work_per_row(block)));
  }
  return {};
}

}  // namespace saccade
