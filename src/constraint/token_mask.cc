#include "constraint/token_mask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

namespace saccade {
namespace {

// Of a generation: about 10 MB of states, and as much of sets for a vocabulary of 49,152.
constexpr size_t kMaxAutomatonBytes = 10 << 20;
constexpr size_t kMaxSetBytes = 10 << 20;

// Work (Automaton::work()) that one walk may take, some milliseconds. A pattern can be written such that each token
// leads to states of its own; then, and only then, tokens of fewer bytes are tried alone. All that is found is right,
// but not all is found.
constexpr uint64_t kMaxWork = 100'000;
constexpr std::array<size_t, 4> kDepths = {TokenTrie::kMaxTokenBytes, 4, 2, 1};

// Adds the tokens of at most `max_depth` bytes that may follow `state`. False where that was too much work.
bool walk(const TokenTrie::Tree& tree, Automaton& automaton, StateId state, size_t max_depth, TokenSet& found) {
  const uint64_t max_work = automaton.work() + kMaxWork;
  std::vector<StateId> states(TokenTrie::kMaxTokenBytes + 1, Automaton::kDead);  // behind the bytes up to a depth
  states[0] = state;
  for (size_t i = 0; i < tree.nodes.size();) {
    const TokenTrie::Node& node = tree.nodes[i];
    const StateId next = automaton.next(states[node.depth - 1U], node.byte);
    if (next == Automaton::kDead) {
      i = node.end;
      continue;
    }
    for (const TokenId token : tree.tokens_of(i)) found.add(token);
    states[node.depth] = next;
    if (automaton.work() > max_work && max_depth > 1) return false;
    i = node.depth < max_depth ? i + 1 : node.end;
  }
  return true;
}

}  // namespace

TokenMasks::TokenMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)), trie_(std::move(trie)), generation_(std::make_shared<Generation>(grammar_)) {}

TokenMasks::Place TokenMasks::start() {
  const std::lock_guard lock(mutex_);
  return {generation_, generation_->automaton.start()};
}

// To the newest generation, and to a new one where that is too large.
void TokenMasks::move_on(Place& place) {
  const size_t set_bytes = trie_->vocab_size() / 8 + 64;
  if (generation_->automaton.num_bytes() > kMaxAutomatonBytes || generation_->sets.size() * set_bytes > kMaxSetBytes) {
    generation_ = std::make_shared<Generation>(grammar_);
  }
  if (place.generation == generation_) return;
  place.state = generation_->automaton.adopt(place.generation->automaton, place.state);
  place.generation = generation_;
}

bool TokenMasks::push(Place& place, TokenId token) {
  if (token < 0 || static_cast<size_t>(token) >= trie_->vocab_size()) return false;
  const std::string& bytes = trie_->bytes(token);
  const std::lock_guard lock(mutex_);
  move_on(place);
  StateId state = place.state;
  for (const char c : bytes) state = place.generation->automaton.next(state, static_cast<uint8_t>(c));
  if (state == Automaton::kDead || bytes.empty()) return false;
  place.state = state;
  return true;
}

std::shared_ptr<const TokenSet> TokenMasks::allowed(Place& place) {
  const std::lock_guard lock(mutex_);
  if (const auto found = place.generation->sets.find(place.state); found != place.generation->sets.end()) {
    return found->second;
  }
  move_on(place);
  auto& set = place.generation->sets[place.state];
  if (set == nullptr) set = std::make_shared<const TokenSet>(compute(place.generation->automaton, place.state));
  return set;
}

TokenSet TokenMasks::compute(Automaton& automaton, StateId state) const {
  TokenSet found(trie_->vocab_size());
  if (automaton.may_end(state)) found.add(trie_->ends());
  // Inside a string most tokens are plain, and may all come: no need to walk them.
  const Automaton::PlainRoom room = automaton.plain_room(state, static_cast<uint32_t>(trie_->longest_plain()));
  const bool is_plain_known = room.is_exact || room.num_bytes >= trie_->longest_plain();
  found.add(trie_->plain_up_to(room.num_bytes));
  for (const size_t depth : kDepths) {
    const bool is_done = is_plain_known || walk(trie_->plain(), automaton, state, depth, found);
    if (is_done && walk(trie_->others(), automaton, state, depth, found)) break;
  }
  return found;
}

bool TokenConstraint::may_end_at(const TokenMasks::Place& place) const {
  const std::lock_guard lock(masks_->mutex_);
  return place.generation->automaton.may_end(place.state);
}

bool TokenConstraint::must_end() const {
  const std::lock_guard lock(masks_->mutex_);
  return !place_.generation->automaton.may_go_on(place_.state);
}

bool TokenConstraint::mask(std::span<float> logits) {
  const std::shared_ptr<const TokenSet> allowed = masks_->allowed(place_);
  if (allowed->is_empty()) return false;
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  const std::span<const uint64_t> words = allowed->words();
  for (size_t i = 0; i * 64 < logits.size(); ++i) {
    const uint64_t word = i < words.size() ? words[i] : 0;
    const std::span<float> part = logits.subspan(i * 64, std::min<size_t>(64, logits.size() - i * 64));
    if (word == 0) {
      std::ranges::fill(part, kNever);
      continue;
    }
    for (uint64_t masked = ~word; masked != 0; masked &= masked - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(masked));
      if (bit < part.size()) part[bit] = kNever;
    }
  }
  return true;
}

}  // namespace saccade
