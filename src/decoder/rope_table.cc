#include "decoder/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace saccade {
namespace {

// YaRN (arXiv 2309.00071, section 3.2): the pair index at which a dimension turns `rotations` times over the original
// context.
double correction_pair(double rotations, const RopeConfig& config) {
  const double dim = static_cast<double>(config.rotary_dim);
  const double context = static_cast<double>(config.original_context_length);
  return dim * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(config.base));
}

// Share of the interpolated frequency in pair `pair_idx`: 0 where it turns often, 1 where it hardly turns.
double yarn_interpolation(int64_t pair_idx, const RopeConfig& config) {
  const double last = static_cast<double>(config.rotary_dim) - 1;
  const double low = std::max(std::floor(correction_pair(config.beta_fast, config)), 0.0);
  double high = std::min(std::ceil(correction_pair(config.beta_slow, config)), last);
  if (high == low) high += 0.001;
  return std::clamp((static_cast<double>(pair_idx) - low) / (high - low), 0.0, 1.0);
}

}  // namespace

RopeTable::RopeTable(const RopeConfig& config) {
  const int64_t num_pairs = config.rotary_dim / 2;
  for (int64_t pair_idx = 0; pair_idx < num_pairs; ++pair_idx) {
    const double exponent = static_cast<double>(2 * pair_idx) / static_cast<double>(config.rotary_dim);
    double frequency = 1.0 / std::pow(static_cast<double>(config.base), exponent);
    const auto pair = static_cast<size_t>(pair_idx);
    if (pair < config.frequency_factors.size()) frequency /= config.frequency_factors[pair];
    if (config.scaling == RopeScaling::kLinear) frequency /= config.factor;
    if (config.scaling == RopeScaling::kYarn) {
      const double share = yarn_interpolation(pair_idx, config);
      frequency *= share / config.factor + (1 - share);
    }
    frequencies_.push_back(static_cast<float>(frequency));
    const int64_t first_y = config.sections[0];
    const int64_t first_x = first_y + config.sections[1];
    const bool has_sections = config.is_multidimensional();
    dimensions_.push_back(!has_sections || pair_idx < first_y ? 0 : pair_idx < first_x ? 1 : 2);
  }
  if (config.scaling == RopeScaling::kYarn) {
    magnitude_ = config.attention_factor * (config.factor > 1 ? 0.1f * std::log(config.factor) + 1 : 1.0f);
  }
}

RopeTable::Rows RopeTable::rows(std::span<const TokenPosition> positions) const {
  const auto num_tokens = static_cast<int64_t>(positions.size());
  Rows rows = {Tensor({num_tokens, num_pairs()}), Tensor({num_tokens, num_pairs()})};
  for (int64_t token_idx = 0; token_idx < num_tokens; ++token_idx) {
    const TokenPosition& position = positions[static_cast<size_t>(token_idx)];
    const float coordinates[3] = {static_cast<float>(position.t), static_cast<float>(position.y),
                                  static_cast<float>(position.x)};
    const std::span<float> cosine = rows.cosine.row(token_idx);
    const std::span<float> sine = rows.sine.row(token_idx);
    for (size_t pair = 0; pair < frequencies_.size(); ++pair) {
      const float angle = coordinates[dimensions_[pair]] * frequencies_[pair];
      cosine[pair] = std::cos(angle) * magnitude_;
      sine[pair] = std::sin(angle) * magnitude_;
    }
  }
  return rows;
}

}  // namespace saccade
