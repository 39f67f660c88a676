#include "engine/admission.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "platform/clock.h"

namespace saccade {
namespace {

// Nobody is told to ask again sooner.
constexpr double kLeastRetryMs = 50;

// What a plan may take over what was offered: others beside it, and predictions that were made anew, move it.
constexpr double kLeeway = 1.3;

}  // namespace

// How it would all end, with the plans chosen.
struct Admission::Outlook {
  SharedOut shared;
  std::vector<double> least_end_ms;  // from now, of each entry, where all do the least they can

  bool is_late(size_t idx) const { return std::ranges::find(shared.late, idx) != shared.late.end(); }
};

std::list<Admission::Entry>::iterator Admission::insert(Entrant entrant) {
  const auto behind = std::ranges::find_if(
      entries_, [&](const Entry& other) { return entrant.urgency.is_before(other.entrant.urgency); });
  Entry entry = {.entrant = std::move(entrant), .refused = {}};
  entry.choice = entry.entrant.options.size() - 1;
  return entries_.insert(behind, std::move(entry));
}

Admission::Outlook Admission::look_out() const {
  const double now = now_ms();
  std::vector<Contender> contenders;
  Outlook outlook = {.shared = {}, .least_end_ms = {}};
  double end_ms = 0;
  for (const Entry& entry : entries_) {
    Contender contender = {.deadline_ms = entry.entrant.deadline_ms - now, .options = entry.entrant.options};
    if (entry.is_committed) contender.options = {{entry.left_ms, 0}};
    if (!entry.refused.is_ok()) contender = {.options = {{0, 0}}};
    end_ms += contender.options.front().work_ms;
    outlook.least_end_ms.push_back(end_ms);
    contenders.push_back(std::move(contender));
  }
  outlook.shared = share_out(contenders);
  return outlook;
}

Status Admission::refusal(const Entry& entry, const Outlook& outlook) const {
  const auto at = std::ranges::find_if(entries_, [&](const Entry& other) { return &other == &entry; });
  const double end_ms = outlook.least_end_ms[static_cast<size_t>(std::distance(entries_.begin(), at))];
  const double left_ms = entry.entrant.deadline_ms - now_ms();
  return overloaded(
      format("other requests leave no room for it: %lld are being answered and %lld wait; by the cheapest "
             "plan that its budget allows it would be answered in %.0f ms, and %.0f ms are left",
             static_cast<long long>(num_running_), static_cast<long long>(std::ssize(entries_) - num_running_ - 1),
             end_ms, left_ms),
      std::max(kLeastRetryMs, end_ms - left_ms));
}

double Admission::work_of_account(const std::string& account) const {
  double work_ms = 0;
  for (const Entry& entry : entries_) {
    if (entry.entrant.account == account) work_ms += entry.work_ms();
  }
  return work_ms;
}

// Of those that have not begun, one of a lower priority, or else of the account that has the most work here, if that is
// more than the newcomer's has; of these the least urgent. Null: none.
Admission::Entry* Admission::least_entitled(const Entry& newcomer) {
  Entry* worst = nullptr;
  double most_ms = work_of_account(newcomer.entrant.account);
  for (Entry& entry : entries_) {
    if (&entry == &newcomer || entry.is_running || !entry.refused.is_ok()) continue;
    const int priority = entry.entrant.urgency.priority;
    if (priority > newcomer.entrant.urgency.priority) continue;
    if (priority < newcomer.entrant.urgency.priority)
      return &*std::prev(std::ranges::find_if_not(entries_.rbegin(), entries_.rend(), [](const Entry& last) {
                           return last.is_running || !last.refused.is_ok();
                         }).base());
    const double work_ms = work_of_account(entry.entrant.account);
    if (entry.entrant.account == newcomer.entrant.account || work_ms < most_ms) continue;
    worst = &entry;
    most_ms = work_ms;
  }
  return worst;
}

// Of this priority or a higher one.
size_t Admission::num_late(const Outlook& outlook, int priority) const {
  size_t count = 0;
  size_t idx = 0;
  for (const Entry& entry : entries_) {
    if (entry.entrant.urgency.priority >= priority && outlook.is_late(idx)) ++count;
    ++idx;
  }
  return count;
}

// Makes room for the newcomer. Errors: kOverloaded, where there is none.
Status Admission::admit(At newcomer) {
  Entry& entry = *newcomer;
  const int priority = entry.entrant.urgency.priority;
  entry.refused = overloaded("not taken in yet", 0);  // the others alone
  const size_t num_late_before = num_late(look_out(), priority);
  entry.refused = {};
  const auto position = static_cast<size_t>(std::distance(entries_.begin(), newcomer));
  std::vector<Entry*> displaced;
  while (true) {
    const Outlook outlook = look_out();
    const bool is_late = outlook.is_late(position);
    const size_t num_made_late = num_late(outlook, priority) - num_late_before - (is_late ? 1 : 0);
    const auto num_waiting = std::ssize(entries_) - num_running_ - std::ssize(displaced);
    const bool is_full = num_running_ >= limits_.max_running && num_waiting > limits_.max_waiting;
    if (!is_full && num_made_late == 0 && !(is_late && entry.entrant.is_possible)) {
      size_t idx = 0;
      for (Entry& other : entries_) other.choice = outlook.shared.choices[idx++];
      return {};
    }
    Entry* const worst = least_entitled(entry);
    if (worst == nullptr) {
      for (Entry* other : displaced) other->refused = {};
      return refusal(entry, outlook);
    }
    worst->refused = refusal(*worst, outlook);
    displaced.push_back(worst);
  }
}

// Who begins when there is a place: by priority and deadline; of those without one, who has fewest running.
const Admission::Entry* Admission::next() const {
  const auto num_of = [&](const std::string& account) {
    return std::ranges::count_if(
        entries_, [&](const Entry& entry) { return entry.is_running && entry.entrant.account == account; });
  };
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    if (entry.is_running || !entry.refused.is_ok()) continue;
    if (best == nullptr) {
      best = &entry;
      continue;
    }
    const bool has_deadline = std::isfinite(best->entrant.deadline_ms) || std::isfinite(entry.entrant.deadline_ms);
    const bool is_equal = best->entrant.urgency.priority == entry.entrant.urgency.priority && !has_deadline;
    if (is_equal && num_of(entry.entrant.account) < num_of(best->entrant.account)) best = &entry;
  }
  return best;
}

