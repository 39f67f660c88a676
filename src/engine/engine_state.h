// What the answers of an engine share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "constraint/constraints.h"
#include "engine/admission.h"
#include "engine/conversations.h"
#include "engine/encoded_pictures.h"
#include "engine/model.h"
#include "engine/picture_texts.h"
#include "engine/pictures.h"
#include "engine/planning.h"
#include "engine/step_loop.h"
#include "planner/model_shape.h"
#include "platform/process_memory.h"
#include "platform/thread_pool.h"
#include "saccade/engine.h"
#include "scheduling/active_requests.h"
#include "scheduling/turn_queue.h"
#include "tensor/tensor_memory.h"

namespace saccade {

/// What was kept of pictures by plans, by the digest of both. Thread safety: any thread.
class LookedAtPictures {
 public:
  std::optional<LookedAt> find(uint64_t digest) const;
  void put(uint64_t digest, LookedAt looked_at);
  void clear();

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, LookedAt> by_digest_;  // guarded by mutex_
};

/// What answers share: what was loaded, what earlier ones left behind, and whose turn it is to compute.
struct EngineState {
  EngineOptions options;
  Model model;
  ModelShape shape;
  std::unique_ptr<ThreadPool> pool;  // whoever has a turn may use it
  ModelInfo info;
  TaskRules rules;
  std::shared_ptr<KvBlockPool> kv_blocks;  // that conversations take their rows' memory from
  PictureTexts picture_texts;
  LookedAtPictures looked_at = {};
  TurnQueue turns = {};
  ActiveRequests active = {};
  Admission admission;
  std::atomic<double> typical_work_ms = 0;  // of requests that nothing is predicted for, the mean of the last ones
  std::unique_ptr<EncodedPictures> encoded_pictures;
  std::unique_ptr<Conversations> conversations;
  std::unique_ptr<StepLoop> steps;
  std::unique_ptr<Constraints> constraints = {};

  std::mutex planning_mutex = {};
  std::optional<Planning> planning = {};  // of engines that were asked with a budget; guarded by planning_mutex
  std::atomic<bool> is_load_counted = false;

  std::mutex price_mutex = {};
  std::optional<Price> price = {};  // in force, at first that of the options; guarded by price_mutex

  std::optional<Price> price_now() {
    const std::lock_guard lock(price_mutex);
    return price;
  }

  /// Memory that an answer may take, beside what the cache has, in bytes.
  uint64_t free_bytes() const { return free_memory_bytes(options.max_memory_bytes) + kept_tensor_bytes(); }

  /// Memory of the cache that nobody needs.
  uint64_t spare_kv_bytes() const { return kv_blocks->free_bytes() + conversations->kept_bytes(); }

  PictureOptions picture_options() const {
    return {{options.max_image_bytes, options.max_image_pixels}, options.has_exact_pixels};
  }
};

}  // namespace saccade
