#include "constraint/automaton.h"

#include <algorithm>
#include <utility>

namespace saccade {
namespace {

using Kind = Grammar::Node::Kind;

// Ways that are looked at from one byte to the next. Grammars that are more ambiguous than that lose some of their
// texts: the ways that are left each lead to an end.
constexpr size_t kMaxVisited = 4096;
constexpr size_t kVisitedSlots = 2 * kMaxVisited;  // a power of two

constexpr size_t kStateBytes = sizeof(std::array<StateId, 256>) + 200;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 29);
}

}  // namespace

size_t Automaton::Hash::operator()(const Frame& frame) const {
  return mix(mix(mix(1, frame.node), frame.count), frame.parent);
}

size_t Automaton::Hash::operator()(const std::vector<Way>& ways) const {
  uint64_t hash = ways.size();
  for (const Way& way : ways) hash = mix(hash, (uint64_t{way.node} << 32) | way.frame);
  return hash;
}

Automaton::Automaton(std::shared_ptr<const Grammar> grammar)
    : grammar_(std::move(grammar)), frames_(1), visited_(kVisitedSlots) {
  states_.emplace_back();  // kDead
  states_.back().row = std::make_unique<std::array<StateId, 256>>();
  states_.back().is_plain_even = true;
  const Way begin = {grammar_->start(), 0};
  start_ = close({&begin, 1});
}

// True for a way that this closure has not met, while there is room for more.
bool Automaton::visit(Way way) {
  size_t slot = mix(way.node, way.frame) % kVisitedSlots;
  while (visited_[slot].closure == num_closures_) {
    if (visited_[slot].way == way) return false;
    slot = (slot + 1) % kVisitedSlots;
  }
  if (num_visited_ == kMaxVisited) return false;
  ++num_visited_;
  visited_[slot] = {way, num_closures_};
  return true;
}

uint32_t Automaton::push(Frame frame) {
  const auto [found, is_new] = frame_ids_.try_emplace(frame, static_cast<uint32_t>(frames_.size()));
  if (is_new) {
    frames_.push_back(frame);
    num_bytes_ += sizeof(Frame) * 4;
  }
  return found->second;
}

StateId Automaton::intern(std::vector<Way> ways, bool may_end) {
  if (ways.empty() && !may_end) return kDead;
  StateId& known = state_ids_[ways][may_end ? 1 : 0];
  if (known == kDead) {
    known = static_cast<StateId>(states_.size());
    num_bytes_ += kStateBytes + 2 * sizeof(Way) * ways.size();
    states_.emplace_back();
    states_.back().ways = std::move(ways);
    states_.back().may_end = may_end;
  }
  return known;
}

StateId Automaton::close(std::span<const Way> begin) {
  ++num_closures_;
  num_visited_ = 0;
  Closure closure;
  for (const Way& way : begin) {
    if (visit(way)) closure.todo.push_back(way);
  }
  while (!closure.todo.empty()) {
    ++work_;
    const Way way = closure.todo.back();
    closure.todo.pop_back();
    follow(closure, way);
  }
  std::ranges::sort(closure.ways);
  return intern(std::move(closure.ways), closure.may_end);
}

void Automaton::follow(Closure& closure, Way way) {
  const auto go_to = [&](Way to) {
    if (visit(to)) closure.todo.push_back(to);
  };
  const Grammar::Node& node = grammar_->node(way.node);
  switch (node.kind) {
    case Kind::kBytes:
      if (node.count > 0) closure.ways.push_back(way);
      return;
    case Kind::kSplit:
      for (const NodeId target : grammar_->targets(node)) go_to({target, way.frame});
      return;
    case Kind::kCall:
      // Nothing comes behind a call that is its rule's last: a reference to itself takes no stack, and a cycle of
      // these ends where it began.
      if (grammar_->node(node.next).kind == Kind::kEnd) return go_to({node.start, way.frame});
      return go_to({node.start, push({node.next, 0, way.frame})});
    case Kind::kRepeat:
      return repeat(closure, way.node, 0, way.frame);
    case Kind::kEnd:
      break;
  }
  if (way.frame == 0) {
    closure.may_end = true;
    return;
  }
  const Frame frame = frames_[way.frame];
  if (frame.count == 0) return go_to({frame.node, frame.parent});
  // A repetition that may have begun and ended without a byte allows nothing that was not allowed when it began.
  if (grammar_->node(frame.node).is_nullable && std::ranges::count(closure.new_frames, way.frame) > 0) return;
  repeat(closure, frame.node, frame.count, frame.parent);
}

