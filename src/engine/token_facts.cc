#include "engine/token_facts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/format.h"
#include "compression/apply_reduction.h"
#include "compression/redundancy.h"

namespace saccade {
namespace {

constexpr int64_t kDefaultShare = 4;  // one of so many is kept

// The part of the plan that counts.
Plan relevant(const Plan& plan) {
  Plan part;
  part.detail = plan.detail;
  part.picture_tokens = plan.picture_tokens;
  part.scale = plan.scale;
  part.resolution = plan.resolution;
  part.crops_margins = plan.crops_margins;
  part.strategy = plan.strategy;
  part.keep = plan.keep;
  part.keep_share = plan.keep_share;
  part.keep_threshold = plan.keep_threshold;
  part.seed = plan.seed;
  return part;
}

Expected<LookPlan> make_choice(const Model& model, const Request& request) {
  const Plan& plan = request.plan;
  bool says_how_many = plan.keep || plan.keep_share || plan.keep_threshold;
  if (!plan.strategy.empty()) {
    SACCADE_ASSIGN_OR_RETURN(const Strategy* strategy, find_strategy(plan.strategy));
    says_how_many = says_how_many || strategy->decides_count;
  }
  if (says_how_many) return make_look_plan(model, request, plan);
  Plan of_one = plan;
  of_one.keep = 1;  // a strategy is then chosen; the number follows when the tokens are counted
  SACCADE_ASSIGN_OR_RETURN(LookPlan look, make_look_plan(model, request, of_one));
  look.plan.keep.reset();
  return look;
}

Status check_count(const Model& model, const Picture& picture) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t count, count_laid_out(model, picture));
  if (count <= Engine::kMaxComparedTokens) return {};
  return resource_exhausted(format("%s becomes %lld tokens, too many to be compared in pairs (up to %lld)",
                                   picture.media.name().c_str(), static_cast<long long>(count),
                                   static_cast<long long>(Engine::kMaxComparedTokens)));
}

// As one grid, without what is fixed.
MediaTokens copy_of(const CompressionInput& input) {
  MediaTokens tokens;
  tokens.vectors = Tensor(input.vectors.shape);
  std::ranges::copy(input.vectors.floats(), tokens.vectors.floats().begin());
  tokens.places.assign(input.places.begin(), input.places.end());
  tokens.weights.assign(input.weights.begin(), input.weights.end());
  return tokens;
}

Reduction keep_all(int64_t num_tokens) {
  Reduction reduction;
  reduction.ranking.resize(static_cast<size_t>(num_tokens));
  std::iota(reduction.ranking.begin(), reduction.ranking.end(), 0);
  reduction.target = reduction.ranking;
  return reduction;
}

Expected<Reduction> choose(const LookPlan& look, ThreadPool& pool, const CompressionInput& input) {
  const Plan& plan = look.plan;
  const int64_t num_tokens = input.num_tokens();
  CompressionOptions options;
  options.threshold = plan.keep_threshold;
  options.seed = plan.seed;
  if (plan.keep) {
    options.keep = std::min(*plan.keep, num_tokens);
  } else if (plan.keep_share) {
    options.keep = std::max<int64_t>(1, std::llround(*plan.keep_share * static_cast<double>(num_tokens)));
  } else if (!plan.keep_threshold && !look.strategy->decides_count) {
    options.keep = std::max<int64_t>(1, num_tokens / kDefaultShare);
  }
  if (options.keep == num_tokens && !plan.keep_threshold) return keep_all(num_tokens);
  return reduce(pool, *look.strategy, input, options);
}

}  // namespace

Expected<TokenFacts> measure_tokens(const Model& model, const PictureOptions& options, ThreadPool& pool,
                                    const ContentPart& picture, const Plan& plan, const ProgressFunction& progress) {
  Request request;
  request.messages.push_back({"user", {picture}});
  request.plan = relevant(plan);
  SACCADE_ASSIGN_OR_RETURN(std::vector<Picture> pictures, open_pictures(request, model, options));
  if (pictures.empty()) return invalid_argument("text has no tokens of a picture");
  const std::string& name = pictures[0].media.name();
  SACCADE_ASSIGN_OR_RETURN(const LookPlan look, make_choice(model, request));
  SACCADE_RETURN_IF_ERROR(check_count(model, pictures[0]));
  StageTimes unused_times;
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, read_pixels(options, look.plan, pool, pictures[0], unused_times));
  EncodePlan encode;
  add_needs(*look.strategy, encode);
  EncodeTrace unused_trace;
  const auto pieces = model.vision->encode(pixels, encode, pool, unused_trace, progress);
  if (!pieces) return pieces.status().with_context(name);
  const std::vector<const MediaTokens*> grids = grids_of(*pieces);
  const PictureTokens joined(grids);
  const CompressionInput input = joined.input();
  const auto reduction = choose(look, pool, input);
  if (!reduction) return reduction.status().with_context(name);
  const MediaTokens before = copy_of(input);
  const MediaTokens after = apply_reduction(pool, *reduction, before);
  const TokenRedundancy redundancy = measure_token_redundancy(pool, before.vectors, before.places);
  const SharedEntropy shared = shared_entropy(pool, before.vectors, stand_ins(pool, *reduction, before, after));
  const SharedEntropy with_itself = shared_entropy(pool, before.vectors, before.vectors);
  TokenFacts facts;
  facts.num_tokens = input.num_tokens();
  facts.neighbour_cosine = redundancy.neighbour_cosine;
  facts.unique_share = redundancy.unique_share;
  facts.effective_rank = redundancy.effective_rank;
  facts.entropy_bits = redundancy.entropy_bits;
  facts.strategy = look.strategy->name;
  facts.num_kept = static_cast<int64_t>(reduction->ranking.size());
  facts.mutual_bits = shared.mutual_bits();
  facts.conditional_bits = shared.first_given_second_bits();
  facts.mutual_bits_of_all = with_itself.mutual_bits();
  facts.conditional_bits_of_all = with_itself.first_given_second_bits();
  return facts;
}

}  // namespace saccade
