// Facts and a budget in, a plan out: arithmetic on plain values, with no tensors, no files and no clock of its own.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planner/cost_model.h"
#include "planner/levers.h"
#include "planner/quality_model.h"
#include "saccade/budget.h"
#include "saccade/price.h"
#include "saccade/receipt.h"

namespace saccade {

/// What a setting of Lever::kScale makes of a request's pictures, all of them together.
struct LookChoice {
  double scale = 1;
  double patches = 0;
  double tiles = 0;
  double tokens = 0;
  double resized_pixels = 0;
  double decoded_pixels = 0;
  // Of the picture with the most.
  double largest_patches = 0;
  double largest_tiles = 0;
};

/// Rows of the prompt, from its first, that the conversation holds.
struct PastRows {
  double text = 0;
  double visual = 0;
  double layers = 1;  // Lever::kLayers of the plan that computed them; plans of another take none over
};

/// What a setting of Lever::kPictures leaves to be looked at, and read: as the facts below are where all pictures are.
struct PictureChoice {
  std::vector<LookChoice> looks;
  double file_pixels = 0;
  double text_rows = 0;
};

/// A way to look at all of the request's pictures by which they were encoded before: their vectors are there.
struct EncodedLook {
  double scale = 1;
  double skip = 0;
  double encoder_layers = 1;
  double tokens = 0;
};

/// What is known when a plan is made.
struct PlanFacts {
  std::vector<LookChoice> looks;  // one for each option of Lever::kScale; empty where there is no picture
  double file_pixels = 0;
  std::array<double, kSkips.size()> share_seen = {1, 1, 1, 1};  // of patches, by kSkips
  std::vector<EncodedLook> encoded;                             // before anything is decoded
  double text_rows = 0;                                         // of the whole prompt
  PastRows past;                // of these and of visual ones, what is taken over from the conversation
  bool freezes_visual = false;  // Lever::kLayers is about visual rows alone
  double expected_tokens = 1;   // of the answer
  double p95_tokens = 1;
  double max_tokens = 1;

  // What there is room for.
  double free_bytes = std::numeric_limits<double>::infinity();    // of memory, now
  double cache_bytes = 0;                                         // of the cache, taken already
  double context_rows = std::numeric_limits<double>::infinity();  // of prompt and answer

  std::map<double, PictureChoice> instead;  // by the settings of Lever::kPictures that do not look at all pictures

  // What is done and can't be changed: all before `passed`, at these levers.
  Checkpoint passed = Checkpoint::kStart;
  double elapsed_ms = 0;  // since the request arrived, and until it can go on
  double waited_ms = 0;   // of these, for other requests
  // What is left to do may take no longer: others want the machine, too.
  double allotted_ms = std::numeric_limits<double>::infinity();
  double resized_scale = 1;   // behind Checkpoint::kMedia: another one costs resizing again
  double visual_tokens = -1;  // that came out of the encoder, behind Checkpoint::kEncode
  double pace = 1;            // of what is left, as what is done was slower than predicted
};

/// What is minimised: seconds of the machine and of waiting, and errors, in one currency.
struct Weights {
  double usd_per_device_second = 0.01;
  double usd_per_waiting_second = 0.01;
  double usd_per_error = 1;
};

/// What else is known where the conversation goes on by the plan of its last answer: that plan alone takes over the
/// rows of pictures.
struct GoingOn {
  Levers levers;
  PastRows past;
  std::vector<LookChoice> looks;  // of pictures that it does not hold, at the plan's scale; empty: none
  double file_pixels = 0;         // of these
};

struct PlanRequest {
  PlanFacts facts;
  std::optional<GoingOn> going_on = {};
  LeverOptions options;
  Budget budget;
  std::string task_class;
  Weights weights;
  Price price;
  Plan own;              // what the request's plan says itself, and the detail of its pictures where that is not kHigh
  std::string strategy;  // that chooses the tokens which are kept

  /// Of `facts.encoded`, what the levers go by; null: none.
  const EncodedLook* encoded_by(const Levers& levers) const;

  /// Those of `going_on`, which must be there.
  PlanFacts facts_going_on() const;
};

/// A setting of the levers with what it would take; of times, those of the stages that are left.
struct Candidate {
  Levers levers;
  bool goes_on = false;    // PlanRequest::going_on
  StageMs stages_ms = {};  // decode: of one token
  double visual_tokens = 0;
  double prompt_rows = 0;
  double memory_bytes = 0;  // at most at once, beside what is taken already
  double ttft_ms = 0;       // since the request arrived
  double ttft_p95_ms = 0;
  double latency_ms = 0;
  double latency_p95_ms = 0;
  double cost_usd = 0;
  double loss = 0;  // expected
  double objective = 0;

  bool is_same(const Candidate& other) const { return levers == other.levers && goes_on == other.goes_on; }
};

enum class Verdict : uint8_t { kChosen, kTooLarge, kTooSlow, kFirstTokenTooLate, kTooDear, kTooBad };

/// Why a candidate is Verdict::kTooLarge: "takes 3.0 GB of memory, where 2.0 GB are free".
std::string size_text(const PlanFacts& facts, const Candidate& candidate);

struct PlanChoice {
  Candidate chosen;
  Candidate full;
  bool fits = true;           // in time and money
  bool keeps_quality = true;  // as asked for
  bool is_possible = true;    // there is memory and context for it
  // What would have been chosen if there were more memory, or a larger context.
  std::optional<Candidate> crowded_out = {};
  std::string shortfall;  // what can't be kept, and the best that can; empty: nothing
  QualityClaim claim;
  int64_t num_compared = 0;
};

/// Thread safety: const, but for what it refers to.
class Planner {
 public:
  /// Both must outlive it.
  Planner(const CostModel& costs, const QualityTable& quality) : costs_(costs), quality_(quality) {}

  /// The candidate of the least objective that keeps the budget. Where none does: of those that lose no more than
  /// asked the fastest, or, where none of these fits, the fastest of all; of what there is room for, if of anything.
  PlanChoice choose(const PlanRequest& request) const;

  /// One candidate, by itself.
  Candidate evaluate(const PlanRequest& request, const Levers& levers) const;
  /// What of the budget a candidate breaks; kChosen: nothing.
  Verdict verdict(const PlanRequest& request, const Candidate& candidate) const;
  /// What can be said of the candidate's quality.
  QualityClaim claim_of(const PlanRequest& request, const Candidate& candidate) const;
  /// The rungs of the ladder that keep the budget and may be chosen with the request's options.
  std::vector<Candidate> fitting_rungs(const PlanRequest& request) const;
  /// Every candidate that keeps the budget.
  void for_each_fitting(const PlanRequest& request, const std::function<void(const Candidate&)>& visit) const;
  /// Every candidate. For explaining.
  void for_each(const PlanRequest& request, const std::function<void(const Candidate&)>& visit) const;

 private:
  class Search;
  std::string shortfall_of(const PlanRequest& request, const PlanChoice& choice) const;

  const CostModel& costs_;
  const QualityTable& quality_;
};

}  // namespace saccade
