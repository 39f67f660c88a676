#include "text/special_tokens.h"

namespace saccade {
namespace {

uint64_t edge(uint32_t node, char byte) {
  return uint64_t{node} * 256 + static_cast<unsigned char>(byte);
}

}  // namespace

uint32_t SpecialTokens::child(uint32_t node, char byte) const {
  const auto found = children_.find(edge(node, byte));
  return found == children_.end() ? kNone : found->second;
}

void SpecialTokens::add(std::string_view text, TokenId token, bool is_control) {
  if (text.empty() || text.size() > kMaxTextBytes) return;
  starts_[static_cast<unsigned char>(text[0])] = true;
  uint32_t node = 0;
  for (const char byte : text) {
    const auto [place, is_new] = children_.try_emplace(edge(node, byte), static_cast<uint32_t>(nodes_.size()));
    if (is_new) nodes_.emplace_back();
    node = place->second;
  }
  if (nodes_[node].token < 0) nodes_[node] = {token, is_control};
}

std::optional<SpecialTokens::Match> SpecialTokens::find(std::string_view text, size_t position,
                                                        const std::vector<size_t>& trusted_ends) const {
  for (; position < text.size(); ++position) {
    if (!starts_[static_cast<unsigned char>(text[position])]) continue;
    std::optional<Match> best;
    uint32_t node = 0;
    for (size_t end = position; end < text.size();) {
      node = child(node, text[end++]);
      if (node == kNone) break;
      const Node& here = nodes_[node];
      if (here.token >= 0 && (!here.is_control || end <= trusted_ends[position])) {
        best = Match{position, end - position, here.token};
      }
    }
    if (best) return best;
  }
  return std::nullopt;
}

std::optional<TokenId> SpecialTokens::exact(std::string_view text) const {
  uint32_t node = 0;
  for (const char byte : text) {
    node = child(node, byte);
    if (node == kNone) return std::nullopt;
  }
  if (nodes_[node].token < 0) return std::nullopt;
  return nodes_[node].token;
}

}  // namespace saccade
