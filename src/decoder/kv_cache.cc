#include "decoder/kv_cache.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <set>

#include "base/format.h"
#include "kernels/dequantize.h"

namespace saccade {
namespace {

size_t num_blocks_for(int64_t num_tokens) {
  return static_cast<size_t>((num_tokens + KvBlockPool::kBlockTokens - 1) / KvBlockPool::kBlockTokens);
}

}  // namespace

KvBlockPool::KvBlockPool(const KvShape& shape, uint64_t max_bytes) : shape_(shape), max_bytes_(max_bytes) {
  assert(shape.head_dim % traits_of(shape.dtype).block_size == 0);
}

uint64_t KvBlockPool::block_bytes() const {
  return static_cast<uint64_t>(2 * kBlockTokens * shape_.num_heads * shape_.row_bytes());
}

uint64_t KvBlockPool::taken_bytes() const {
  std::lock_guard lock(mutex_);
  return blocks_.size() * block_bytes();
}

uint64_t KvBlockPool::free_bytes() const {
  std::lock_guard lock(mutex_);
  return free_.size() * block_bytes();
}

Expected<std::byte*> KvBlockPool::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) {
    Tensor block;
    if ((blocks_.size() + 1) * block_bytes() <= max_bytes_) {
      try {
        block = Tensor({2 * shape_.num_heads * kBlockTokens, shape_.head_dim}, shape_.dtype);
      } catch (const std::bad_alloc&) {
        // An outcome like the limit's.
      }
    }
    if (block.is_empty()) {
      return resource_exhausted("the KV cache is full at " + format_bytes(blocks_.size() * block_bytes()) +
                                "; use a smaller context or fewer pictures");
    }
    free_.push_back(block.data());
    blocks_.push_back(std::move(block));
  }
  std::byte* block = free_.back();
  free_.pop_back();
  num_holders_[block] = 1;
  return block;
}

void KvBlockPool::share(std::byte* block) {
  std::lock_guard lock(mutex_);
  ++num_holders_.at(block);
}

void KvBlockPool::give_back(std::byte* block) {
  std::lock_guard lock(mutex_);
  const auto holders = num_holders_.find(block);
  assert(holders != num_holders_.end());
  if (--holders->second > 0) return;
  num_holders_.erase(holders);
  free_.push_back(block);
}

bool KvBlockPool::is_shared(std::byte* block) const {
  std::lock_guard lock(mutex_);
  return num_holders_.at(block) > 1;
}

std::string KvBlockPool::find_fault(std::span<const KvSequence* const> holders) const {
  std::lock_guard lock(mutex_);
  std::unordered_map<std::byte*, int> held;
  for (const KvSequence* sequence : holders) {
    for (const KvSequence::Layer& layer : sequence->layers_) {
      if (layer.keys.size() < num_blocks_for(static_cast<int64_t>(layer.rows.size()))) return "a layer lacks blocks";
      if (!std::ranges::is_sorted(layer.rows)) return "a layer's rows do not ascend";
      if (!layer.biases.empty() && layer.biases.size() != layer.rows.size()) return "a layer lacks biases";
      for (std::byte* block : layer.keys) ++held[block];
    }
  }
  if (held != num_holders_) return "the blocks that are taken are not those that sequences hold";
  const std::set<std::byte*> free(free_.begin(), free_.end());
  if (free.size() != free_.size()) return "a block is free twice";
  if (free.size() + held.size() != blocks_.size()) return "a block is neither free nor held";
  if (std::ranges::any_of(free, [&](std::byte* block) { return held.contains(block); })) return "a free block is held";
  return "";
}

KvSequence::KvSequence(std::shared_ptr<KvBlockPool> pool, int64_t num_layers)
    : pool_(std::move(pool)), layers_(static_cast<size_t>(num_layers)) {}

KvSequence::~KvSequence() {
  truncate(0);
}

KvSequence KvSequence::fork(int64_t num_rows) const {
  KvSequence other(pool_, static_cast<int64_t>(layers_.size()));
  other.num_rows_ = num_rows_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (std::byte* block : layers_[i].keys) pool_->share(block);
    other.layers_[i] = layers_[i];
  }
  other.truncate(num_rows);
  return other;
}

uint64_t KvSequence::num_blocks() const {
  uint64_t count = 0;
  for (const Layer& layer : layers_) count += layer.keys.size();
  return count;
}

