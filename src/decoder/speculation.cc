#include "decoder/speculation.h"

#include <algorithm>
#include <cmath>

namespace saccade {
namespace {

constexpr size_t kLongestMatch = 4;
constexpr size_t kShortestMatch = 2;

/// Weight of a new measurement in the smoothed ones.
constexpr double kTimeWeight = 0.3;
constexpr double kShareWeight = 0.15;

/// What a row more costs until it has been measured, as a share of a forward of one row.
constexpr double kPresumedRowCost = 0.15;

/// Gains below this are noise.
constexpr double kMinGain = 1.05;

/// After so many plain tokens a guess is tried again although it did not pay: text changes.
constexpr int kTokensToRetry = 24;

void smooth(double& mean, double value, double weight) {
  mean = mean == 0 ? value : mean + weight * (value - mean);
}

}  // namespace

std::vector<int32_t> look_up(std::span<const int32_t> tokens, int max_guesses) {
  for (size_t length = std::min(kLongestMatch, tokens.size() / 2); length >= kShortestMatch; --length) {
    const auto last = tokens.last(length);
    for (size_t begin = tokens.size() - length; begin-- > 0;) {
      if (!std::ranges::equal(tokens.subspan(begin, length), last)) continue;
      const auto behind = tokens.subspan(begin + length);
      const auto count = std::min(behind.size(), static_cast<size_t>(max_guesses));
      const auto guesses = behind.first(count);
      // Places of the prompt that are no text (pictures) cannot be guessed.
      return {guesses.begin(), std::ranges::find_if(guesses, [](int32_t token) { return token < 0; })};
    }
  }
  return {};
}

double SpeculationGauge::expected_ms(int num_rows) const {
  const double measured = ms_[static_cast<size_t>(num_rows)];
  return measured > 0 ? measured : ms_[1] * (1 + kPresumedRowCost * (num_rows - 1));
}

int SpeculationGauge::worthwhile(int available) const {
  available = std::min(available, kMaxGuesses);
  if (available <= 0 || ms_[1] == 0) return 0;  // first learn what a plain token takes
  int best = 0;
  double best_rate = kMinGain / ms_[1];
  for (int guesses = 1; guesses <= available; ++guesses) {
    const double tokens = (1 - std::pow(share_right_, guesses + 1)) / (1 - share_right_);
    const double rate = tokens / expected_ms(guesses + 1);
    if (rate > best_rate) {
      best = guesses;
      best_rate = rate;
    }
  }
  return best == 0 && num_plain_since_ >= kTokensToRetry ? 1 : best;
}

void SpeculationGauge::record(int num_guesses, int num_right, double ms) {
  smooth(ms_[static_cast<size_t>(num_guesses) + 1], ms, kTimeWeight);
  if (num_guesses == 0) {
    ++num_plain_since_;
    return;
  }
  num_plain_since_ = 0;
  for (int i = 0; i < num_right; ++i) smooth(share_right_, 1, kShareWeight);
  if (num_right < num_guesses) smooth(share_right_, 0, kShareWeight);
  share_right_ = std::clamp(share_right_, 0.02, 0.98);
}

}  // namespace saccade
