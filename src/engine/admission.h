// Which requests are taken in, when each begins, and how much work each may be.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <list>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "planner/share_out.h"
#include "saccade/status.h"
#include "scheduling/urgency.h"

namespace saccade {

/// Knows of all requests that are waited for how much work each has left, and the plans that those may still choose
/// from that have not begun. A request that can't be in time beside them, even if all do with the least their floors
/// allow, is refused at once; before that, those give way that lose least (share_out()). So many are answered at a
/// time; the others wait, the most urgent in front. Thread safety: any thread.
class Admission {
 public:
  struct Limits {
    int64_t max_running = 1;
    int64_t max_waiting = 0;
  };

  struct Entrant {
    Urgency urgency;
    std::string account;
    // By when it is to be answered, on the clock of now_ms().
    double deadline_ms = std::numeric_limits<double>::infinity();
    // What its plans would take, of those that keep its budget; where none does, or it has none, one.
    std::vector<WorkOption> options;
    bool is_possible = true;  // in time, if there were no others
  };

  /// What a request may do beside the others.
  struct Room {
    double ahead_ms = 0;                                           // of work goes before it
    double allotted_ms = std::numeric_limits<double>::infinity();  // what it may take itself
    int64_t num_others = 0;                                        // that are answered now
  };

  /// A request that was taken in and has begun, until it is destroyed.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), at_(other.at_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(at_, other.at_);
      return *this;
    }
    ~Place() {
      if (owner_ != nullptr) owner_->leave(at_);
    }
    bool is_there() const { return owner_ != nullptr; }

    Room room() const { return owner_->room_of(at_); }
    /// Its plan is made: so much is left of it to do.
    void commit(double work_ms) const { owner_->commit(at_, work_ms); }

   private:
    friend class Admission;
    struct Entry;
    using At = std::list<Entry>::iterator;
    Place(Admission& owner, At at) : owner_(&owner), at_(at) {}

    Admission* owner_ = nullptr;
    At at_;
  };

  explicit Admission(const Limits& limits) : limits_(limits) {}

  /// Waits until the request may begin. Errors: kOverloaded, at once or where others that have as good a claim came
  /// while it waited: what would be in time, and when to ask again. kCancelled: `stop` was asked for.
  Expected<Place> enter(Entrant entrant, const std::stop_token& stop = {});

  int64_t num_running() const;
  int64_t num_waiting() const;

 private:
  using Entry = Place::Entry;
  using At = Place::At;
  struct Outlook;

  std::list<Entry>::iterator insert(Entrant entrant);
  Outlook look_out() const;
  Status admit(At newcomer);
  Status refusal(const Entry& entry, const Outlook& outlook) const;
  double work_of_account(const std::string& account) const;
  Entry* least_entitled(const Entry& newcomer);
  size_t num_late(const Outlook& outlook, int priority) const;
  const Entry* next() const;
  void leave(At at);
  Room room_of(At at) const;
  void commit(At at, double work_ms);

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable_any has_changed_;
  // Guarded by mutex_.
  std::list<Entry> entries_;  // the most urgent first
  int64_t num_running_ = 0;
};

struct Admission::Place::Entry {
  Entrant entrant;
  size_t choice = 0;        // of its options
  double left_ms = 0;       // of work, once its plan is made
  bool is_running = false;  // else it waits
  bool is_committed = false;
  Status refused;

  double work_ms() const {
    if (!refused.is_ok()) return 0;
    return is_committed ? left_ms : entrant.options[choice].work_ms;
  }
};

}  // namespace saccade
