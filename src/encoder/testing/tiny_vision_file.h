// Tiny vision files of every family.
#pragma once

#include <array>
#include <string>

#include "base/format.h"
#include "weights/testing/tiny_model_file.h"

namespace saccade::testing {

inline constexpr int64_t kTinyDim = 8;  // two heads
inline constexpr int64_t kTinyFfnDim = 12;
inline constexpr int64_t kTinyModelDim = 10;
inline constexpr int kTinyPatch = 2;

class TinyVisionFile : public TinyModelFile {
 public:
  explicit TinyVisionFile(const std::string& projector_type, int num_blocks, int image_size) {
    keys.set_string("general.architecture", "llama");
    keys.set_string("clip.projector_type", projector_type);
    keys.set_u32("clip.vision.embedding_length", kTinyDim);
    keys.set_u32("clip.vision.feed_forward_length", kTinyFfnDim);
    keys.set_u32("clip.vision.attention.head_count", 2);
    keys.set_u32("clip.vision.block_count", static_cast<uint32_t>(num_blocks));
    keys.set_f32("clip.vision.attention.layer_norm_epsilon", 1e-5F);
    keys.set_u32("clip.vision.image_size", static_cast<uint32_t>(image_size));
    keys.set_u32("clip.vision.patch_size", kTinyPatch);
    keys.set_f32s("clip.vision.image_mean", std::array{0.5F, 0.5F, 0.5F});
    keys.set_f32s("clip.vision.image_std", std::array{0.25F, 0.25F, 0.25F});
    add("v.patch_embd.weight", Shape{kTinyDim, 3, kTinyPatch, kTinyPatch});
    for (int i = 0; i < num_blocks; ++i) add_block(i);
  }

  static TinyVisionFile llava(int num_blocks = 2, int image_size = 6) {
    TinyVisionFile file("mlp", num_blocks, image_size);
    const int64_t side = image_size / kTinyPatch;
    file.keys.set_i32s("clip.vision.feature_layer", std::array{num_blocks});
    file.add("v.class_embd", Shape{kTinyDim});
    file.add("v.position_embd.weight", Shape{side * side + 1, kTinyDim});
    file.add_norm("v.pre_ln");
    file.add_linear("mm.0", kTinyModelDim, kTinyDim);
    file.add_linear("mm.2", kTinyModelDim, kTinyModelDim);
    return file;
  }

  static TinyVisionFile llava_anyres(int image_size = 6) {
    TinyVisionFile file = llava(2, image_size);
    const int one = image_size;
    const int two = 2 * one;
    const int three = 3 * one;
    file.keys.set_i32s("clip.vision.image_grid_pinpoints",
                       std::array{one, two, two, one, two, two, three, one, one, three});
    file.keys.set_string("clip.vision.mm_patch_merge_type", "spatial_unpad");
    file.keys.set_string("saccade.vision.resize_mode", "anyres");
    file.add("model.image_newline", Shape{kTinyModelDim});
    return file;
  }

  static TinyVisionFile smolvlm(int num_blocks = 2, int image_size = 8) {
    TinyVisionFile file("idefics3", num_blocks, image_size);
    const int64_t side = image_size / kTinyPatch;
    file.keys.set_bool("clip.use_gelu", true);
    file.keys.set_u32("clip.vision.projector.scale_factor", 2);
    file.keys.set_u32("clip.vision.preproc_image_size", static_cast<uint32_t>(4 * image_size));
    file.add("v.patch_embd.bias", Shape{kTinyDim});
    file.add("v.position_embd.weight", Shape{side * side, kTinyDim});
    file.add_norm("v.post_ln");
    file.add("mm.model.fc.weight", Shape{kTinyModelDim, 4 * kTinyDim});
    return file;
  }

  static TinyVisionFile qwen2_vl(const std::string& projector_type = "qwen2vl_merger") {
    TinyVisionFile file(projector_type, 2, 560);
    file.add("v.patch_embd.weight.1", Shape{kTinyDim, 3, kTinyPatch, kTinyPatch});
    file.add_norm("v.post_ln");
    file.add_linear("mm.0", 4 * kTinyDim, 4 * kTinyDim);
    file.add_linear("mm.2", kTinyModelDim, 4 * kTinyDim);
    file.keys.set_u32("clip.vision.image_min_pixels", 4 * 4 * 2);
    file.keys.set_u32("clip.vision.image_max_pixels", 4 * 4 * 30);
    return file;
  }

  static TinyVisionFile qwen2_5_vl() {
    TinyVisionFile file = qwen2_vl("qwen2.5vl_merger");
    for (const char* norm : {"v.post_ln", "v.blk.0.ln1", "v.blk.0.ln2", "v.blk.1.ln1", "v.blk.1.ln2"}) {
      file.tensors.erase(std::string(norm) + ".bias");
    }
    file.add_linear("v.blk.0.ffn_gate", kTinyFfnDim, kTinyDim);
    file.add_linear("v.blk.1.ffn_gate", kTinyFfnDim, kTinyDim);
    file.keys.set_bool("clip.use_silu", true);
    file.keys.set_u32("clip.vision.n_wa_pattern", 2);
    file.keys.set_u32("clip.vision.window_size", 8);  // 2 x 2 tokens
    return file;
  }

 private:
  void add_norm(const std::string& name) {
    add(name + ".weight", Shape{kTinyDim});
    add(name + ".bias", Shape{kTinyDim});
  }

  void add_block(int layer_idx) {
    const std::string prefix = format("v.blk.%d.", layer_idx);
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_out"}) add_linear(prefix + name, kTinyDim, kTinyDim);
    for (const char* name : {"ln1", "ln2"}) add_norm(prefix + name);
    add_linear(prefix + "ffn_up", kTinyFfnDim, kTinyDim);
    add_linear(prefix + "ffn_down", kTinyDim, kTinyFfnDim);
  }
};

}  // namespace saccade::testing
