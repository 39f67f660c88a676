// Finding a block's weights under the names that converters of several ages gave them.
#include <algorithm>
#include <string>
#include <utility>

#include "base/format.h"
#include "encoder/vit_block.h"

namespace saccade {
namespace {

// Rows [first_row, first_row + num_rows) of a fused layer.
LinearLayer slice_rows(const LinearLayer& fused, int64_t first_row, int64_t num_rows) {
  LinearLayer part;
  TensorView view = fused.weight.view();
  view.data = view.row(first_row);
  view.shape = Shape{num_rows, view.shape[1]};
  part.weight = view;
  if (!fused.bias.is_empty()) {
    part.bias = Tensor(Shape{num_rows});
    std::copy_n(fused.bias.floats().data() + first_row, num_rows, part.bias.floats().data());
  }
  return part;
}

Status load_qkv(const TensorSource& tensors, const std::string& prefix, int64_t dim, VitBlock& block) {
  if (tensors.has(prefix + "attn_qkv.weight")) {
    SACCADE_ASSIGN_OR_RETURN(const LinearLayer fused, load_linear(tensors, prefix + "attn_qkv", 3 * dim, dim));
    block.q = slice_rows(fused, 0, dim);
    block.k = slice_rows(fused, dim, dim);
    block.v = slice_rows(fused, 2 * dim, dim);
    return {};
  }
  SACCADE_ASSIGN_OR_RETURN(block.q, load_linear(tensors, prefix + "attn_q", dim, dim));
  SACCADE_ASSIGN_OR_RETURN(block.k, load_linear(tensors, prefix + "attn_k", dim, dim));
  SACCADE_ASSIGN_OR_RETURN(block.v, load_linear(tensors, prefix + "attn_v", dim, dim));
  return {};
}

// True when `view` has the shape of the layer that narrows, [dim, ffn_dim].
bool is_narrowing(const TensorView& view, int64_t dim, bool if_square) {
  if (view.shape.rank() != 2) return false;
  if (view.shape[0] == dim && view.shape[1] == dim) return if_square;
  return view.shape[0] == dim;
}

Status load_ffn(const TensorSource& tensors, const std::string& prefix, const VisionConfig& config,
                const VitBlockOptions& options, VitBlock& block) {
  std::string up = prefix + "ffn_up";
  std::string down = prefix + "ffn_down";
  const TensorView named_up = tensors.peek(up + ".weight");
  if (!named_up) return not_found(format("tensor %s.weight is missing", up.c_str()));
  if (named_up.shape.rank() != 2) {
    return corrupt_data(
        format("tensor %s.weight has shape %s, not a matrix", up.c_str(), named_up.shape.to_string().c_str()));
  }
  int64_t ffn_dim = named_up.shape[0];
  if (is_narrowing(named_up, config.vision_dim, options.has_legacy_ffn_names)) {
    ffn_dim = named_up.shape[1];
    std::swap(up, down);
  }
  if (config.ffn_dim != 0 && config.ffn_dim != ffn_dim) {
    return corrupt_data(format("tensor %s.weight has shape %s, but clip.vision.feed_forward_length is %lld",
                               (prefix + "ffn_up").c_str(), named_up.shape.to_string().c_str(),
                               static_cast<long long>(config.ffn_dim)));
  }
  SACCADE_ASSIGN_OR_RETURN(block.up, load_linear(tensors, up, ffn_dim, config.vision_dim));
  SACCADE_ASSIGN_OR_RETURN(block.down, load_linear(tensors, down, config.vision_dim, ffn_dim));
  if (options.is_gated) {
    SACCADE_ASSIGN_OR_RETURN(block.gate, load_linear(tensors, prefix + "ffn_gate", ffn_dim, config.vision_dim));
  }
  return {};
}

}  // namespace

Expected<VitBlock> load_vit_block(const TensorSource& tensors, int layer_idx, const VisionConfig& config,
                                  const VitBlockOptions& options) {
  const std::string prefix = format("v.blk.%d.", layer_idx);
  const int64_t dim = config.vision_dim;
  VitBlock block;
  block.activation = config.activation;
  block.num_heads = config.num_heads;
  SACCADE_ASSIGN_OR_RETURN(block.norm1, load_norm(tensors, prefix + "ln1", options.norm, dim, config.norm_epsilon));
  SACCADE_ASSIGN_OR_RETURN(block.norm2, load_norm(tensors, prefix + "ln2", options.norm, dim, config.norm_epsilon));
  SACCADE_RETURN_IF_ERROR(load_qkv(tensors, prefix, dim, block));
  SACCADE_ASSIGN_OR_RETURN(block.out, load_linear(tensors, prefix + "attn_out", dim, dim));
  SACCADE_RETURN_IF_ERROR(load_ffn(tensors, prefix, config, options, block));
  return block;
}

}  // namespace saccade