// What is put behind a part of a block must not show in the other sequences that hold it.
Status KvSequence::own_last_block(Layer& layer) {
  if (layer.rows.size() % KvBlockPool::kBlockTokens == 0) return {};
  const size_t last = num_blocks_for(static_cast<int64_t>(layer.rows.size())) - 1;
  if (!pool_->is_shared(layer.keys[last])) return {};
  SACCADE_ASSIGN_OR_RETURN(std::byte * copy, pool_->take());
  std::memcpy(copy, layer.keys[last], pool_->block_bytes());
  pool_->give_back(layer.keys[last]);
  layer.keys[last] = copy;
  layer.values[last] = copy + pool_->block_bytes() / 2;
  return {};
}

Status KvSequence::reserve(int64_t layer_idx, int64_t count) {
  Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  SACCADE_RETURN_IF_ERROR(own_last_block(layer));
  const size_t num_before = layer.keys.size();
  const size_t num_needed = num_blocks_for(num_tokens(layer_idx) + count);
  while (layer.keys.size() < num_needed) {
    const Expected<std::byte*> block = pool_->take();
    if (!block) {
      keep_blocks(layer, num_before);
      return block.status();
    }
    layer.keys.push_back(*block);
    layer.values.push_back(*block + pool_->block_bytes() / 2);
  }
  layer.rows.reserve(layer.rows.size() + static_cast<size_t>(count));
  return {};
}

void KvSequence::append(int64_t layer_idx, std::span<const int32_t> rows, const float* keys, const float* values,
                        std::span<const float> biases) {
  Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  const KvShape& shape = pool_->shape();
  const int64_t token_floats = shape.num_heads * shape.head_dim;
  const int64_t num_before = num_tokens(layer_idx);
  for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i) {
    const int64_t token_idx = num_before + i;
    const auto block = static_cast<size_t>(token_idx / KvBlockPool::kBlockTokens);
    assert(block < layer.keys.size());
    for (int64_t head = 0; head < shape.num_heads; ++head) {
      const int64_t row = head * KvBlockPool::kBlockTokens + token_idx % KvBlockPool::kBlockTokens;
      const int64_t source = i * token_floats + head * shape.head_dim;
      encode_row(shape.dtype, keys + source, layer.keys[block] + row * shape.row_bytes(), shape.head_dim);
      encode_row(shape.dtype, values + source, layer.values[block] + row * shape.row_bytes(), shape.head_dim);
    }
  }
  assert(rows.empty() || layer.rows.empty() || layer.rows.back() < rows.front());
  layer.rows.insert(layer.rows.end(), rows.begin(), rows.end());
  if (!biases.empty()) {
    layer.biases.resize(static_cast<size_t>(num_before), 0.0F);
    layer.biases.insert(layer.biases.end(), biases.begin(), biases.end());
  } else if (!layer.biases.empty()) {
    layer.biases.resize(layer.rows.size(), 0.0F);
  }
}

void KvSequence::truncate(int64_t num_rows) {
  num_rows_ = std::min(num_rows_, num_rows);
  for (Layer& layer : layers_) {
    layer.rows.erase(std::ranges::lower_bound(layer.rows, static_cast<int32_t>(num_rows)), layer.rows.end());
    layer.biases.resize(std::min(layer.biases.size(), layer.rows.size()));
    keep_blocks(layer, num_blocks_for(static_cast<int64_t>(layer.rows.size())));
  }
}

void KvSequence::keep_blocks(Layer& layer, size_t count) {
  while (layer.keys.size() > count) {
    pool_->give_back(layer.keys.back());
    layer.keys.pop_back();
    layer.values.pop_back();
  }
}

const float* KvSequence::biases(int64_t layer_idx) const {
  const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  return layer.biases.empty() ? nullptr : layer.biases.data();
}

KvBlocks KvSequence::blocks(int64_t layer_idx) const {
  const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
  const KvShape& shape = pool_->shape();
  KvBlocks blocks;
  blocks.keys = layer.keys.data();
  blocks.values = layer.values.data();
  blocks.dtype = shape.dtype;
  blocks.block_tokens = KvBlockPool::kBlockTokens;
  blocks.token_stride = shape.row_bytes();
  blocks.head_stride = KvBlockPool::kBlockTokens * shape.row_bytes();
  return blocks;
}

}  // namespace saccade
