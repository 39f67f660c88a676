#include "compression/apply_reduction.h"

#include <algorithm>
#include <cassert>

namespace saccade {
namespace {

int64_t count_tokens(std::span<const MediaTokens* const> grids) {
  int64_t num_tokens = 0;
  for (const MediaTokens* grid : grids) num_tokens += static_cast<int64_t>(grid->places.size());
  return num_tokens;
}

/// Rows of all grids one after the other.
Tensor join_rows(std::span<const MediaTokens* const> grids, Tensor MediaTokens::*member) {
  Tensor joined(Shape{count_tokens(grids), (grids[0]->*member).shape().row_size()});
  float* target = joined.floats().data();
  for (const MediaTokens* grid : grids) {
    target = std::ranges::copy((grid->*member).floats(), target).out;
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
      if (target != kDropped) sums[static_cast<size_t>(target)] += grid->weights.empty() ? 1.0f : grid->weights[i];
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
  for (size_t i = 0; i < grids.size(); ++i) {
    const MediaTokens& grid = *grids[i];
    for (Place place : grid.places) {
      if (grids.size() > 1) place.t = static_cast<int32_t>(i);
      places_.push_back(place);
    }
    if (has_attention) {
      class_attention_.insert(class_attention_.end(), grid.class_attention.begin(), grid.class_attention.end());
    }
    if (has_weights) {
      weights_.insert(weights_.end(), grid.weights.begin(), grid.weights.end());
      weights_.resize(places_.size(), 1.0f);
    }
  }
  if (grids.size() > 1) {
    joined_vectors_ = join_rows(grids, &MediaTokens::vectors);
    if (has_keys) joined_keys_ = join_rows(grids, &MediaTokens::keys);
  }
  vectors_ = grids.size() > 1 ? joined_vectors_.view() : grids[0]->vectors.view();
  if (has_keys) keys_ = grids.size() > 1 ? joined_keys_.view() : grids[0]->keys.view();
}

CompressionInput PictureTokens::input(TensorView query) const {
  return {.vectors = vectors_,
          .places = places_,
          .weights = weights_,
          .class_attention = class_attention_,
          .keys = keys_,
          .query = query};
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
