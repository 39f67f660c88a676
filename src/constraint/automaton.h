// A grammar read byte by byte: which bytes may come next, and where a text may end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "constraint/grammar.h"

namespace saccade {

using StateId = uint32_t;

/// The deterministic automaton of a grammar, made as far as it is walked (as in RE2). A state is the set of all ways
/// through the grammar that the bytes so far allow, each a node with a stack of calls and counters; equal states are
/// one. Thread safety: none.
class Automaton {
 public:
  static constexpr StateId kDead = 0;  // no text begins so

  /// Bytes of a JSON string that stand for themselves: printable ASCII but the quote and the backslash.
  static constexpr bool is_plain(uint8_t byte) { return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\'; }

  explicit Automaton(std::shared_ptr<const Grammar> grammar);

  StateId start() const { return start_; }
  /// Of kDead: kDead.
  StateId next(StateId state, uint8_t byte) { return row(state)[byte]; }
  /// All 256 of them; valid until the automaton is destroyed.
  const StateId* row(StateId state) {
    const State& known = states_[state];
    return known.row != nullptr ? known.row->data() : expand(state);
  }
  /// Whether the text is whole.
  bool may_end(StateId state) const { return states_[state].may_end; }
  /// Whether any byte may follow.
  bool may_go_on(StateId state) const { return !states_[state].ways.empty(); }

  /// How many plain bytes, whichever they are, may surely follow, up to `most`. `is_exact`: no plain byte at all may
  /// follow these.
  struct PlainRoom {
    uint32_t num_bytes = 0;
    bool is_exact = false;
  };
  PlainRoom plain_room(StateId state, uint32_t most);

  /// About the memory that it takes, in bytes.
  size_t num_bytes() const { return num_bytes_; }
  /// Grows with the time that was spent on new states; a unit is some tens of nanoseconds.
  uint64_t work() const { return work_; }

  /// The state of `other`, an automaton of the same grammar, in this one.
  StateId adopt(const Automaton& other, StateId state);

 private:
  // Where a call goes on, or, with a `count`, which repetition of a kRepeat node it is.
  struct Frame {
    NodeId node = 0;
    uint32_t count = 0;
    uint32_t parent = 0;
    bool operator==(const Frame&) const = default;
  };
  // A kBytes node, and the frame that the node's rule ends into; 0: the text's end.
  struct Way {
    NodeId node = 0;
    uint32_t frame = 0;
    auto operator<=>(const Way&) const = default;  // NOLINT(modernize-use-nullptr): a false alarm
  };
  struct State {
    std::vector<Way> ways;  // sorted
    bool may_end = false;
    StateId plain_next = kDead;  // where every plain byte leads
    bool is_plain_even = false;  // whether there is such a state; kDead counts
    std::unique_ptr<std::array<StateId, 256>> row;
  };
  struct Hash {
    size_t operator()(const Frame& frame) const;
    size_t operator()(const std::vector<Way>& ways) const;
  };
  // What is reached without reading a byte.
  struct Closure {
    std::vector<Way> todo;
    std::vector<uint32_t> new_frames;  // counters that were pushed meanwhile
    std::vector<Way> ways;
    bool may_end = false;
  };

  const StateId* expand(StateId state);
  StateId close(std::span<const Way> begin);
  void follow(Closure& closure, Way way);
  void repeat(Closure& closure, NodeId node, uint32_t count, uint32_t parent);
  bool visit(Way way);
  uint32_t push(Frame frame);
  StateId intern(std::vector<Way> ways, bool may_end);

  const std::shared_ptr<const Grammar> grammar_;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, uint32_t, Hash> frame_ids_;
  std::vector<State> states_;
  std::unordered_map<std::vector<Way>, std::array<StateId, 2>, Hash> state_ids_;  // by whether the text may end
  // An open hash table of the ways of one closure; entries of others count as empty.
  struct Visited {
    Way way;
    uint32_t closure = 0;
  };
  std::vector<Visited> visited_;
  uint32_t num_closures_ = 0;
  size_t num_visited_ = 0;
  size_t num_bytes_ = 0;
  uint64_t work_ = 0;
  StateId start_ = kDead;
};

/// Where one text is in a grammar. Copies share what they found out: thread safety is none for all of them together.
class ConstraintState {
 public:
  explicit ConstraintState(std::shared_ptr<const Grammar> grammar)
      : automaton_(std::make_shared<Automaton>(std::move(grammar))), state_(automaton_->start()) {}

  bool allows(uint8_t byte) const { return automaton_->next(state_, byte) != Automaton::kDead; }
  /// False, and nothing changes, where the byte is not allowed.
  bool advance(uint8_t byte) {
    const StateId next = automaton_->next(state_, byte);
    if (next == Automaton::kDead) return false;
    state_ = next;
    return true;
  }
  bool may_end() const { return automaton_->may_end(state_); }
  /// The text is whole, and nothing may follow.
  bool must_end() const { return !automaton_->may_go_on(state_); }

 private:
  std::shared_ptr<Automaton> automaton_;
  StateId state_;
};

}  // namespace saccade
