#include "engine/looks.h"

#include <numeric>

namespace saccade {
namespace {

int32_t num_laid_out(const MediaTokens& grid) {
  return grid.extent.y * grid.extent.x;
}

// Of the tokens that there are, grids in order, which of those laid out they are.
std::vector<int32_t> laid_out_tokens(std::span<const MediaTokens* const> grids) {
  std::vector<int32_t> tokens;
  int32_t first = 0;
  for (const MediaTokens* grid : grids) {
    for (size_t i = 0; i < grid->places.size(); ++i) {
      tokens.push_back(first + (grid->cells.empty() ? static_cast<int32_t>(i) : grid->cells[i]));
    }
    first += num_laid_out(*grid);
  }
  return tokens;
}

// `targets` [num_tokens]: where each that was left went.
void follow(std::span<const int32_t> targets, TokenFates& fates) {
  for (int32_t& token : fates.shown_by) {
    if (token != kNotShown) token = targets[static_cast<size_t>(token)];
  }
}

}  // namespace

TokenFates all_left(int64_t num_tokens) {
  TokenFates fates;
  fates.shown_by.resize(static_cast<size_t>(num_tokens));
  std::iota(fates.shown_by.begin(), fates.shown_by.end(), 0);
  fates.is_mixed.resize(fates.shown_by.size(), 0);
  return fates;
}

void follow_merges(std::span<const MediaTokens* const> grids, TokenFates& fates) {
  std::vector<int32_t> targets(fates.shown_by.size());
  std::iota(targets.begin(), targets.end(), 0);
  size_t first = 0;
  for (const MediaTokens* grid : grids) {
    for (size_t i = 0; i < grid->shown_by.size(); ++i) {
      const int32_t by = grid->shown_by[i];
      if (by == kNotLookedAt || by == static_cast<int32_t>(i)) continue;
      targets[first + i] = static_cast<int32_t>(first) + by;
      fates.is_mixed[first + static_cast<size_t>(by)] = 1;
    }
    first += static_cast<size_t>(num_laid_out(*grid));
  }
  follow(targets, fates);
}

void follow_reduction(const Reduction& reduction, std::span<const MediaTokens* const> grids, TokenFates& fates) {
  const std::vector<int32_t> tokens = laid_out_tokens(grids);
  std::vector<int32_t> targets(fates.shown_by.size(), kNotShown);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t target = reduction.target[i];
    if (target != kNoTarget) targets[static_cast<size_t>(tokens[i])] = tokens[static_cast<size_t>(target)];
  }
  for (const MergePart& part : reduction.parts) {
    if (part.source != part.target) {
      fates.is_mixed[static_cast<size_t>(tokens[static_cast<size_t>(part.target)])] = 1;
    }
  }
  follow(targets, fates);
}

}  // namespace saccade
