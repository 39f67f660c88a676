// Sets of texts as a graph over bytes, with calls for recursion and counters for repetitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "saccade/status.h"

namespace saccade {

using NodeId = uint32_t;

/// Of a kBytes node: a byte from `low` to `high` leads to `next`.
struct ByteEdge {
  uint8_t low = 0;
  uint8_t high = 0;
  NodeId next = 0;
  auto operator<=>(const ByteEdge&) const = default;  // NOLINT(modernize-use-nullptr): a false alarm
};

/// A nondeterministic pushdown automaton: what it has read says nothing about which of several ways it took. Every node
/// can reach the end of its rule, so that nobody is led where no text ends. Thread safety: const.
class Grammar {
 public:
  static constexpr uint32_t kUnlimited = std::numeric_limits<uint32_t>::max();

  struct Node {
    enum class Kind : uint8_t {
      kBytes,   // one byte, by edges [first, first + count)
      kSplit,   // goes on at any of targets [first, first + count)
      kCall,    // a text of the rule that begins at `start`, then `next`
      kRepeat,  // texts of the rule at `start`, `min` to `max` of them, then `next`
      kEnd,     // of a rule
    };
    Kind kind = Kind::kEnd;
    uint32_t first = 0;
    uint32_t count = 0;
    NodeId start = 0;
    NodeId next = 0;
    uint32_t min = 0;
    uint32_t max = 0;
    bool is_nullable = false;  // of kRepeat: the empty text belongs to its rule; `min` is then 0
  };

  const Node& node(NodeId id) const { return nodes_[id]; }
  std::span<const ByteEdge> edges(const Node& node) const { return std::span(edges_).subspan(node.first, node.count); }
  std::span<const NodeId> targets(const Node& node) const {
    return std::span(targets_).subspan(node.first, node.count);
  }
  NodeId start() const { return start_; }
  size_t num_nodes() const { return nodes_.size(); }

 private:
  friend class GrammarBuilder;
  std::vector<Node> nodes_;
  std::vector<ByteEdge> edges_;
  std::vector<NodeId> targets_;
  NodeId start_ = 0;
};

/// Builds a grammar from its end: every function takes what follows, and returns what begins with the part in front of
/// it. Over the limit on size the functions return never(), and build() an error.
class GrammarBuilder {
 public:
  static constexpr size_t kMaxNodes = 200'000;
  static constexpr size_t kMaxEdges = 1'000'000;  // with the targets of splits

  GrammarBuilder();

  /// The end of a rule, or, outside of any, of the text.
  NodeId end() const { return 0; }
  /// Where no text goes on.
  NodeId never() const { return 1; }
  NodeId bytes(std::vector<ByteEdge> edges);
  NodeId literal(std::string_view text, NodeId next);
  NodeId any_of(std::vector<NodeId> starts);
  /// Each text with what follows it; beginnings that are alike are shared, so that a large set is one way through the
  /// graph and not many.
  NodeId one_of(std::vector<std::pair<std::string_view, NodeId>> texts);
  /// A node to lead back to; leads nowhere until it is defined.
  NodeId reserve();
  void define(NodeId reserved, std::vector<NodeId> starts);
  /// `rule` was built towards end().
  NodeId call(NodeId rule, NodeId next);
  /// `rule` was built towards end(). `is_nullable`: the empty text belongs to it.
  NodeId repeat(NodeId rule, uint32_t min, uint32_t max, NodeId next, bool is_nullable = false);

  bool is_full() const { return is_full_; }

  /// Errors: kResourceExhausted where it got too large; kInvalidArgument where there is no text at all.
  Expected<Grammar> build(NodeId start) &&;

 private:
  NodeId add(Grammar::Node node);
  NodeId one_of_sorted(std::span<const std::pair<std::string_view, NodeId>> texts, size_t position);
  std::vector<bool> find_productive() const;
  void prune(const std::vector<bool>& is_productive);

  Grammar grammar_;
  std::map<std::vector<ByteEdge>, NodeId> by_edges_;  // equal nodes are one
  std::map<std::pair<NodeId, NodeId>, NodeId> by_call_;
  bool is_full_ = false;
};

}  // namespace saccade
