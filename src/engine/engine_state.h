// What the answers of an engine share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "engine/conversation.h"
#include "engine/model.h"
#include "engine/picture_texts.h"
#include "engine/pictures.h"
#include "engine/planning.h"
#include "planner/levers.h"
#include "planner/model_shape.h"
#include "platform/process_memory.h"
#include "platform/thread_pool.h"
#include "saccade/engine.h"
#include "tensor/tensor_memory.h"

namespace saccade {

/// What answers share: what was loaded, and what earlier ones left behind.
struct EngineState {
  EngineOptions options;
  Model model;
  ModelShape shape;
  std::unique_ptr<ThreadPool> pool;
  ModelInfo info;
  TaskRules rules;
  std::shared_ptr<KvBlockPool> kv_blocks;  // that conversations take their rows' memory from
  Conversation conversation;
  Levers levers = {};  // of the plan that the conversation's last answer ended by
  PictureTexts picture_texts;
  std::optional<Planning> planning;                  // of engines that were asked with a budget
  std::unordered_map<uint64_t, LookedAt> looked_at;  // by the digest of a picture and a plan
  bool is_load_counted = false;

  /// Memory that an answer may take, beside what the cache has, in bytes.
  uint64_t free_bytes() const { return free_memory_bytes(options.max_memory_bytes) + kept_tensor_bytes(); }

  PictureOptions picture_options() const {
    return {{options.max_image_bytes, options.max_image_pixels}, options.has_exact_pixels};
  }
};

}  // namespace saccade
