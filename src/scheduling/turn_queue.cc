#include "scheduling/turn_queue.h"

#include <algorithm>

#include "platform/clock.h"

namespace saccade {
namespace {

// Of long work at a time: less would be spent on handing the turn over.
constexpr double kLeastSliceMs = 1;

// What the more urgent of steps and long work have of the time, as a multiple of the others'.
constexpr double kUrgentShare = 4;

}  // namespace

TurnQueue::Turn TurnQueue::take(Kind kind, const Urgency& urgency) {
  Holder self = {.kind = kind, .urgency = urgency};
  std::unique_lock lock(mutex_);
  if (is_taken_) {
    wait(lock, self);
  } else {
    is_taken_ = true;
    self.since_ms = now_ms();
  }
  return {*this, self};
}

void TurnQueue::wait(std::unique_lock<std::mutex>& lock, Holder& self) {
  const double since_ms = now_ms();
  Waiter waiter;
  waiter.who = &self;
  waiting_.push_back(&waiter);
  num_waiting_.store(static_cast<int>(waiting_.size()), std::memory_order_relaxed);
  waiter.ready.wait(lock, [&] { return waiter.has_turn; });
  self.since_ms = now_ms();
  self.waited_ms += self.since_ms - since_ms;
}

void TurnQueue::hand_over(Waiter& to) {
  std::erase(waiting_, &to);
  num_waiting_.store(static_cast<int>(waiting_.size()), std::memory_order_relaxed);
  to.has_turn = true;
  to.ready.notify_one();
}

TurnQueue::Waiter* TurnQueue::most_urgent(Kind kind) const {
  Waiter* best = nullptr;
  for (Waiter* waiter : waiting_) {
    if (waiter->who->kind != kind) continue;
    if (best == nullptr || waiter->who->urgency.is_before(best->who->urgency)) best = waiter;
  }
  return best;
}

void TurnQueue::count_time(Holder& self) {
  const Kind other = self.kind == Kind::kStep ? Kind::kLong : Kind::kStep;
  if (most_urgent(other) == nullptr) {
    used_ms_ = {};
    return;
  }
  const double now = now_ms();
  used_ms(self.kind) += now - self.since_ms;
  self.since_ms = now;
}

// Beside what the other one, of the other kind, had.
bool TurnQueue::had_its_share(const Holder& holder, const Holder& other) const {
  const bool is_first = holder.urgency.is_before(other.urgency);
  const double weight = is_first ? kUrgentShare : 1;
  const double other_weight = is_first ? 1 : kUrgentShare;
  return used_ms(holder.kind) * other_weight >= used_ms(other.kind) * weight;
}

// Who is to have the turn of `holder`, which would go on (null: it is done); null: nobody else.
TurnQueue::Waiter* TurnQueue::next(const Holder* holder) const {
  Waiter* const step = most_urgent(Kind::kStep);
  Waiter* const work = most_urgent(Kind::kLong);
  if (holder == nullptr) {
    if (step == nullptr || work == nullptr) return step == nullptr ? work : step;
    return had_its_share(*step->who, *work->who) ? work : step;
  }
  if (holder->kind == Kind::kStep) return work != nullptr && had_its_share(*holder, *work->who) ? work : nullptr;
  if (step != nullptr && had_its_share(*holder, *step->who)) return step;
  return work != nullptr && work->who->urgency.is_before(holder->urgency) ? work : nullptr;
}

void TurnQueue::Turn::set_urgency(const Urgency& urgency) {
  const std::lock_guard lock(queue_->mutex_);
  self_.urgency = urgency;
}

void TurnQueue::yield(Holder& self) {
  std::unique_lock lock(mutex_);
  if (self.kind == Kind::kLong && now_ms() - self.since_ms < kLeastSliceMs) return;
  count_time(self);
  Waiter* const to = next(&self);
  if (to == nullptr) return;
  hand_over(*to);
  wait(lock, self);
}

void TurnQueue::release(Holder& self) {
  const std::lock_guard lock(mutex_);
  count_time(self);
  if (Waiter* const to = next(nullptr)) {
    hand_over(*to);
  } else {
    is_taken_ = false;
  }
}

}  // namespace saccade
