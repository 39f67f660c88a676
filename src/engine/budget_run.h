// The budget of one answer: planned before it begins, held against the clock at each stage, accounted for at its end.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/admission.h"
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

/// Milliseconds since the engine was asked, and what other requests take of them.
struct AnswerTime {
  double elapsed_ms = 0;
  double waited_ms = 0;  // of these, for others
  Admission::Room room;  // beside others, from now on

  double worked_ms() const { return elapsed_ms - waited_ms; }
};

/// Thread safety: one thread at a time; the mutex keeps those of one planning apart.
class BudgetRun {
 public:
  /// `request` has what is known before anything is decoded; `planning` and its mutex must outlive this.
  BudgetRun(Planning& planning, std::mutex& mutex, PlanRequest request, Plan fixed);

  /// Plan A. Errors: kBudgetExceeded where the budget is strict and can't be kept: what would fit; kResourceExhausted
  /// where there is no memory, or no context, for any plan.
  Expected<Plan> begin(AnswerTime now);

  // Behind each stage: the plan from here on, where it is another. Nothing that was computed is lost by it.
  /// `share_seen`: of the laid out tokens, those that each of kSkips leaves. Where the pictures may be resized anew, a
  /// plan may come back that has them coarser: this is then to be called again.
  std::optional<Plan> pass_media(AnswerTime now, const std::array<double, kSkips.size()>& share_seen, bool may_rescale);
  std::optional<Plan> pass_encode(AnswerTime now, double encoded_tokens);
  void pass_compress(AnswerTime now) { compressed_ms_ = now.worked_ms(); }
  void pass_prefill(AnswerTime now);

  /// Whether another token is likely to be there in time; `num_done` are.
  bool has_time_for_token(AnswerTime now, int64_t num_done);
  /// Its tokens were computed with others': their times say nothing of what one takes alone.
  void shared_its_steps() { has_shared_steps_ = true; }
  /// Of work that is expected to be left, behind the checkpoint that was passed last.
  double left_ms() const { return candidate_.latency_ms - request_.facts.elapsed_ms; }
  /// What its plans would take by themselves, and lose: of those that keep the budget those that no other beats in
  /// both.
  std::vector<WorkOption> options() const;
  bool was_cut() const { return was_cut_; }

  /// Whether the conversation goes on by the plan of its last answer, to which nothing is changed on the way.
  bool goes_on() const { return candidate_.goes_on; }
  /// Whether the plan is to look at pictures as they were encoded before: PlanFacts::encoded.
  bool finds_encoded() const { return !goes_on() && request_.encoded_by(candidate_.levers) != nullptr; }
  /// They are there no more.
  void lost_encoded() { request_.facts.encoded.clear(); }
  /// Those in force.
  const Levers& levers() const { return candidate_.levers; }

  /// Writes the receipt's budget and cost, and learns.
  void finish(AnswerTime now, const StageLoads& loads, Receipt& receipt);

 private:
  struct Passed {
    AnswerTime at;
    double rest_before_decode_ms = 0;  // predicted
    double token_ms = 0;
    double token_p95_factor = 1;
    size_t num_changes = 0;
  };
  // What the bandit makes of a choice, where there is one.
  Candidate decide(const Planner& planner, const Candidate& chosen);
  Candidate next_candidate(const Planner& planner, Checkpoint checkpoint, const PlanChoice& choice);
  BanditContext context() const;
  std::optional<Plan> replan(Checkpoint checkpoint, AnswerTime now);
  void learn(AnswerTime now, const StageLoads& loads);
  void keep_pictures();
  const LookChoice& look_taken() const;
  void learn_rests(AnswerTime now, double generated_tokens);
  double waited_ms() const { return request_.budget.waited_ms; }
  Plan plan_of(const Levers& levers) const { return to_plan(levers, fixed_, planning_.strategy); }
  void note(Checkpoint checkpoint, AnswerTime now);
  void set_time(AnswerTime now);

  Planning& planning_;
  std::mutex& mutex_;  // of planning_
  PlanRequest request_;
  const Plan fixed_;
  BudgetReceipt told_;
  Candidate candidate_;      // in force
  std::string size_reason_;  // why plan A falls short, where that is for want of room
  std::array<std::optional<Passed>, kNumCheckpoints> passed_;
  double compressed_ms_ = 0;
  double own_pace_ = 1;  // of what is left, as what is done was slower than predicted
  bool was_cut_ = false;
  bool has_shared_steps_ = false;
};

}  // namespace saccade
