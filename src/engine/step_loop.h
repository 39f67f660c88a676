// The next tokens of all answers in progress, computed together.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "decoder/decoder.h"
#include "engine/decoding.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "scheduling/turn_queue.h"

namespace saccade {

/// A thread that takes steps while there are answers to go on with: plans one (whose rows go into it), reserves memory
/// for them, executes it, and commits what came out of it to the answers. Answers join and leave between steps
/// (continuous batching; Orca, OSDI 2022).
///
/// A step has no more rows than the decoder computes as it would each alone: what an answer says does not depend on
/// which others were in progress.
class StepLoop {
 public:
  /// Hooks into the loop; each may be empty.
  struct Hooks {
    std::function<bool()> make_room;  // frees some blocks that nobody needs; false: there are none
    std::function<void()> on_step;    // behind each step, while nothing else is computed
  };

  /// All must outlive this.
  StepLoop(const Decoder& decoder, ThreadPool& pool, TurnQueue& turns, Hooks hooks);
  /// No answer may be in it.
  ~StepLoop();
  StepLoop(const StepLoop&) = delete;
  StepLoop& operator=(const StepLoop&) = delete;

  /// Takes an answer, which waits for logits behind its last token, to its end. Throws what its callbacks throw.
  /// Errors: kResourceExhausted where there was no memory for it beside more urgent ones. Its conversation is empty
  /// then; it may be computed anew and go on.
  Status run(Decoding& decoding);

 private:
  struct Member {
    Decoding* decoding = nullptr;
    Status status;
    std::exception_ptr failure;
    bool is_done = false;
  };
  struct Batch {
    std::vector<Member*> members;
    std::vector<int64_t> num_rows;  // of each
    int64_t total_rows = 0;
  };

  void work();
  void step(std::vector<Member*>& running, TurnQueue::Turn& turn);
  Batch plan(std::vector<Member*>& running) const;
  bool reserve(std::vector<Member*>& running, Batch& batch);
  Status execute(const Batch& batch, double waited_ms);
  void leave(Member& member, Status status);

  const Decoder& decoder_;
  ThreadPool& pool_;
  TurnQueue& turns_;
  const Hooks hooks_;
  double last_step_end_ms_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable is_wanted_;  // somebody joined, or the loop is to end
  std::condition_variable has_left_;
  // Guarded by mutex_.
  std::vector<Member*> joining_;
  bool is_stopping_ = false;

  std::thread thread_;
};

}  // namespace saccade
