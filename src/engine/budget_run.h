// The budget of one answer: planned before it begins, held against the clock at each stage, accounted for at its end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/planning.h"
#include "planner/planner.h"
#include "saccade/plan.h"
#include "saccade/receipt.h"
#include "saccade/status.h"

namespace saccade {

/// What a stage really had to do, for learning from its time.
struct StageLoads {
  bool looked = false;  // pictures were decoded and encoded
  double patches = 0;   // that went through the tower
  double tiles = 0;
  double encoded_tokens = 0;
  double laid_out_tokens = 0;
  double visual_tokens = 0;  // in the prompt
  double text_rows = 0;      // that were computed
  double past_rows = 0;
  double generated_tokens = 0;
};

/// Times are milliseconds since the engine was asked. Thread safety: one thread.
class BudgetRun {
 public:
  /// `request` has what is known before anything is decoded; `planning` must outlive this.
  BudgetRun(Planning& planning, PlanRequest request, Plan fixed);

  /// Plan A. Errors: kBudgetExceeded where the budget is strict and can't be kept: what would fit; kResourceExhausted
  /// where there is no memory, or no context, for any plan.
  Expected<Plan> begin(double now_ms);

  // Behind each stage: the plan from here on, where it is another. Nothing that was computed is lost by it.
  /// `share_seen`: of the laid out tokens, those that each of kSkips leaves. Where the pictures may be resized anew, a
  /// plan may come back that has them coarser: this is then to be called again.
  std::optional<Plan> pass_media(double now_ms, const std::array<double, kSkips.size()>& share_seen, bool may_rescale);
  std::optional<Plan> pass_encode(double now_ms, double encoded_tokens);
  void pass_compress(double now_ms) { compressed_ms_ = now_ms; }
  void pass_prefill(double now_ms);

  /// Whether another token is likely to be there in time; `num_done` are.
  bool has_time_for_token(double now_ms, int64_t num_done);
  bool was_cut() const { return was_cut_; }

  /// Whether the conversation goes on by the plan of its last answer, to which nothing is changed on the way.
  bool goes_on() const { return candidate_.goes_on; }
  /// Those in force.
  const Levers& levers() const { return candidate_.levers; }

  /// Writes the receipt's budget and cost, and learns.
  void finish(double now_ms, const StageLoads& loads, Receipt& receipt);

 private:
  struct Passed {
    double at_ms = 0;
    double rest_before_decode_ms = 0;  // predicted
    double token_ms = 0;
    size_t num_changes = 0;
  };
  // What the bandit makes of a choice, where there is one.
  Candidate decide(const Planner& planner, const Candidate& chosen);
  Candidate next_candidate(const Planner& planner, Checkpoint checkpoint, const PlanChoice& choice);
  BanditContext context() const;
  std::optional<Plan> replan(Checkpoint checkpoint, double now_ms);
  void learn(double now_ms, const StageLoads& loads);
  void keep_pictures();
  const LookChoice& look_taken() const;
  void learn_rests(double now_ms, double generated_tokens);
  double waited_ms() const { return request_.budget.waited_ms; }
  Plan plan_of(const Levers& levers) const { return to_plan(levers, fixed_, planning_.strategy); }
  void note(Checkpoint checkpoint, double now_ms);

  Planning& planning_;
  PlanRequest request_;
  const Plan fixed_;
  BudgetReceipt told_;
  Candidate candidate_;      // in force
  std::string size_reason_;  // why plan A falls short, where that is for want of room
  std::array<std::optional<Passed>, kNumCheckpoints> passed_;
  double compressed_ms_ = 0;
  bool was_cut_ = false;
};

}  // namespace saccade
