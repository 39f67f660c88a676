#include "engine/step_loop.h"

#include <algorithm>
#include <utility>

#include "platform/clock.h"

namespace saccade {

StepLoop::StepLoop(const Decoder& decoder, ThreadPool& pool, TurnQueue& turns, Hooks hooks)
    : decoder_(decoder), pool_(pool), turns_(turns), hooks_(std::move(hooks)), thread_([this] { work(); }) {}

StepLoop::~StepLoop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  is_wanted_.notify_one();
  thread_.join();
}

Status StepLoop::run(Decoding& decoding) {
  Member member = {.decoding = &decoding, .status = {}, .failure = {}};
  std::unique_lock lock(mutex_);
  joining_.push_back(&member);
  is_wanted_.notify_one();
  has_left_.wait(lock, [&] { return member.is_done; });
  if (member.failure) std::rethrow_exception(member.failure);
  return member.status;
}

void StepLoop::work() {
  std::vector<Member*> running;
  const auto take_joining = [&] {
    running.insert(running.end(), joining_.begin(), joining_.end());
    joining_.clear();
  };
  while (true) {
    {
      std::unique_lock lock(mutex_);
      is_wanted_.wait(lock, [&] { return is_stopping_ || !joining_.empty(); });
      if (joining_.empty()) return;
      take_joining();
    }
    TurnQueue::Turn turn = turns_.take(TurnQueue::Kind::kStep, {});
    last_step_end_ms_ = now_ms();
    while (!running.empty()) {
      step(running, turn);
      turn.yield();
      const std::lock_guard lock(mutex_);
      take_joining();
    }
  }
}

// The member is its caller's again, and gone.
void StepLoop::leave(Member& member, Status status) {
  {
    const std::lock_guard lock(mutex_);
    member.status = std::move(status);
    member.is_done = true;
  }
  has_left_.notify_all();
}

// The most urgent answers, as many as a step has rows for. One alone may guess ahead.
StepLoop::Batch StepLoop::plan(std::vector<Member*>& running) const {
  std::ranges::stable_sort(running, [](const Member* a, const Member* b) {
    return a->decoding->urgency().is_before(b->decoding->urgency());
  });
  const int64_t most = decoder_.num_independent_rows();
  Batch batch;
  for (Member* member : running) {
    if (batch.total_rows == most) break;
    Decoding& decoding = *member->decoding;
    const int64_t num_rows =
        std::ssize(decoding.continuation().plan_rows(decoding.num_left(), running.size() == 1 ? most : 1));
    batch.members.push_back(member);
    batch.num_rows.push_back(num_rows);
    batch.total_rows += num_rows;
  }
  return batch;
}

// Blocks for the batch's rows. Where there are none left, answers give way, the least urgent first: they are computed
// anew later (preemption by recomputation; vLLM, SOSP 2023).
bool StepLoop::reserve(std::vector<Member*>& running, Batch& batch) {
  size_t next = 0;
  while (next < batch.members.size()) {
    Decoding& decoding = *batch.members[next]->decoding;
    const Status status = decoding.conversation().reserve(batch.num_rows[next]);
    if (status.is_ok()) {
      ++next;
      continue;
    }
    if (hooks_.make_room && hooks_.make_room()) continue;
    if (batch.num_rows[next] > 1) {  // nobody gives way to guesses
      batch.total_rows -= batch.num_rows[next] - 1;
      batch.num_rows[next] = std::ssize(decoding.continuation().plan_rows(decoding.num_left(), 1));
      continue;
    }
    Member* const victim = running.back();  // plan() has sorted them
    running.pop_back();
    if (!batch.members.empty() && batch.members.back() == victim) {
      batch.total_rows -= batch.num_rows.back();
      batch.members.pop_back();
      batch.num_rows.pop_back();
    }
    victim->decoding->conversation().truncate(0);
    leave(*victim, status);
  }
  return !batch.members.empty();
}

Status StepLoop::execute(const Batch& batch, double waited_ms) {
  const Stopwatch clock;
  Tensor rows({batch.total_rows, decoder_.config().model_dim});
  std::vector<TokenPosition> positions;
  std::vector<SequenceRows> sequences;
  for (size_t i = 0; i < batch.members.size(); ++i) {
    Decoding& decoding = *batch.members[i]->decoding;
    int32_t position = decoding.continuation().first_position();
    for (const TokenId token : decoding.continuation().rows()) {
      decoder_.embed(token, rows.row(std::ssize(positions)));
      positions.push_back({position, position, position});
      ++position;
    }
    sequences.push_back(decoding.conversation().next_rows(batch.num_rows[i], &decoding.trace));
  }
  ForwardArgs args;
  args.rows = &rows;
  args.positions = positions;
  args.sequences = sequences;
  args.num_logit_rows = batch.total_rows;
  SACCADE_ASSIGN_OR_RETURN(Tensor computed, decoder_.forward(pool_, args));
  const auto logits = std::make_shared<Tensor>(std::move(computed));
  int64_t first_row = 0;
  for (size_t i = 0; i < batch.members.size(); ++i) {
    Decoding& decoding = *batch.members[i]->decoding;
    std::vector<uint64_t> fingerprints;
    for (const TokenId token : decoding.continuation().rows()) fingerprints.push_back(static_cast<uint64_t>(token));
    decoding.conversation().commit(fingerprints);
    decoding.continuation().take(logits, first_row, clock.elapsed_ms());
    first_row += batch.num_rows[i];
    decoding.num_other_rows += batch.total_rows - batch.num_rows[i];
    decoding.waited_ms += waited_ms;
  }
  return {};
}

void StepLoop::step(std::vector<Member*>& running, TurnQueue::Turn& turn) {
  const double waited_ms = now_ms() - last_step_end_ms_;
  Batch batch = plan(running);
  turn.set_urgency(running.front()->decoding->urgency());
  if (!reserve(running, batch)) return;
  Status status;
  std::exception_ptr failure;
  try {
    status = execute(batch, waited_ms);
  } catch (...) {  // memory has run out
    failure = std::current_exception();
  }
  for (Member* member : batch.members) {
    member->failure = failure;
    bool goes_on = status.is_ok() && !failure;
    if (goes_on) {
      try {
        goes_on = member->decoding->draw();
      } catch (...) {  // a callback's
        member->failure = std::current_exception();
        goes_on = false;
      }
    }
    if (goes_on) continue;
    std::erase(running, member);
    leave(*member, status);
  }
  last_step_end_ms_ = now_ms();
  if (hooks_.on_step) hooks_.on_step();
}

}  // namespace saccade