Expected<Admission::Place> Admission::enter(Entrant entrant, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const At at = insert(std::move(entrant));
  if (Status status = admit(at); !status.is_ok()) {
    entries_.erase(at);
    return status;
  }
  has_changed_.notify_all();
  const bool has_begun = has_changed_.wait(
      lock, stop, [&] { return !at->refused.is_ok() || (num_running_ < limits_.max_running && next() == &*at); });
  if (!has_begun || !at->refused.is_ok()) {
    const Status refused = has_begun ? at->refused : cancelled("the request was given up while it waited");
    entries_.erase(at);
    has_changed_.notify_all();
    return refused;
  }
  at->is_running = true;
  ++num_running_;
  if (num_running_ < limits_.max_running) has_changed_.notify_all();
  return Place(*this, at);
}

void Admission::leave(At at) {
  {
    const std::lock_guard lock(mutex_);
    entries_.erase(at);
    --num_running_;
  }
  has_changed_.notify_all();
}

// Where nobody else is, it may take all the time it has.
Admission::Room Admission::room_of(At at) const {
  const std::lock_guard lock(mutex_);
  Room room = {.num_others = num_running_ - 1};
  if (entries_.size() == 1) return room;
  for (auto other = entries_.begin(); other != at; ++other) room.ahead_ms += other->work_ms();
  // What those behind it leave.
  const double now = now_ms();
  double behind_ms = 0;
  for (auto other = std::next(at); other != entries_.end(); ++other) {
    behind_ms += other->work_ms();
    const double spare_ms = other->entrant.deadline_ms - now - room.ahead_ms - behind_ms;
    if (std::isfinite(spare_ms) && spare_ms >= 0) room.allotted_ms = std::min(room.allotted_ms, spare_ms);
  }
  // Who gave way for others has no more than it was left.
  const bool gave_way = !at->is_committed && at->choice + 1 < at->entrant.options.size();
  if (gave_way) room.allotted_ms = std::min(room.allotted_ms, kLeeway * at->entrant.options[at->choice].work_ms);
  return room;
}

void Admission::commit(At at, double work_ms) {
  const std::lock_guard lock(mutex_);
  at->is_committed = true;
  at->left_ms = work_ms;
}

int64_t Admission::num_running() const {
  const std::lock_guard lock(mutex_);
  return num_running_;
}

int64_t Admission::num_waiting() const {
  const std::lock_guard lock(mutex_);
  return std::ssize(entries_) - num_running_;
}

}  // namespace saccade
