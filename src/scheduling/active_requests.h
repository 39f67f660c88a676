// The requests that are being answered, as far as they get in one another's way.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace saccade {

/// Thread safety: any thread.
class ActiveRequests {
 public:
  /// A request, until it is destroyed.
  class Active {
   public:
    explicit Active(ActiveRequests& all) : all_(all), order_(all.enter()) {}
    ~Active() { all_.leave(); }
    Active(const Active&) = delete;
    Active& operator=(const Active&) = delete;

    /// Counts requests as they begin.
    uint64_t order() const { return order_; }

   private:
    ActiveRequests& all_;
    const uint64_t order_;
  };

  int64_t count() const;
  int64_t num_waiting() const;

  /// For a request that lacks what others hold and has given back what it held: waits until one of them has ended,
  /// unless they all wait here, too. True: it may try again. False: it tried before while nobody else held anything;
  /// `tried` keeps track of that between calls.
  bool wait_for_others(std::optional<uint64_t>& tried);

 private:
  uint64_t enter();
  void leave();

  mutable std::mutex mutex_;
  std::condition_variable has_left_;
  // Guarded by mutex_.
  uint64_t num_entered_ = 0;
  int64_t num_active_ = 0;
  int64_t num_waiting_ = 0;
  uint64_t num_left_ = 0;
  uint64_t num_stirred_ = 0;  // how often one began, or went on from waiting
};

}  // namespace saccade