// Behind `count` repetitions.
void Automaton::repeat(Closure& closure, NodeId id, uint32_t count, uint32_t parent) {
  const Grammar::Node& node = grammar_->node(id);
  if (count >= node.min && visit({node.next, parent})) closure.todo.push_back({node.next, parent});
  if (count >= node.max) return;
  // Where there is no limit, those over the minimum are not told apart.
  const uint32_t most = node.max == Grammar::kUnlimited ? std::max(node.min, 1U) : node.max;
  const uint32_t frame = push({id, std::min(count + 1, most), parent});
  if (node.is_nullable) closure.new_frames.push_back(frame);
  if (visit({node.start, frame})) closure.todo.push_back({node.start, frame});
}

const StateId* Automaton::expand(StateId state) {
  const std::vector<Way> ways = states_[state].ways;  // states_ grows meanwhile
  std::array<bool, 257> is_cut = {};                  // where the set of edges changes
  for (const Way& way : ways) {
    for (const ByteEdge& edge : grammar_->edges(grammar_->node(way.node))) {
      is_cut[edge.low] = is_cut[edge.high + 1] = true;
    }
  }
  std::array<size_t, 256> interval_of = {};
  size_t num_intervals = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    if (byte == 0 || is_cut[byte]) ++num_intervals;
    interval_of[byte] = num_intervals - 1;
  }
  std::vector<std::vector<Way>> reached(num_intervals);
  for (const Way& way : ways) {
    for (const ByteEdge& edge : grammar_->edges(grammar_->node(way.node))) {
      for (size_t i = interval_of[edge.low]; i <= interval_of[edge.high]; ++i) {
        reached[i].push_back({edge.next, way.frame});
      }
    }
  }
  std::unordered_map<std::vector<Way>, StateId, Hash> closed;
  std::vector<StateId> states;
  for (std::vector<Way>& begin : reached) {
    const auto [found, is_new] = closed.try_emplace(std::move(begin), kDead);
    if (is_new && !found->first.empty()) found->second = close(found->first);
    states.push_back(found->second);
  }
  auto row = std::make_unique<std::array<StateId, 256>>();
  State& expanded = states_[state];
  expanded.plain_next = states[interval_of[' ']];
  expanded.is_plain_even = true;
  for (size_t byte = 0; byte < 256; ++byte) {
    (*row)[byte] = states[interval_of[byte]];
    if (is_plain(static_cast<uint8_t>(byte)) && (*row)[byte] != expanded.plain_next) expanded.is_plain_even = false;
  }
  expanded.row = std::move(row);
  return expanded.row->data();
}

Automaton::PlainRoom Automaton::plain_room(StateId state, uint32_t most) {
  PlainRoom room;
  while (room.num_bytes < most) {
    row(state);
    const State& known = states_[state];
    if (!known.is_plain_even) return room;
    if (known.plain_next == kDead) {
      room.is_exact = true;
      return room;
    }
    if (known.plain_next == state) return {most, false};
    state = known.plain_next;
    ++room.num_bytes;
  }
  return room;
}

StateId Automaton::adopt(const Automaton& other, StateId state) {
  const State& known = other.states_[state];
  std::vector<uint32_t> needed;
  for (const Way& way : known.ways) {
    for (uint32_t frame = way.frame; frame != 0; frame = other.frames_[frame].parent) needed.push_back(frame);
  }
  std::ranges::sort(needed);  // a parent is older than what is on top of it
  needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
  std::unordered_map<uint32_t, uint32_t> ours = {{0, 0}};
  for (const uint32_t id : needed) {
    Frame frame = other.frames_[id];
    frame.parent = ours.at(frame.parent);
    ours[id] = push(frame);
  }
  std::vector<Way> ways = known.ways;
  for (Way& way : ways) way.frame = ours.at(way.frame);
  std::ranges::sort(ways);
  return intern(std::move(ways), known.may_end);
}

}  // namespace saccade
