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
  pool.parallel_for(rotary.cosine.shape()[0], 64, [&](int64_t begin, int64_t end, int) {
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
  return num_layers * static_cast<double>(block.up.weight.shape().num_elements());
}

// workspace.normed = attention of workspace.q, k and v.
Status attend_ranges(ThreadPool& pool, const VitBlock& block, const RowGroups& groups, VitWorkspace& workspace,
                     WorkProgress& progress) {
  const int64_t dim = workspace.q.shape()[1];
  for (const RowRange& range : groups.ranges) {
    const int64_t num_rows = range.end - range.begin;
    if (num_rows == 0) continue;
    const auto* keys = reinterpret_cast<const std::byte*>(workspace.k.row(range.begin).data());
    const auto* values = reinterpret_cast<const std::byte*>(workspace.v.row(range.begin).data());
    AttentionArgs args;
    args.q_stride = dim;
    constexpr int64_t kFloat = sizeof(float);
    args.kv = {&keys, &values, DType::kF32, num_rows, dim * kFloat, dim / block.num_heads * kFloat};
    args.out_stride = dim;
    args.num_keys = num_rows;
    args.num_heads = block.num_heads;
    args.num_kv_heads = block.num_heads;
    args.head_dim = dim / block.num_heads;
    args.allows_bf16 = block.q.weight.packed() != nullptr;
    args.scale = 1.0F / std::sqrt(static_cast<float>(args.head_dim));
    args.key_bias = groups.key_bias.empty() ? nullptr : groups.key_bias.data() + range.begin;
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
void feed_rows_forward(ThreadPool& pool, const VitBlock& block, int64_t first, int64_t count, VitWorkspace& workspace,
                       Tensor& hidden) {
  const float* x = workspace.normed.row(first).data();
  float* wide = workspace.wide.floats().data();
  if (!block.gate.weight) {
    LinearOutput up = block.up.to(wide);
    up.activation = block.activation;
    linear(pool, x, count, up);
  } else if (block.gate.bias.is_empty() && block.up.bias.is_empty()) {
    linear(pool, x, count, {.weight = &block.up.weight, .gate = &block.gate.weight, .y = wide});
  } else {
    Tensor gate(Shape{count, block.gate.out_dim()});
    const LinearOutput both[] = {block.up.to(wide), block.gate.to(gate.floats().data())};
    linear(pool, x, count, both);
    pool.parallel_for(count, 16, [&](int64_t begin, int64_t end, int) {
      const int64_t size = (end - begin) * gate.shape()[1];
      silu_times(gate.row(begin).data(), wide + begin * gate.shape()[1], size);
      std::copy_n(gate.row(begin).data(), size, wide + begin * gate.shape()[1]);
    });
  }
  LinearOutput down = block.down.to(hidden.row(first).data());
  down.accumulate = true;
  linear(pool, wide, count, down);
}

}  // namespace

VitWorkspace::VitWorkspace(int64_t num_rows, const VitBlock& block) {
  const int64_t dim = block.up.in_dim();
  normed = Tensor(Shape{num_rows, dim});
  q = Tensor(Shape{num_rows, dim});
  k = Tensor(Shape{num_rows, dim});
  v = Tensor(Shape{num_rows, dim});
  wide = Tensor(Shape{std::min(num_rows, kFfnRows), block.up.out_dim()});
}

void pack_weights(ThreadPool& pool, VitBlock& block) {
  for (LinearLayer* layer : {&block.q, &block.k, &block.v, &block.out, &block.gate, &block.up, &block.down}) {
    if (layer->weight) layer->weight.pack(pool);
  }
}

double attention_work(const VitBlock& block, double num_rows, double num_pairs) {
  const auto dim = static_cast<double>(block.out.out_dim());
  return num_rows * 4 * dim * dim + num_pairs * 2 * dim;
}

double feed_forward_work(const VitBlock& block, int64_t num_rows) {
  return static_cast<double>(num_rows) * ffn_work_per_row(block);
}

double block_work(const VitBlock& block, std::span<const RowRange> ranges) {
  int64_t num_rows = 0;
  double num_pairs = 0;
  for (const RowRange& range : ranges) {
    num_rows += range.num_rows();
    num_pairs += static_cast<double>(range.num_rows() * range.num_rows());
  }
  return attention_work(block, static_cast<double>(num_rows), num_pairs) + feed_forward_work(block, num_rows);
}

Status project_qkv(ThreadPool& pool, const VitBlock& block, VitWorkspace& workspace, const Tensor& hidden,
                   WorkProgress& progress) {
  const int64_t num_rows = hidden.shape()[0];
  const int64_t dim = hidden.shape()[1];
  float* normed = workspace.normed.floats().data();
  apply_norm(pool, block.norm1, hidden.floats().data(), num_rows, normed);
  const double work_per_row = 3.0 * static_cast<double>(dim * dim);
  return progress.run_in_pieces(num_rows, work_per_row, 1, [&](int64_t first, int64_t count) {
    const LinearOutput qkv[] = {block.q.to(workspace.q.row(first).data()), block.k.to(workspace.k.row(first).data()),
                                block.v.to(workspace.v.row(first).data())};
    linear(pool, normed + first * dim, count, qkv);
  });
}

Status attend(ThreadPool& pool, const VitBlock& block, const RowGroups& groups, VitWorkspace& workspace, Tensor& hidden,
              WorkProgress& progress) {
  const int64_t dim = hidden.shape()[1];
  if (groups.rotary != nullptr) {
    rotate_heads(pool, *groups.rotary, block.num_heads, workspace.q);
    rotate_heads(pool, *groups.rotary, block.num_heads, workspace.k);
  }
  SACCADE_RETURN_IF_ERROR(attend_ranges(pool, block, groups, workspace, progress));
  const float* attended = workspace.normed.floats().data();
  const auto work_per_row = static_cast<double>(dim * dim);
  return progress.run_in_pieces(hidden.shape()[0], work_per_row, 1, [&](int64_t first, int64_t count) {
    LinearOutput out = block.out.to(hidden.row(first).data());
    out.accumulate = true;
    linear(pool, attended + first * dim, count, out);
  });
}

Status feed_forward(ThreadPool& pool, const VitBlock& block, VitWorkspace& workspace, Tensor& hidden,
                    WorkProgress& progress) {
  const int64_t num_rows = hidden.shape()[0];
  apply_norm(pool, block.norm2, hidden.floats().data(), num_rows, workspace.normed.floats().data());
  for (int64_t first = 0; first < num_rows; first += VitWorkspace::kFfnRows) {
    const int64_t count = std::min(VitWorkspace::kFfnRows, num_rows - first);
    feed_rows_forward(pool, block, first, count, workspace, hidden);
    SACCADE_RETURN_IF_ERROR(progress.add(feed_forward_work(block, count)));
  }
  return {};
}

Status run_vit_block(ThreadPool& pool, const VitBlock& block, const RowGroups& groups, VitWorkspace& workspace,
                     Tensor& hidden, WorkProgress& progress) {
  SACCADE_RETURN_IF_ERROR(project_qkv(pool, block, workspace, hidden, progress));
  SACCADE_RETURN_IF_ERROR(attend(pool, block, groups, workspace, hidden, progress));
  return feed_forward(pool, block, workspace, hidden, progress);
}

}  // namespace saccade
