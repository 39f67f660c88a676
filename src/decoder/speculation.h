// Guessing the next tokens, so that several are verified for little more than the price of one (speculative decoding,
// Leviathan et al., arXiv 2211.17192). Guesses never change an answer: a token is drawn from the model's own logits at
// each place, and a guess only decides whether the logits behind it are there already.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace saccade {

/// Most tokens guessed at once: with the token they follow, what a verification's kernels take as few rows.
inline constexpr int kMaxGuesses = 7;

/// The continuation of the latest earlier place where the last tokens stood (prompt lookup, Saxena 2023): the longest
/// match of 4 tokens or fewer, 2 at least. At most `max_guesses` tokens; none where nothing matches.
std::vector<int32_t> look_up(std::span<const int32_t> tokens, int max_guesses);

/// Decides how many guesses are worth verifying, from what verifications took and how many guesses came true.
class SpeculationGauge {
 public:
  /// How many of at most `available` guesses to verify next; 0 where plain decoding is measured to be as fast.
  int worthwhile(int available) const;

  /// A forward of 1 + num_guesses rows took `ms`, and `num_right` of its guesses came true.
  void record(int num_guesses, int num_right, double ms);

 private:
  double expected_ms(int num_rows) const;

  std::array<double, kMaxGuesses + 2> ms_ = {};  // by rows, smoothed; 0: not measured yet
  double share_right_ = 0.6;                     // of guesses behind right ones
  int num_plain_since_ = 0;                      // forwards without guesses since one had some
};

}  // namespace saccade
