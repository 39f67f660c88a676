#include "scheduling/active_requests.h"

namespace saccade {

uint64_t ActiveRequests::enter() {
  const std::lock_guard lock(mutex_);
  ++num_active_;
  ++num_stirred_;
  return num_entered_++;
}

void ActiveRequests::leave() {
  {
    const std::lock_guard lock(mutex_);
    --num_active_;
    ++num_left_;
  }
  has_left_.notify_all();
}

int64_t ActiveRequests::count() const {
  const std::lock_guard lock(mutex_);
  return num_active_;
}

int64_t ActiveRequests::num_waiting() const {
  const std::lock_guard lock(mutex_);
  return num_waiting_;
}

bool ActiveRequests::wait_for_others(std::optional<uint64_t>& tried) {
  std::unique_lock lock(mutex_);
  if (num_waiting_ + 1 == num_active_) {
    if (tried == num_stirred_) return false;
    tried = num_stirred_;
    return true;
  }
  const uint64_t before = num_left_;
  ++num_waiting_;
  has_left_.wait(lock, [&] { return num_left_ != before; });
  --num_waiting_;
  ++num_stirred_;
  return true;
}

}  // namespace saccade
