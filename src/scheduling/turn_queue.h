// Who computes now: the model's threads work for one at a time, and long work lets others in between.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "scheduling/urgency.h"

namespace saccade {

/// Hands a turn from one thread to the next. There are two kinds of work: steps, short ones that many requests wait for
/// (the next tokens of all answers), and long ones that are one request's (encoding a picture, reading a prompt). A
/// more urgent long work interrupts a less urgent one where that yields. Of steps and long works that want the turn at
/// the same time, the more urgent have most of it, and the others some, so that neither stalls.
/// Thread safety: any thread; a Turn stays with the thread that took it.
class TurnQueue {
 public:
  enum class Kind : uint8_t { kStep, kLong };

  /// Somebody's turn, until it is destroyed. A thread holds one at most.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)), self_(other.self_) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (queue_ != nullptr) queue_->release(self_);
    }

    /// Lets others go ahead whose turn it is; returns when it is this one's again. Costs nothing to speak of where
    /// nobody waits.
    void yield() {
      if (queue_->num_waiting_.load(std::memory_order_relaxed) > 0) queue_->yield(self_);
    }
    /// Of steps: as urgent as the most urgent request that is part of them.
    void set_urgency(const Urgency& urgency);
    /// For how long it has waited, since it was asked for.
    double waited_ms() const { return self_.waited_ms; }

   private:
    friend class TurnQueue;
    struct Holder {
      Kind kind = Kind::kLong;
      Urgency urgency;
      double waited_ms = 0;
      double since_ms = 0;  // when it last got the turn
    };
    Turn(TurnQueue& queue, const Holder& self) : queue_(&queue), self_(self) {}

    TurnQueue* queue_;
    Holder self_;
  };

  /// Waits for a turn.
  Turn take(Kind kind, const Urgency& urgency);

  /// Threads that wait for a turn.
  int num_waiting() const { return num_waiting_.load(std::memory_order_relaxed); }

 private:
  using Holder = Turn::Holder;
  struct Waiter {
    const Holder* who = nullptr;
    std::condition_variable ready;
    bool has_turn = false;
  };

  void yield(Holder& self);
  void release(Holder& self);
  void wait(std::unique_lock<std::mutex>& lock, Holder& self);
  void count_time(Holder& self);
  bool had_its_share(const Holder& holder, const Holder& other) const;
  Waiter* most_urgent(Kind kind) const;
  Waiter* next(const Holder* holder) const;
  void hand_over(Waiter& to);
  double& used_ms(Kind kind) { return used_ms_[static_cast<size_t>(kind)]; }
  double used_ms(Kind kind) const { return used_ms_[static_cast<size_t>(kind)]; }

  std::atomic<int> num_waiting_{0};
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  bool is_taken_ = false;
  std::vector<Waiter*> waiting_;
  std::array<double, 2> used_ms_ = {};  // by Kind, since both were wanted
};

}  // namespace saccade
