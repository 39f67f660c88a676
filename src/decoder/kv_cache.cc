#include "decoder/kv_cache.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

#include "base/format.h"

namespace saccade {
namespace {

size_t num_blocks_for(int64_t num_tokens) {
  return static_cast<size_t>((num_tokens + KvBlockPool::kBlockTokens - 1) / KvBlockPool::kBlockTokens);
}

}  // namespace

KvBlockPool::KvBlockPool(int64_t kv_dim, uint64_t max_bytes) : kv_dim_(kv_dim), max_bytes_(max_bytes) {}

uint64_t KvBlockPool::block_bytes() const {
  return static_cast<uint64_t>(2 * kBlockTokens * kv_dim_) * sizeof(float);
}

Expected<float*> KvBlockPool::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) {
    std::unique_ptr<float[]> block;
    if ((blocks_.size() + 1) * block_bytes() <= max_bytes_) {
      block.reset(new (std::nothrow) float[static_cast<size_t>(2 * kBlockTokens * kv_dim_)]);
    }
    if (block == nullptr) {
      return resource_exhausted("the KV cache is full at " + format_bytes(blocks_.size() * block_bytes()) +
                                "; use a smaller context or fewer pictures");
    }
    free_.push_back(block.get());
    blocks_.push_back(std::move(block));
  }
  float* block = free_.back();
  free_.pop_back();
  return block;
}

void KvBlockPool::give_back(float* block) {
  std::lock_guard lock(mutex_);
  free_.push_back(block);
}

KvSequence::KvSequence(std::shared_ptr<KvBlockPool> pool, int64_t num_layers)
    : pool_(std::move(pool)), layers_(static_cast<size_t>(num_layers)) {}

KvSequence::~KvSequence() {
  truncate(0);
}

Status KvSequence::reserve(int64_t layer_idx, int64_t count) {
  Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  const size_t num_before = layer.keys.size();
  const size_t num_needed = num_blocks_for(layer.num_tokens + count);
  while (layer.keys.size() < num_needed) {
    const Expected<float*> block = pool_->take();
    if (!block) {
      keep_blocks(layer, num_before);
      return block.status();
    }
    layer.keys.push_back(*block);
    layer.values.push_back(*block + KvBlockPool::kBlockTokens * pool_->kv_dim());
  }
  return {};
}

void KvSequence::append(int64_t layer_idx, const float* keys, int64_t keys_stride, const float* values,
                        int64_t values_stride, int64_t count) {
  Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  const auto row_size = static_cast<size_t>(pool_->kv_dim()) * sizeof(float);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t token_idx = layer.num_tokens + i;
    const auto block = static_cast<size_t>(token_idx / KvBlockPool::kBlockTokens);
    const int64_t row = token_idx % KvBlockPool::kBlockTokens * pool_->kv_dim();
    assert(block < layer.keys.size());
    std::memcpy(layer.keys[block] + row, keys + i * keys_stride, row_size);
    std::memcpy(layer.values[block] + row, values + i * values_stride, row_size);
  }
  layer.num_tokens += count;
}

void KvSequence::truncate(int64_t count) {
  for (Layer& layer : layers_) {
    layer.num_tokens = std::min(layer.num_tokens, count);
    keep_blocks(layer, num_blocks_for(layer.num_tokens));
  }
}

void KvSequence::keep_blocks(Layer& layer, size_t count) {
  while (layer.keys.size() > count) {
    pool_->give_back(layer.keys.back());
    layer.keys.pop_back();
    layer.values.pop_back();
  }
}

KvBlocks KvSequence::blocks(int64_t layer_idx) const {
  const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  return {layer.keys.data(), layer.values.data(), KvBlockPool::kBlockTokens};
}

}  // namespace saccade
