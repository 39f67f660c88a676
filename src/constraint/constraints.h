// The constraints of an engine's answers: what is compiled, kept for those who ask for the same again.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "constraint/token_mask.h"
#include "saccade/request.h"
#include "saccade/status.h"
#include "text/tokenizer.h"

namespace saccade {

/// Thread safety: any number of threads.
class Constraints {
 public:
  static constexpr size_t kMaxKept = 8;  // formats; the least recently used one is forgotten first

  /// `tokenizer` must outlive it, not its constraints. Its vocabulary is read when the first constraint is made.
  explicit Constraints(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// At the beginning of an answer; absent where any text will do. Errors: those of compile_json_schema().
  Expected<std::optional<TokenConstraint>> make(const ResponseFormat& format);

 private:
  std::shared_ptr<TokenMasks> find(const std::string& key);
  std::shared_ptr<TokenMasks> keep(const std::string& key, std::shared_ptr<TokenMasks> masks);

  const Tokenizer& tokenizer_;
  std::once_flag trie_once_;
  std::shared_ptr<const TokenTrie> trie_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<TokenMasks>>> kept_;  // guarded by mutex_; the last used one first
};

}  // namespace saccade
