// What a strategy of compression is: tokens of a picture in, a ranking and a merge map out. The caller owns the cut.
//
// docs/add_a_strategy.md is the recipe for another one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "compression/relevance.h"
#include "encoder/media_tokens.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

/// The tokens of one picture, all of its grids one after the other.
struct CompressionInput {
  TensorView vectors = {};                      // [n, dim] of kF32, at the projector's output
  std::span<const Place> places = {};           // [n]; where there are several grids, t tells them apart
  std::span<const float> weights = {};          // [n], or empty for 1 each: how many laid out tokens each stands for
  std::span<const float> class_attention = {};  // [n], or empty where the tower has no class row
  TensorView keys = {};                         // [n, key_dim] of the tower's last layer, or empty
  TensorView query = {};  // [m, dim]: the question's words in the decoder's embedding space, or empty
  // [n]: what each is worth to the question by the model's own scorer, or empty where it has none.
  std::span<const float> question_scores = {};

  int64_t num_tokens() const { return vectors.data == nullptr ? 0 : vectors.shape.num_rows(); }
  float weight(int64_t token) const { return weights.empty() ? 1.0f : weights[static_cast<size_t>(token)]; }
};

struct CompressionOptions {
  int64_t keep = 0;  // tokens; 0: the strategy decides, where it can (Strategy::decides_count)
  // What it decides by; each strategy's file says what it means and what stands for none.
  std::optional<double> threshold = {};
  uint64_t seed = 0;                               // random
  RelevanceKind relevance = RelevanceKind::kMean;  // of the strategies that look at the question
  double important_share = 0.5;                    // vispruner: of the kept tokens, those chosen by attention
  double contextual_share = 10.0 / 64;             // visionzip: of the kept tokens, those that others are merged into
};

/// Of a token that goes into no other.
inline constexpr int32_t kNoTarget = -1;

/// A token's part in the mean that a kept token becomes.
struct MergePart {
  int32_t target = 0;  // the kept token
  int32_t source = 0;
  float share = 0;
  bool operator==(const MergePart&) const = default;
};

struct Reduction {
  std::vector<int32_t> ranking;  // the kept tokens, best first
  std::vector<int32_t> target;   // [n]: the kept token that stands for it, itself where it is kept, or kNoTarget
  // By target, then source. The shares of a target add to 1; a target without parts stays the vector that it is.
  std::vector<MergePart> parts;
  std::vector<float> scores;  // [n]: what tokens were ranked by, for display
  bool is_nested = false;     // a prefix of the ranking is what fewer tokens would be
};

/// What a strategy makes of an input that not every model or request has.
enum class Need : uint8_t { kNone, kOptional, kRequired };

struct Strategy {
  std::string_view name;  // as users type it
  std::string_view description;
  Need class_attention = Need::kNone;
  Need keys = Need::kNone;
  Need query = Need::kNone;
  Need question_scores = Need::kNone;
  bool decides_count = false;  // keep = 0 is fine
  bool is_nested = false;
  // The input is as reduce() has found it good.
  Reduction (*function)(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) = nullptr;
};

/// All of them, in the order of help texts.
std::span<const Strategy> strategies();

/// Errors: kNotFound, with the names that there are.
Expected<const Strategy*> find_strategy(std::string_view name);

/// Errors: kInvalidArgument (sizes that do not fit, options out of range), kCorruptData (a value that is not finite,
/// with its token), kUnsupported (an input that the strategy needs and the model or the request lacks, and what to use
/// instead). Deterministic, whatever the number of threads; ties go to the lowest token.
Expected<Reduction> reduce(ThreadPool& pool, const Strategy& strategy, const CompressionInput& input,
                           const CompressionOptions& options);

/// The first `keep` of a nested reduction; the others are dropped.
Reduction cut(Reduction reduction, int64_t keep);

}  // namespace saccade
