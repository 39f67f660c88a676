#include "compression/apply_reduction.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace saccade {
namespace {

int64_t count_tokens(std::span<const MediaTokens* const> grids) {
  int64_t num_tokens = 0;
  for (const MediaTokens* grid : grids) num_tokens += static_cast<int64_t>(grid->places.size());
  return num_tokens;
}

bool is_fixed(const MediaTokens& grid, size_t token) {
  return !grid.is_fixed.empty() && grid.is_fixed[token] != 0;
}

/// Rows of all grids one after the other, without those of fixed tokens.
Tensor join_rows(std::span<const MediaTokens* const> grids, int64_t num_rows, Tensor MediaTokens::*member) {
  Tensor joined(Shape{num_rows, (grids[0]->*member).shape().row_size()});
  float* target = joined.floats().data();
  for (const MediaTokens* grid : grids) {
    for (size_t i = 0; i < grid->places.size(); ++i) {
      if (!is_fixed(*grid, i)) target = std::ranges::copy((grid->*member).row(static_cast<int64_t>(i)), target).out;
    }
  }
  return joined;
}

/// Where a token's vector lies, whichever grid it is of, [n].
std::vector<const float*> row_table(std::span<const MediaTokens* const> grids) {
  std::vector<const float*> rows;
  rows.reserve(static_cast<size_t>(count_tokens(grids)));
  for (const MediaTokens* grid : grids) {
    const int64_t num_tokens = static_cast<int64_t>(grid->places.size());
    for (int64_t i = 0; i < num_tokens; ++i) rows.push_back(grid->vectors.row(i).data());
  }
  return rows;
}

/// target = the mean of the parts; the token's own vector where there are none.
void write_vector(std::span<const MergePart> parts, std::span<const float* const> rows, size_t token,
                  std::span<float> target) {
  if (parts.empty()) {
    std::copy_n(rows[token], target.size(), target.begin());
    return;
  }
  std::ranges::fill(target, 0.0f);
  for (const MergePart& part : parts) {
    const float* source = rows[static_cast<size_t>(part.source)];
    for (size_t i = 0; i < target.size(); ++i) target[i] += part.share * source[i];
  }
}

/// What each kept token stands for, [n]: its own weight and those of the tokens that go into it.
std::vector<float> sum_weights(const Reduction& reduction, std::span<const MediaTokens* const> grids) {
  std::vector<float> sums(reduction.target.size());
  size_t token = 0;
  for (const MediaTokens* grid : grids) {
    for (size_t i = 0; i < grid->places.size(); ++i, ++token) {
      const int32_t target = reduction.target[token];
      if (target != kNoTarget) sums[static_cast<size_t>(target)] += grid->weights.empty() ? 1.0f : grid->weights[i];
    }
  }
  return sums;
}

bool is_kept(const Reduction& reduction, size_t token) {
  return reduction.target[token] == static_cast<int32_t>(token);
}

}  // namespace

PictureTokens::PictureTokens(std::span<const MediaTokens* const> grids) {
  assert(!grids.empty());
  const auto all_have = [&](auto has) { return std::ranges::all_of(grids, has); };
  const bool has_keys = all_have([](const MediaTokens* grid) { return !grid->keys.is_empty(); });
  const bool has_attention = all_have([](const MediaTokens* grid) { return !grid->class_attention.empty(); });
  const bool has_weights = !all_have([](const MediaTokens* grid) { return grid->weights.empty(); });
  num_all_ = count_tokens(grids);
  int32_t token = 0;
  for (size_t grid_idx = 0; grid_idx < grids.size(); ++grid_idx) {
    const MediaTokens& grid = *grids[grid_idx];
    for (size_t i = 0; i < grid.places.size(); ++i, ++token) {
      if (is_fixed(grid, i)) continue;
      Place place = grid.places[i];
      if (grids.size() > 1) place.t = static_cast<int32_t>(grid_idx);
      places_.push_back(place);
      tokens_.push_back(token);
      if (has_attention) class_attention_.push_back(grid.class_attention[i]);
      if (has_weights) weights_.push_back(grid.weights.empty() ? 1.0f : grid.weights[i]);
    }
  }
  const auto num_tokens = static_cast<int64_t>(tokens_.size());
  const bool has_fixed = num_tokens != num_all_;
  if (!has_fixed) tokens_.clear();
  const bool is_joined = grids.size() > 1 || has_fixed;
  if (is_joined) {
    joined_vectors_ = join_rows(grids, num_tokens, &MediaTokens::vectors);
    if (has_keys) joined_keys_ = join_rows(grids, num_tokens, &MediaTokens::keys);
  }
  vectors_ = is_joined ? joined_vectors_.view() : grids[0]->vectors.view();
  if (has_keys) keys_ = is_joined ? joined_keys_.view() : grids[0]->keys.view();
}

