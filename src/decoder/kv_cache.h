// Keys and values of past tokens, in blocks, per layer and per sequence.
//
// Every layer of every sequence has its own list of blocks and its own count of tokens, so that a sequence may skip
// layers or hold fewer tokens in some of them than in others.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/attention.h"
#include "saccade/status.h"

namespace saccade {

/// Memory for blocks, shared by all sequences of one model. Blocks are allocated when first needed and kept for reuse.
/// Thread safety: any thread.
class KvBlockPool {
 public:
  static constexpr int64_t kBlockTokens = 64;

  /// A row holds one token's keys (or values) of one layer: kv_dim floats. At most `max_bytes` are ever taken.
  KvBlockPool(int64_t kv_dim, uint64_t max_bytes);

  int64_t kv_dim() const { return kv_dim_; }
  uint64_t block_bytes() const;  // keys and values of kBlockTokens tokens

  /// A block of [2, kBlockTokens, kv_dim] floats: keys, then values. kResourceExhausted when max_bytes are in use.
  Expected<float*> take();
  void give_back(float* block);

 private:
  const int64_t kv_dim_;
  const uint64_t max_bytes_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::unique_ptr<float[]>> blocks_;
  std::vector<float*> free_;
};

/// One sequence's cache. Gives its blocks back when destroyed. Thread safety: one thread at a time.
class KvSequence {
 public:
  KvSequence(std::shared_ptr<KvBlockPool> pool, int64_t num_layers);
  ~KvSequence();
  KvSequence(KvSequence&&) noexcept = default;
  KvSequence& operator=(KvSequence&&) = delete;

  int64_t num_tokens(int64_t layer_idx) const { return layers_[static_cast<size_t>(layer_idx)].num_tokens; }

  /// Room for `count` more tokens in one layer; nothing is changed on an error.
  Status reserve(int64_t layer_idx, int64_t count);
  /// Copies rows [count, kv_dim] behind what the layer holds; reserve() must have made room.
  void append(int64_t layer_idx, const float* keys, int64_t keys_stride, const float* values, int64_t values_stride,
              int64_t count);
  /// Forgets all but the first `count` tokens in every layer (a layer that has fewer keeps them).
  void truncate(int64_t count);

  /// Valid until the next reserve() or truncate().
  KvBlocks blocks(int64_t layer_idx) const;

 private:
  struct Layer {
    std::vector<float*> keys;    // one pointer per block
    std::vector<float*> values;  // into the same blocks
    int64_t num_tokens = 0;
  };
  void keep_blocks(Layer& layer, size_t count);  // gives back those after the first `count`

  std::shared_ptr<KvBlockPool> pool_;
  std::vector<Layer> layers_;
};

}  // namespace saccade
