// The pre-norm transformer block that all towers share; what differs between families is in its config.
//
//   x += attn_out(attention(norm1(x)))
//   x += ffn_down(activation(ffn_up(norm2(x))))      or, gated, ffn_down(silu(ffn_gate(..)) * ffn_up(..))
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoder/linear_layer.h"
#include "encoder/norm_layer.h"
#include "encoder/vision_config.h"
#include "encoder/work_progress.h"
#include "kernels/activation.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

struct VitBlockOptions {
  NormKind norm = NormKind::kLayerNorm;
  bool is_gated = false;              // SwiGLU, with an ffn_gate
  bool has_legacy_ffn_names = false;  // where the shapes can't tell: ffn_down is the layer that widens
};

struct VitBlock {
  NormLayer norm1;
  NormLayer norm2;
  LinearLayer q, k, v, out;  // [vision_dim, vision_dim]
  LinearLayer gate;          // [ffn_dim, vision_dim]; empty when not gated
  LinearLayer up;            // [ffn_dim, vision_dim]
  LinearLayer down;          // [vision_dim, ffn_dim]
  Activation activation = Activation::kQuickGelu;
  int64_t num_heads = 0;
};

/// Block `layer_idx` from v.blk.<layer_idx>.*, with q, k and v apart or fused as attn_qkv. Files of llama.cpp's older
/// converters call the widening layer ffn_down: which one it is is decided by the shapes. Errors name the tensor.
Expected<VitBlock> load_vit_block(const TensorSource& tensors, int layer_idx, const VisionConfig& config,
                                  const VitBlockOptions& options);

/// Rows [begin, end) that attend to each other.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t num_rows() const { return end - begin; }
  bool operator==(const RowRange&) const = default;
};

/// Cosines and sines of each row's rotary angles.
struct RotaryTable {
  Tensor cosine;  // [num_rows, head_dim / 2]
  Tensor sine;    // [num_rows, head_dim / 2]
};

/// Which rows see each other, and how.
struct RowGroups {
  std::span<const RowRange> ranges;     // cover the rows
  std::span<const float> key_bias;      // [num_rows]: added to the scores of each row as a key; empty: none
  const RotaryTable* rotary = nullptr;  // or null
};

/// Buffers that the blocks of one run share.
class VitWorkspace {
 public:
  /// For up to `num_rows` rows.
  VitWorkspace(int64_t num_rows, const VitBlock& block);

  // The MLP works on this many rows at a time, so that its wide rows never need more than a few dozen MB.
  static constexpr int64_t kFfnRows = 1024;

  Tensor normed;   // [num_rows, vision_dim]; holds the attention's output too
  Tensor q, k, v;  // [num_rows, vision_dim]
  Tensor wide;     // [min(num_rows, kFfnRows), ffn_dim]
};

/// Packs the block's weights for the active ISA.
void pack_weights(ThreadPool& pool, VitBlock& block);

/// Multiply-adds of project_qkv() and attend(), where a row sees num_pairs / num_rows of them on average.
double attention_work(const VitBlock& block, double num_rows, double num_pairs);
/// Of feed_forward().
double feed_forward_work(const VitBlock& block, int64_t num_rows);
/// Of the whole block, over rows that attend to each other in these ranges.
double block_work(const VitBlock& block, std::span<const RowRange> ranges);

// The block over hidden [num_rows, vision_dim], in three steps, so that rows may be looked at and merged in between.
// Each adds its work to `progress`, piece by piece. Errors: kCancelled, which leaves `hidden` half done.

/// workspace.q, k, v of norm1(hidden), without positions.
Status project_qkv(ThreadPool& pool, const VitBlock& block, VitWorkspace& workspace, const Tensor& hidden,
                   WorkProgress& progress);
/// Turns workspace.q and k by the rotary angles, and hidden += attn_out(attention).
Status attend(ThreadPool& pool, const VitBlock& block, const RowGroups& groups, VitWorkspace& workspace, Tensor& hidden,
              WorkProgress& progress);
/// hidden += the MLP of norm2(hidden).
Status feed_forward(ThreadPool& pool, const VitBlock& block, VitWorkspace& workspace, Tensor& hidden,
                    WorkProgress& progress);

/// All three.
Status run_vit_block(ThreadPool& pool, const VitBlock& block, const RowGroups& groups, VitWorkspace& workspace,
                     Tensor& hidden, WorkProgress& progress);

}  // namespace saccade
