#include "engine/model_shape.h"

#include <string_view>

#include "encoder/vision_config.h"

namespace saccade {
namespace {

// Tensors of the vision part are named alike in all families' files.
constexpr std::string_view kFirstLayer = "v.blk.0.";
constexpr std::string_view kPatches = "v.patch_embd.weight";
constexpr std::string_view kProjector = "mm.";

bool is_matrix(const NamedTensor& tensor) {
  return tensor.view.shape.rank() >= 2;
}

TowerShape tower_of(const Model& model) {
  const GgufFile& file = model.files->vision_file();
  TowerShape shape;
  shape.num_layers = model.vision->num_layers();
  double layer_elements = 0;
  double layer_bytes = 0;
  for (const NamedTensor& tensor : file.tensors()) {
    const auto elements = static_cast<double>(tensor.view.shape.num_elements());
    if (tensor.name.starts_with(kFirstLayer) && is_matrix(tensor)) {
      layer_elements += elements;
      layer_bytes += static_cast<double>(tensor.view.num_bytes());
      if (tensor.name.ends_with("ffn_up.weight")) shape.ffn_dim = tensor.view.shape[0];
      if (tensor.name.ends_with("ffn_gate.weight")) shape.ffn_matrices = 3;
      if (tensor.name.ends_with("attn_out.weight")) shape.dim = tensor.view.shape[0];
    }
    // A still picture goes through the sum of Qwen2-VL's two slices in time, kPatches and another, at once.
    if (tensor.name == kPatches) shape.patch_elements = tensor.view.shape.num_elements() / tensor.view.shape[0];
    if (tensor.name.starts_with(kProjector) && is_matrix(tensor)) shape.projector_weights += elements;
  }
  shape.class_rows = file.find("v.class_embd") != nullptr ? 1 : 0;
  if (layer_elements > 0) shape.bytes_per_weight = layer_bytes / layer_elements;
  const auto vision = read_vision_config(file.metadata(), Activation::kQuickGelu);
  const int patch_size = vision.is_ok() ? vision->patch_size : 0;
  const int64_t side = patch_size > 0 ? model.vision->cell_side() / patch_size : 1;
  shape.patches_per_token = side * side;
  if (vision.is_ok()) shape.num_heads = vision->num_heads;
  const AttentionWindows windows = model.vision->windows();
  shape.windowed_layers = windows.num_layers;
  shape.window_patches = windows.side_patches * windows.side_patches;
  // Files name the two halves of a feed-forward either way round.
  if (shape.ffn_dim == shape.dim && layer_elements > 0) {
    const auto dim = static_cast<double>(shape.dim);
    shape.ffn_dim = static_cast<int64_t>((layer_elements - 4 * dim * dim) / (shape.ffn_matrices * dim));
  }
  return shape;
}

// Summed over all tensors of the model's one or two files.
template <typename Count>
double sum_of_tensors(const Model& model, const Count& count) {
  double sum = 0;
  const auto add = [&](const GgufFile& file) {
    for (const NamedTensor& tensor : file.tensors()) sum += static_cast<double>(count(tensor.view));
  };
  add(model.files->language_file());
  if (model.files->has_vision() && !model.files->is_single_file()) add(model.files->vision_file());
  return sum;
}

}  // namespace

double stored_bytes(const Model& model) {
  return sum_of_tensors(model, [](const TensorView& view) { return view.num_bytes(); });
}

double num_parameters(const Model& model) {
  return sum_of_tensors(model, [](const TensorView& view) { return view.shape.num_elements(); });
}

ModelShape shape_of(const Model& model, DType kv_dtype) {
  const DecoderConfig& config = model.decoder->config();
  ModelShape shape;
  if (model.vision != nullptr) shape.tower = tower_of(model);
  DecoderShape& decoder = shape.decoder;
  decoder.num_layers = config.num_layers;
  decoder.model_dim = config.model_dim;
  decoder.num_heads = config.num_heads;
  decoder.q_dim = config.num_heads * config.head_dim;
  decoder.kv_dim = config.kv_dim();
  decoder.ffn_dim = config.ffn_dim;
  decoder.vocab_size = config.vocab_size;
  decoder.bytes_per_weight = model.decoder->weight_bytes() / decoder.num_weights();
  const KvShape kv = config.kv_shape(kv_dtype);
  decoder.bytes_per_kv = static_cast<double>(kv.row_bytes()) / static_cast<double>(kv.head_dim);
  return shape;
}

}  // namespace saccade
