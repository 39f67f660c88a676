#include "constraint/constraints.h"

#include <algorithm>

#include "constraint/json_schema.h"

namespace saccade {
namespace {

Expected<Grammar> compile(const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::kJsonObject) return json_object_grammar();
  return compile_json_schema(format.schema, {format.is_strict});
}

std::string key_of(const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::kJsonObject) return "object";
  return (format.is_strict ? "strict " : "schema ") + format.schema;
}

}  // namespace

Expected<std::optional<TokenConstraint>> Constraints::make(const ResponseFormat& format) {
  if (format.kind == ResponseFormat::Kind::kText) return std::optional<TokenConstraint>();
  const std::string key = key_of(format);
  std::shared_ptr<TokenMasks> masks = find(key);
  if (masks == nullptr) {
    SACCADE_ASSIGN_OR_RETURN(Grammar grammar, compile(format));
    std::call_once(trie_once_, [&] { trie_ = std::make_shared<const TokenTrie>(tokenizer_); });
    masks = keep(key, std::make_shared<TokenMasks>(std::make_shared<const Grammar>(std::move(grammar)), trie_));
  }
  return std::optional(TokenConstraint(std::move(masks)));
}

std::shared_ptr<TokenMasks> Constraints::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(kept_, key, [](const auto& kept) -> const std::string& { return kept.first; });
  if (found == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return kept_.front().second;
}

std::shared_ptr<TokenMasks> Constraints::keep(const std::string& key, std::shared_ptr<TokenMasks> masks) {
  if (auto known = find(key)) return known;  // another thread's was faster
  const std::lock_guard lock(mutex_);
  kept_.emplace_front(key, std::move(masks));
  if (kept_.size() > kMaxKept) kept_.pop_back();
  return kept_.front().second;
}

}  // namespace saccade
