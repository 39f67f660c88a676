#include "constraint/grammar.h"

#include <algorithm>

#include "base/format.h"

namespace saccade {

using Node = Grammar::Node;
using Kind = Grammar::Node::Kind;

GrammarBuilder::GrammarBuilder() {
  grammar_.nodes_.push_back({.kind = Kind::kEnd});
  grammar_.nodes_.push_back({.kind = Kind::kSplit});  // without targets
}

NodeId GrammarBuilder::add(Node node) {
  if (grammar_.nodes_.size() >= kMaxNodes || grammar_.edges_.size() + grammar_.targets_.size() > kMaxEdges) {
    is_full_ = true;
    return never();
  }
  grammar_.nodes_.push_back(node);
  return static_cast<NodeId>(grammar_.nodes_.size() - 1);
}

NodeId GrammarBuilder::bytes(std::vector<ByteEdge> edges) {
  if (edges.empty()) return never();
  std::ranges::sort(edges);
  if (const auto found = by_edges_.find(edges); found != by_edges_.end()) return found->second;
  const auto first = static_cast<uint32_t>(grammar_.edges_.size());
  const NodeId id = add({.kind = Kind::kBytes, .first = first, .count = static_cast<uint32_t>(edges.size())});
  if (is_full_) return never();
  grammar_.edges_.insert(grammar_.edges_.end(), edges.begin(), edges.end());
  by_edges_.emplace(std::move(edges), id);
  return id;
}

NodeId GrammarBuilder::literal(std::string_view text, NodeId next) {
  for (size_t i = text.size(); i-- > 0;) {
    const auto byte = static_cast<uint8_t>(text[i]);
    next = bytes({{byte, byte, next}});
  }
  return next;
}

NodeId GrammarBuilder::any_of(std::vector<NodeId> starts) {
  std::erase(starts, never());
  if (starts.empty()) return never();
  if (starts.size() == 1) return starts.front();
  const auto first = static_cast<uint32_t>(grammar_.targets_.size());
  const NodeId id = add({.kind = Kind::kSplit, .first = first, .count = static_cast<uint32_t>(starts.size())});
  if (is_full_) return never();
  grammar_.targets_.insert(grammar_.targets_.end(), starts.begin(), starts.end());
  return id;
}

NodeId GrammarBuilder::one_of(std::vector<std::pair<std::string_view, NodeId>> texts) {
  std::ranges::sort(texts);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return one_of_sorted(texts, 0);
}

// All of `texts` are alike up to `position`.
NodeId GrammarBuilder::one_of_sorted(std::span<const std::pair<std::string_view, NodeId>> texts, size_t position) {
  if (texts.empty()) return never();
  const std::string_view first = texts.front().first;
  const std::string_view last = texts.back().first;
  size_t branch = position;  // they are sorted: what the outer two have in common, all have
  while (branch < first.size() && branch < last.size() && first[branch] == last[branch]) ++branch;
  std::vector<NodeId> starts;
  size_t i = 0;
  for (; i < texts.size() && texts[i].first.size() == branch; ++i) starts.push_back(texts[i].second);
  std::vector<ByteEdge> edges;
  while (i < texts.size() && !is_full_) {
    const auto byte = static_cast<uint8_t>(texts[i].first[branch]);
    const size_t begin = i;
    while (i < texts.size() && static_cast<uint8_t>(texts[i].first[branch]) == byte) ++i;
    edges.push_back({byte, byte, one_of_sorted(texts.subspan(begin, i - begin), branch + 1)});
  }
  starts.push_back(bytes(std::move(edges)));
  return literal(first.substr(position, branch - position), any_of(std::move(starts)));
}

NodeId GrammarBuilder::reserve() {
  return add({.kind = Kind::kSplit});
}

void GrammarBuilder::define(NodeId reserved, std::vector<NodeId> starts) {
  if (reserved == never()) return;
  Node& node = grammar_.nodes_[reserved];
  node.first = static_cast<uint32_t>(grammar_.targets_.size());
  node.count = static_cast<uint32_t>(starts.size());
  grammar_.targets_.insert(grammar_.targets_.end(), starts.begin(), starts.end());
}

NodeId GrammarBuilder::call(NodeId rule, NodeId next) {
  if (rule == never() || next == never()) return never();
  const auto [found, is_new] = by_call_.try_emplace({rule, next}, never());
  if (is_new) found->second = add({.kind = Kind::kCall, .start = rule, .next = next});
  return found->second;
}

NodeId GrammarBuilder::repeat(NodeId rule, uint32_t min, uint32_t max, NodeId next, bool is_nullable) {
  if (is_nullable) min = 0;
  if (max == 0 || (rule == never() && min == 0)) return next;
  if (rule == never() || next == never()) return never();
  return add({.kind = Kind::kRepeat, .start = rule, .next = next, .min = min, .max = max, .is_nullable = is_nullable});
}

// Of each node whether its rule's end can be reached from it: the least fixed point, by a list of what is new.
std::vector<bool> GrammarBuilder::find_productive() const {
  const std::vector<Node>& nodes = grammar_.nodes_;
  std::vector<std::vector<NodeId>> dependents(nodes.size());
  for (NodeId id = 0; id < nodes.size(); ++id) {
    const Node& node = nodes[id];
    for (const ByteEdge& edge : node.kind == Kind::kBytes ? grammar_.edges(node) : std::span<const ByteEdge>()) {
      dependents[edge.next].push_back(id);
    }
    for (const NodeId target : node.kind == Kind::kSplit ? grammar_.targets(node) : std::span<const NodeId>()) {
      dependents[target].push_back(id);
    }
    if (node.kind == Kind::kCall || node.kind == Kind::kRepeat) {
      dependents[node.start].push_back(id);
      dependents[node.next].push_back(id);
    }
  }
  std::vector<bool> is_productive(nodes.size(), false);
  is_productive[end()] = true;
  std::vector<NodeId> found = {end()};
  while (!found.empty()) {
    const NodeId done = found.back();
    found.pop_back();
    for (const NodeId id : dependents[done]) {
      const Node& node = nodes[id];
      const bool needs_start = node.kind == Kind::kCall || (node.kind == Kind::kRepeat && node.min > 0);
      const bool needs_next = node.kind == Kind::kCall || node.kind == Kind::kRepeat;
      if (is_productive[id] || (needs_start && !is_productive[node.start]) ||
          (needs_next && !is_productive[node.next])) {
        continue;
      }
      is_productive[id] = true;
      found.push_back(id);
    }
  }
  return is_productive;
}

void GrammarBuilder::prune(const std::vector<bool>& is_productive) {
  for (Node& node : grammar_.nodes_) {
    if (node.kind == Kind::kBytes) {
      const auto begin = grammar_.edges_.begin() + node.first;
      const auto kept =
          std::remove_if(begin, begin + node.count, [&](const ByteEdge& edge) { return !is_productive[edge.next]; });
      node.count = static_cast<uint32_t>(kept - begin);
    } else if (node.kind == Kind::kSplit) {
      const auto begin = grammar_.targets_.begin() + node.first;
      const auto kept =
          std::remove_if(begin, begin + node.count, [&](NodeId target) { return !is_productive[target]; });
      node.count = static_cast<uint32_t>(kept - begin);
    } else if (node.kind == Kind::kRepeat && !is_productive[node.start]) {
      node.max = 0;  // and `min` is 0, or it could not be reached
    }
  }
}

Expected<Grammar> GrammarBuilder::build(NodeId start) && {
  if (is_full_) {
    return resource_exhausted(
        format("it takes more than %zu states; use fewer or shorter enums, properties and patterns", kMaxNodes));
  }
  const std::vector<bool> is_productive = find_productive();
  if (!is_productive[start]) {
    return invalid_argument(
        "no text satisfies it: it contradicts itself, or what it requires contains itself without an end");
  }
  prune(is_productive);
  grammar_.start_ = start;
  return std::move(grammar_);
}

}  // namespace saccade