CompressionInput PictureTokens::input(TensorView query) const {
  return {.vectors = vectors_,
          .places = places_,
          .weights = weights_,
          .class_attention = class_attention_,
          .keys = keys_,
          .query = query};
}

Reduction PictureTokens::with_fixed(Reduction reduction) const {
  if (tokens_.empty()) return reduction;
  Reduction all;
  all.target.resize(static_cast<size_t>(num_all_));
  std::iota(all.target.begin(), all.target.end(), 0);
  if (!reduction.scores.empty()) all.scores.resize(all.target.size());
  const auto whole = [&](int32_t token) {
    return token == kNoTarget ? kNoTarget : tokens_[static_cast<size_t>(token)];
  };
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const auto token = static_cast<size_t>(tokens_[i]);
    all.target[token] = whole(reduction.target[i]);
    if (!reduction.scores.empty()) all.scores[token] = reduction.scores[i];
  }
  for (const int32_t token : reduction.ranking) all.ranking.push_back(whole(token));
  for (int32_t token = 0; token < num_all_; ++token) {
    if (!std::ranges::binary_search(tokens_, token)) all.ranking.push_back(token);
  }
  for (const MergePart& part : reduction.parts) {
    all.parts.push_back({whole(part.target), whole(part.source), part.share});
  }
  return all;
}

std::vector<MediaTokens> apply_reduction(ThreadPool& pool, const Reduction& reduction,
                                         std::span<const MediaTokens* const> grids) {
  assert(static_cast<int64_t>(reduction.target.size()) == count_tokens(grids));
  const std::vector<const float*> rows = row_table(grids);
  const std::vector<float> weights = sum_weights(reduction, grids);
  std::vector<MediaTokens> reduced;
  size_t first = 0;  // token of the grid
  for (const MediaTokens* grid : grids) {
    MediaTokens kept;
    kept.extent = grid->extent;
    std::vector<size_t> tokens;
    for (size_t i = 0; i < grid->places.size(); ++i) {
      if (!is_kept(reduction, first + i)) continue;
      tokens.push_back(first + i);
      kept.places.push_back(grid->places[i]);
      kept.cells.push_back(grid->cells.empty() ? static_cast<int32_t>(i) : grid->cells[i]);
      kept.weights.push_back(weights[first + i]);
      if (!grid->is_fixed.empty()) kept.is_fixed.push_back(grid->is_fixed[i]);
    }
    if (std::ranges::all_of(kept.weights, [](float weight) { return weight == 1; })) kept.weights.clear();
    kept.vectors = Tensor(Shape{static_cast<int64_t>(tokens.size()), grid->vectors.shape().row_size()});
    pool.parallel_for(static_cast<int64_t>(tokens.size()), 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const size_t token = tokens[static_cast<size_t>(i)];
        const auto target = static_cast<int32_t>(token);
        const auto first_part = std::ranges::lower_bound(reduction.parts, target, {}, &MergePart::target);
        const auto end_part = std::ranges::upper_bound(reduction.parts, target, {}, &MergePart::target);
        write_vector({first_part, end_part}, rows, token, kept.vectors.row(i));
      }
    });
    first += grid->places.size();
    reduced.push_back(std::move(kept));
  }
  return reduced;
}

MediaTokens apply_reduction(ThreadPool& pool, const Reduction& reduction, const MediaTokens& tokens) {
  const MediaTokens* grid = &tokens;
  return std::move(apply_reduction(pool, reduction, std::span<const MediaTokens* const>(&grid, 1)).front());
}

}  // namespace saccade
