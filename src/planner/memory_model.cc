#include "planner/memory_model.h"

#include <algorithm>
#include <cmath>

namespace saccade {
namespace {

// Of the engine's stages: how much they take at once.
constexpr double kTilesAtOnce = 4;         // of a picture in tiles, through the tower
constexpr double kFfnRowsAtOnce = 1024;    // of these, through its feed-forward
constexpr double kPromptRowsAtOnce = 512;  // through a layer of the decoder
constexpr double kBlockRows = 64;          // of the cache
constexpr double kChannels = 3;
constexpr double kBytesPerInput = 2;  // of a product's rows, once they are rounded for it

constexpr double kKeptBytes = 256 << 20;  // of tensors that are done with (tensor/tensor_memory.h)

// Large tensors are rounded up, by an eighth at most.
constexpr double kRounding = 1.06;

double encode_bytes(const TowerShape& shape, const MemoryLoad& load, double model_dim) {
  const auto dim = static_cast<double>(shape.dim);
  const auto ffn_dim = static_cast<double>(shape.ffn_dim);
  const double each = shape.bytes_per_activation;
  const double rows = load.patches + load.tiles * static_cast<double>(shape.class_rows);
  const double at_once = rows * std::min(1.0, kTilesAtOnce / std::max(1.0, load.tiles));
  const double wide_rows = std::min(at_once, kFfnRowsAtOnce);
  // Hidden states, normed ones, queries, keys and values, of the groups of tiles and of a smaller last one.
  const double last = at_once < rows ? std::fmod(rows, at_once) : 0;
  const double blocks = each * (5 * (at_once + last) * dim + wide_rows * ffn_dim) +
                        kBytesPerInput * std::max(at_once * dim, wide_rows * ffn_dim);
  // What comes out of all groups, in order, and patches of a token side by side: as large as what one group went in by.
  const double behind = at_once < rows ? 3 * each * rows * dim : 0;
  const double vectors = 2 * each * load.encoded_tokens * model_dim;
  return each * kChannels * load.resized_pixels + blocks + behind + vectors;
}

double prefill_bytes(const DecoderShape& shape, const MemoryLoad& load) {
  const auto dim = static_cast<double>(shape.model_dim);
  const auto q_dim = static_cast<double>(shape.q_dim);
  const auto kv_dim = static_cast<double>(shape.kv_dim);
  const auto ffn_dim = static_cast<double>(shape.ffn_dim);
  const double head_dim = q_dim / static_cast<double>(std::max<int64_t>(1, shape.num_heads));
  const double at_once = std::min(load.new_rows, kPromptRowsAtOnce);
  // The rows as they are given and as they go from layer to layer, with their rotary angles.
  const double of_rows = load.visual_tokens * dim + load.new_rows * (2 * dim + head_dim);
  const double of_chunk = at_once * (2 * dim + 2 * q_dim + 2 * kv_dim + ffn_dim);
  const double logits = 2 * static_cast<double>(shape.vocab_size);
  return shape.bytes_per_activation * (of_rows + of_chunk + logits) + kBytesPerInput * at_once * std::max(dim, ffn_dim);
}

}  // namespace

double MemoryUse::peak(double cache_held) const {
  const double at_the_end = std::min(kKeptBytes, encode + compress) + prefill + std::max(0.0, cache - cache_held);
  return std::max({media, encode, at_the_end});
}

MemoryUse memory_of(const ModelShape& shape, const MemoryLoad& load) {
  const DecoderShape& decoder = shape.decoder;
  const auto model_dim = static_cast<double>(decoder.model_dim);
  MemoryUse use;
  if (shape.tower && load.patches > 0) {
    const double each = shape.tower->bytes_per_activation;
    use.media = kChannels * (load.file_pixels + load.resized_pixels + each * load.resized_pixels);
    use.encode = kRounding * encode_bytes(*shape.tower, load, model_dim);
    if (load.tokens_vary) {
      const double tokens = load.patches / static_cast<double>(shape.tower->patches_per_token);
      use.compress = kRounding * each * ((2 * load.encoded_tokens + load.visual_tokens) * model_dim + tokens * tokens);
    }
  }
  use.prefill = kRounding * prefill_bytes(decoder, load);
  use.cache = std::ceil(load.kept_rows / kBlockRows) * kBlockRows * load.kept_layers * 2 *
              static_cast<double>(decoder.kv_dim) * decoder.bytes_per_kv;
  return use;
}

}  // namespace saccade
