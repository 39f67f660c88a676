// All conversations of an engine: those that are answered now, and those that were, for others to go on from.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "base/function_ref.h"
#include "decoder/decoder.h"
#include "engine/conversation.h"
#include "planner/levers.h"

namespace saccade {

/// A conversation whose answer has ended, and the levers of the plan that it ended by.
struct KeptConversation {
  Conversation conversation;
  Levers levers = {};
};

/// A prompt that begins as one before did, pictures included, takes over its rows: the blocks that hold them are
/// shared, not copied. Those that nobody went on from for the longest time are dropped first.
/// Thread safety: any thread; each conversation in progress belongs to who began it.
class Conversations {
 public:
  /// Who answers holds one of these. It must not outlive the Conversations.
  class InProgress {
   public:
    InProgress() = default;
    InProgress(InProgress&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), at_(other.at_) {}
    InProgress& operator=(InProgress&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(at_, other.at_);
      return *this;
    }
    ~InProgress() {
      if (owner_ != nullptr) owner_->end(at_);
    }
    Conversation& operator*() const { return *at_; }
    Conversation* operator->() const { return &*at_; }
    explicit operator bool() const { return owner_ != nullptr; }

   private:
    friend class Conversations;
    InProgress(Conversations& owner, std::list<Conversation>::iterator at) : owner_(&owner), at_(at) {}

    Conversations* owner_ = nullptr;
    std::list<Conversation>::iterator at_;
  };

  /// Keeps up to `max_kept_bytes` of keys and values, and the last conversation whatever its size. All must outlive
  /// this.
  Conversations(const Decoder& decoder, std::shared_ptr<KvBlockPool> blocks, uint64_t max_kept_bytes)
      : decoder_(decoder), blocks_(std::move(blocks)), max_kept_bytes_(max_kept_bytes) {}

  /// With the rows that a kept one has in common with `fingerprints`, but for the last of these.
  InProgress begin(ConversationPlan plan, std::span<const uint64_t> fingerprints);
  /// Has others go on from it. Not where its plan looks ahead.
  void keep(InProgress conversation, const Levers& levers);

  /// Shows those that are kept, most recently used first; others wait meanwhile.
  void visit_kept(FunctionRef<void(const std::list<KeptConversation>& kept)> visit) const;
  /// Of all that are kept; blocks that several share count for each of them.
  uint64_t kept_bytes() const;
  /// Drops the one that was used least recently. False: there is none.
  bool drop_one();
  /// Drops all that are kept.
  void clear();

  /// What is wrong with the blocks of them all; empty: nothing. To be asked while no conversation in progress grows.
  std::string find_fault() const;

 private:
  void end(std::list<Conversation>::iterator at);
  uint64_t count_kept_bytes() const;

  const Decoder& decoder_;
  const std::shared_ptr<KvBlockPool> blocks_;
  const uint64_t max_kept_bytes_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::list<Conversation> in_progress_;
  std::list<KeptConversation> kept_;  // most recently used first
};

}  // namespace saccade
