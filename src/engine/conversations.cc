#include "engine/conversations.h"

#include <algorithm>
#include <vector>

namespace saccade {
namespace {

// Comparing a prompt with them all should not be felt.
constexpr size_t kMostKept = 256;

}  // namespace

Conversations::InProgress Conversations::begin(ConversationPlan plan, std::span<const uint64_t> fingerprints) {
  const std::lock_guard lock(mutex_);
  auto best = kept_.end();
  int64_t most_rows = 0;
  for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
    const Conversation& conversation = kept->conversation;
    if (!conversation.can_go_on(plan)) continue;
    const int64_t num_rows = conversation.num_common_rows(fingerprints);
    if (num_rows <= most_rows) continue;
    most_rows = num_rows;
    best = kept;
  }
  const int64_t num_rows = std::min(most_rows, std::ssize(fingerprints) - 1);
  if (best != kept_.end() && num_rows > 0) {
    kept_.splice(kept_.begin(), kept_, best);
    in_progress_.push_back(best->conversation.fork(num_rows, std::move(plan)));
  } else {
    in_progress_.emplace_back(decoder_.make_sequence(blocks_), std::move(plan));
  }
  return {*this, std::prev(in_progress_.end())};
}

void Conversations::end(std::list<Conversation>::iterator at) {
  const std::lock_guard lock(mutex_);
  in_progress_.erase(at);
}

void Conversations::keep(InProgress conversation, const Levers& levers) {
  if (conversation->plan().looks_ahead || conversation->num_rows() == 0) return;
  const std::lock_guard lock(mutex_);
  KeptConversation kept = {std::move(*conversation), levers};
  // Those that it goes on from say nothing that it does not.
  std::erase_if(kept_, [&](const KeptConversation& other) {
    return other.conversation.can_go_on(kept.conversation.plan()) && other.conversation.is_start_of(kept.conversation);
  });
  kept_.push_front(std::move(kept));
  in_progress_.erase(conversation.at_);
  conversation.owner_ = nullptr;
  while (kept_.size() > kMostKept || (kept_.size() > 1 && count_kept_bytes() > max_kept_bytes_)) kept_.pop_back();
}

uint64_t Conversations::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  return count_kept_bytes();
}

uint64_t Conversations::count_kept_bytes() const {
  uint64_t bytes = 0;
  for (const KeptConversation& kept : kept_) bytes += kept.conversation.kv().num_blocks() * blocks_->block_bytes();
  return bytes;
}

void Conversations::visit_kept(FunctionRef<void(const std::list<KeptConversation>& kept)> visit) const {
  const std::lock_guard lock(mutex_);
  visit(kept_);
}

bool Conversations::drop_one() {
  const std::lock_guard lock(mutex_);
  if (kept_.empty()) return false;
  kept_.pop_back();
  return true;
}

void Conversations::clear() {
  const std::lock_guard lock(mutex_);
  kept_.clear();
}

std::string Conversations::find_fault() const {
  const std::lock_guard lock(mutex_);
  std::vector<const KvSequence*> all;
  for (const Conversation& conversation : in_progress_) all.push_back(&conversation.kv());
  for (const KeptConversation& kept : kept_) all.push_back(&kept.conversation.kv());
  return blocks_->find_fault(all);
}

}  // namespace saccade
