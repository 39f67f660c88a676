// One computation for all who want the same value at the same time.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <unordered_map>
#include <utility>

#include "base/function_ref.h"
#include "cache/cache_key.h"
#include "platform/clock.h"
#include "saccade/status.h"

namespace saccade {

/// When somebody who waits for another's computation gives up. A computation of one's own is not bounded by it.
struct WaitLimits {
  std::stop_token stop = {};  // gives up at once, kCancelled
  /// Asked every `poll_ms`; true: kCancelled. For those who are told of a cancelled request in no other way.
  std::function<bool()> gives_up = nullptr;
  double poll_ms = 5;
  double deadline_ms = std::numeric_limits<double>::infinity();  // of now_ms(); kBudgetExceeded
};

/// Since the start.
struct FlightStats {
  uint64_t num_computed = 0;
  uint64_t num_failed = 0;   // computations that ended with an error or an exception, cancelled ones among them
  uint64_t num_shared = 0;   // callers who got what another computed
  uint64_t num_gave_up = 0;  // callers who waited no longer
  uint64_t num_waiting = 0;  // now
};

/// `Value` is cheap to copy. Thread safety: any thread; the computation runs on the thread of the caller that is first,
/// with no lock held.
template <typename Value>
class SingleFlight {
 public:
  struct Result {
    Value value;
    bool is_shared = false;  // by another's computation
  };

  /// Computes the value, or waits for who does already. Where that one fails, the error is its own: one of those who
  /// wait computes next. `compute` has to leave the value where it will be looked for (a cache) before it returns: who
  /// comes after that computes anew.
  Expected<Result> run(const CacheKey& key, FunctionRef<Expected<Value>()> compute, const WaitLimits& limits = {}) {
    std::unique_lock lock(mutex_);
    while (true) {
      std::shared_ptr<Flight>& slot = flights_[key];
      if (slot == nullptr) {
        slot = std::make_shared<Flight>();
        return lead(lock, key, slot, compute);
      }
      const std::shared_ptr<Flight> flight = slot;
      ++stats_.num_waiting;
      const Status waited = wait(lock, *flight, limits);
      --stats_.num_waiting;
      if (flight->value) {  // also for who was about to give up
        ++stats_.num_shared;
        return Result{*flight->value, true};
      }
      if (!waited.is_ok()) {
        ++stats_.num_gave_up;
        return waited;
      }
    }
  }

  /// Computations that ended so far. Who found nothing, and then leads, with the same number before and after, knows
  /// that there is still nothing.
  uint64_t num_ended() const { return num_ended_.load(std::memory_order_acquire); }

  FlightStats stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  struct Flight {
    bool is_over = false;
    std::optional<Value> value;  // none: it failed
    std::condition_variable_any ended;
  };

  Expected<Result> lead(std::unique_lock<std::mutex>& lock, const CacheKey& key, std::shared_ptr<Flight> flight,
                        FunctionRef<Expected<Value>()> compute) {
    lock.unlock();
    std::optional<Value> value;
    const auto land = [&] {  // also where compute() throws
      lock.lock();
      flight->value = value;
      flight->is_over = true;
      num_ended_.fetch_add(1, std::memory_order_release);
      flights_.erase(key);
      ++(value ? stats_.num_computed : stats_.num_failed);
      flight->ended.notify_all();
    };
    try {
      Expected<Value> computed = compute();
      if (computed) value = *computed;
      land();
      if (!computed) return computed.status();
      return Result{*std::move(value), false};
    } catch (...) {
      if (!flight->is_over) land();
      throw;
    }
  }

  // Ok: the flight is over.
  Status wait(std::unique_lock<std::mutex>& lock, Flight& flight, const WaitLimits& limits) {
    while (!flight.is_over) {
      if (limits.stop.stop_requested()) return cancelled("stopped while another request computed the same");
      if (limits.gives_up) {
        lock.unlock();  // somebody else's code
        const bool gives_up = limits.gives_up();
        lock.lock();
        if (flight.is_over) break;
        if (gives_up) return cancelled("cancelled while another request computed the same");
      }
      const double left_ms = limits.deadline_ms - now_ms();
      if (left_ms <= 0) return budget_exceeded("no time is left to wait for another request that computes the same");
      const double wait_ms = std::min(limits.gives_up ? std::min(left_ms, limits.poll_ms) : left_ms, kLongestWaitMs);
      flight.ended.wait_for(lock, limits.stop, std::chrono::duration<double, std::milli>(wait_ms),
                            [&] { return flight.is_over; });
    }
    return {};
  }

  static constexpr double kLongestWaitMs = 1e6;  // what the system's clocks can add to now

  std::atomic<uint64_t> num_ended_ = 0;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::unordered_map<CacheKey, std::shared_ptr<Flight>, CacheKeyHash> flights_;
  FlightStats stats_;
};

}  // namespace saccade
