// From the grids of a picture to what a strategy looks at, and back with what it decided.
#pragma once

#include <span>
#include <vector>

#include "compression/strategy.h"
#include "encoder/media_tokens.h"
#include "platform/thread_pool.h"

namespace saccade {

/// The grids of one picture (tiles and an overview, or just one) as one list of tokens, without those that are fixed.
/// Where there are several grids, or fixed tokens, they are copied together; of several the places' t becomes the
/// grid's index.
class PictureTokens {
 public:
  /// `grids` must outlive this. Class attention and keys are there only if all grids have them.
  explicit PictureTokens(std::span<const MediaTokens* const> grids);

  /// `query`: CompressionInput::query. Valid as long as this.
  CompressionInput input(TensorView query = {}) const;

  /// A reduction of the input as one of all tokens of the grids, which apply_reduction() takes: the fixed ones are
  /// kept, and come last in the ranking.
  Reduction with_fixed(Reduction reduction) const;

 private:
  std::vector<int32_t> tokens_;  // those of the input, among all of the grids; empty: all
  int64_t num_all_ = 0;
  TensorView vectors_;
  TensorView keys_;
  Tensor joined_vectors_;
  Tensor joined_keys_;
  std::vector<Place> places_;
  std::vector<float> weights_;
  std::vector<float> class_attention_;
};

/// The grid with the kept tokens alone, in the order of their places, whatever the ranking's. A kept token keeps its
/// place; its vector is the mean of the reduction's parts, its weight the sum of what it stands for. Class attention
/// and keys are left out: they belong to the tokens that were.
MediaTokens apply_reduction(ThreadPool& pool, const Reduction& reduction, const MediaTokens& tokens);

/// The same for all grids that a PictureTokens joined. A grid may be left without a token.
std::vector<MediaTokens> apply_reduction(ThreadPool& pool, const Reduction& reduction,
                                         std::span<const MediaTokens* const> grids);

}  // namespace saccade
