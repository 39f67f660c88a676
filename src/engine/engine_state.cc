#include "engine/engine_state.h"

#include <utility>

namespace saccade {
namespace {

// Pictures of which is remembered which tokens a plan kept.
constexpr size_t kMaxLookedAt = 256;

}  // namespace

std::optional<LookedAt> LookedAtPictures::find(uint64_t digest) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_digest_.find(digest);
  return found == by_digest_.end() ? std::nullopt : std::optional(found->second);
}

void LookedAtPictures::put(uint64_t digest, LookedAt looked_at) {
  const std::lock_guard lock(mutex_);
  if (by_digest_.size() >= kMaxLookedAt) by_digest_.clear();
  by_digest_[digest] = std::move(looked_at);
}

void LookedAtPictures::clear() {
  const std::lock_guard lock(mutex_);
  by_digest_.clear();
}

}  // namespace saccade
