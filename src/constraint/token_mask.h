// Which tokens of a vocabulary may come next in a text of a grammar, and the constraint of one answer.
//
// Willard and Louf (arXiv 2307.09702) look tokens up by the automaton's state; XGrammar (arXiv 2411.15100) and
// llguidance find a state's tokens by walking the vocabulary's tree together with the automaton, which is what is done
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "constraint/automaton.h"
#include "constraint/grammar.h"
#include "constraint/token_trie.h"

namespace saccade {

/// The sets of tokens of a grammar's states, computed when they are asked for and kept, within a limit, for all answers
/// under the grammar. Thread safety: any number of threads.
class TokenMasks {
 public:
  TokenMasks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie);

  const TokenTrie& trie() const { return *trie_; }

 private:
  friend class TokenConstraint;

  // An automaton and what was found with it. Replaced by an empty one when it has grown too large; answers in progress
  // keep the old one until they move on.
  struct Generation {
    explicit Generation(const std::shared_ptr<const Grammar>& grammar) : automaton(grammar) {}
    Automaton automaton;
    std::unordered_map<StateId, std::shared_ptr<const TokenSet>> sets;
  };
  struct Place {
    std::shared_ptr<Generation> generation;
    StateId state = Automaton::kDead;
  };

  Place start();
  /// False, and nothing changes, where `token` may not come here.
  bool push(Place& place, TokenId token);
  /// Tokens that may follow, those that end an answer among them where it may end.
  std::shared_ptr<const TokenSet> allowed(Place& place);

  void move_on(Place& place);
  TokenSet compute(Automaton& automaton, StateId state) const;

  const std::shared_ptr<const Grammar> grammar_;
  const std::shared_ptr<const TokenTrie> trie_;
  std::mutex mutex_;
  std::shared_ptr<Generation> generation_;  // guarded by mutex_, with all that is in any generation
};

/// One answer's. Thread safety: one thread at a time.
class TokenConstraint {
 public:
  explicit TokenConstraint(std::shared_ptr<TokenMasks> masks) : masks_(std::move(masks)), place_(masks_->start()) {}

  /// Sets the logits [vocab_size] of tokens that may not come next to minus infinity; those that end an answer may come
  /// where the text is whole. False, and nothing is changed, where no token may come: the text is whole and can't go
  /// on, or, with may_end() false, the vocabulary has no token for any byte that could follow. The answer then ends as
  /// one that is cut; a byte-level vocabulary is never at a loss.
  bool mask(std::span<float> logits);

  bool allows(TokenId token) { return masks_->allowed(place_)->has(token); }
  /// The lowest of the tokens that may come; there must be one.
  TokenId first_allowed() { return masks_->allowed(place_)->first(); }

  /// Takes a token that was drawn, not one that ends the answer. False, and nothing changes, where it may not come.
  bool push(TokenId token) { return masks_->push(place_, token); }

  /// The text is whole.
  bool may_end() const { return may_end_at(place_); }
  /// The text is whole, and nothing may follow.
  bool must_end() const;

 private:
  bool may_end_at(const TokenMasks::Place& place) const;

  std::shared_ptr<TokenMasks> masks_;
  TokenMasks::Place place_;
};

}  // namespace saccade
