#include "engine/budget_run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/format.h"
#include "engine/explain.h"
#include "platform/clock.h"
#include "request/plan_text.h"

namespace saccade {
namespace {

constexpr const char* kCheckpointNames[kNumCheckpoints] = {"start", "media", "encode", "prefill"};

// How far what is left is expected to be as slow, or fast, as what was just done.
constexpr double kPaceShare = 0.6;
constexpr double kMostPace = 4;
// What others take of the machine while this one goes first.
constexpr double kCrowdedPace = 1.25;
// Ways to answer that a request offers where others want the machine, too.
constexpr size_t kMostOptions = 8;
// An error is never worth nothing beside a second.
constexpr double kLeastUsdPerError = 1e-6;

double& ms_of(StageMs& stages, CostStage stage) {
  return stages[static_cast<size_t>(stage)];
}

double before_decode(const StageMs& stages) {
  double sum = 0;
  for (const CostStage stage : {CostStage::kMedia, CostStage::kEncode, CostStage::kCompress, CostStage::kPrefill}) {
    sum += stages[static_cast<size_t>(stage)];
  }
  return sum;
}

void fix(LeverOptions& options, const Levers& levers, std::initializer_list<Lever> done) {
  for (const Lever lever : done) options_of(options, lever) = {levers[lever]};
}

}  // namespace

BudgetRun::BudgetRun(Planning& planning, std::mutex& mutex, PlanRequest request, Plan fixed)
    : planning_(planning), mutex_(mutex), request_(std::move(request)), fixed_(std::move(fixed)) {
  told_.asked = request_.budget;
  told_.decision.policy = "planner";
  told_.task_class = request_.task_class;
}

// What goes before it, it waits for; and what goes on beside it slows it down.
void BudgetRun::set_time(AnswerTime now) {
  PlanFacts& facts = request_.facts;
  facts.elapsed_ms = now.elapsed_ms + waited_ms() + now.room.ahead_ms;
  facts.waited_ms = waited_ms() + now.waited_ms + now.room.ahead_ms;
  facts.allotted_ms = now.room.allotted_ms;
  facts.pace = own_pace_ * (now.room.num_others > 0 ? kCrowdedPace : 1);
}

std::vector<WorkOption> BudgetRun::options() const {
  const std::lock_guard lock(mutex_);
  const bool is_about_first_token = request_.budget.max_ttft_ms && !request_.budget.max_latency_ms;
  std::vector<WorkOption> all;
  Planner(planning_.costs, planning_.quality).for_each_fitting(request_, [&](const Candidate& candidate) {
    const double end_ms = is_about_first_token ? candidate.ttft_p95_ms : candidate.latency_p95_ms;
    all.push_back({end_ms - request_.facts.elapsed_ms, candidate.loss});
  });
  return thinned_front(std::move(all), kMostOptions);
}

void BudgetRun::note(Checkpoint checkpoint, AnswerTime now) {
  StageMs stages = candidate_.stages_ms;
  passed_[static_cast<size_t>(checkpoint)] =
      Passed{now, request_.facts.pace * before_decode(stages), request_.facts.pace * ms_of(stages, CostStage::kDecode),
             planning_.costs.p95_factor(checkpoint), told_.changes.size()};
}

Expected<Plan> BudgetRun::begin(AnswerTime now) {
  const std::lock_guard lock(mutex_);
  const Stopwatch clock;
  set_time(now);
  const PlanChoice choice = Planner(planning_.costs, planning_.quality).choose(request_);
  candidate_ = choice.chosen;
  if (candidate_.goes_on) request_.facts = request_.facts_going_on();
  request_.going_on.reset();
  told_.predicted = prediction_of(choice.chosen, request_.facts.expected_tokens);
  told_.predicted_first = told_.predicted;
  told_.full = prediction_of(choice.full, request_.facts.expected_tokens);
  told_.claim = choice.claim;
  told_.shortfall = choice.shortfall;
  if (!choice.is_possible) {
    return resource_exhausted(choice.shortfall +
                              "; ask with fewer pictures or words, or allow more memory (--max-memory) or context");
  }
  if (!choice.shortfall.empty() && request_.budget.mode == BudgetMode::kStrict) {
    return budget_exceeded(choice.shortfall + "; the request is strict");
  }
  const Plan plan = plan_of(candidate_.levers);
  if (choice.crowded_out) {
    const std::string reason = size_text(request_.facts, *choice.crowded_out);
    if (!choice.shortfall.empty()) size_reason_ = reason;
    told_.changes.push_back(
        {request_.facts.elapsed_ms, kCheckpointNames[0], "the plan of choice " + reason, plan_text(plan)});
  }
  keep_pictures();
  note(Checkpoint::kStart, now);
  told_.planning_ms += clock.elapsed_ms();
  return plan;
}

// From here on, what is not looked at is not there.
void BudgetRun::keep_pictures() {
  PlanFacts& facts = request_.facts;
  fix(request_.options, candidate_.levers, {Lever::kPictures});
  if (const auto choice = facts.instead.find(candidate_.levers[Lever::kPictures]); choice != facts.instead.end()) {
    facts.looks = choice->second.looks;
    facts.file_pixels = choice->second.file_pixels;
    facts.text_rows = choice->second.text_rows;
  }
  facts.instead.clear();
}

std::optional<Plan> BudgetRun::pass_media(AnswerTime now, const std::array<double, kSkips.size()>& share_seen,
                                          bool may_rescale) {
  const std::lock_guard lock(mutex_);
  request_.facts.share_seen = share_seen;
  for (size_t i = 1; i < kSkips.size(); ++i) planning_.saw_share(i, share_seen[i]);
  const double scale = candidate_.levers[Lever::kScale];
  if (may_rescale) {
    std::erase_if(options_of(request_.options, Lever::kScale), [&](double option) { return option > scale; });
  } else {
    options_of(request_.options, Lever::kScale) = {scale};
  }
  request_.facts.resized_scale = scale;
  return replan(Checkpoint::kMedia, now);
}

std::optional<Plan> BudgetRun::pass_encode(AnswerTime now, double encoded_tokens) {
  const std::lock_guard lock(mutex_);
  request_.facts.visual_tokens = encoded_tokens;
  fix(request_.options, candidate_.levers, {Lever::kScale, Lever::kSkip, Lever::kEncoderLayers});
  return replan(Checkpoint::kEncode, now);
}

void BudgetRun::pass_prefill(AnswerTime now) {
  const std::lock_guard lock(mutex_);
  request_.facts.passed = Checkpoint::kPrefill;
  set_time(now);
  candidate_ = Planner(planning_.costs, planning_.quality).evaluate(request_, candidate_.levers);
  note(Checkpoint::kPrefill, now);
}

// About between 0 and 1 each.
BanditContext BudgetRun::context() const {
  const PlanFacts& facts = request_.facts;
  const double tokens = facts.looks.empty() ? 0 : facts.looks.front().tokens;
  const double limit_ms = request_.budget.max_latency_ms.value_or(told_.full.latency_ms);
  return {1,
          std::min(1.0, tokens / 1024),
          facts.share_seen[1],
          facts.share_seen[2],
          std::min(1.0, facts.text_rows / 64),
          std::min(1.0, limit_ms / std::max(1e-3, told_.full.latency_ms))};
}

Candidate BudgetRun::decide(const Planner& planner, const Candidate& chosen) {
  std::vector<Candidate> fitting = planner.fitting_rungs(request_);
  const bool is_rung = std::ranges::find(fitting, chosen.levers, &Candidate::levers) != fitting.end();
  if (!is_rung) fitting.push_back(chosen);
  const Weights& weights = request_.weights;
  const double errors_per_ms = (weights.usd_per_device_second + weights.usd_per_waiting_second) / 1e3 /
                               std::max(kLeastUsdPerError, weights.usd_per_error);
  PlanDecision& decision = told_.decision;
  decision = {.policy = "linucb", .propensity = 1, .context = {}, .plans = {}};
  std::vector<BanditArm> arms;
  for (const Candidate& candidate : fitting) {
    arms.push_back(
        {plan_text(plan_of(candidate.levers)), 1 - candidate.loss, errors_per_ms * candidate.latency_p95_ms});
    decision.plans.push_back({arms.back().plan, arms.back().expected_quality, arms.back().cost});
  }
  const BanditContext seen = context();
  decision.context.assign(seen.begin(), seen.end());
  const BanditDraw draw =
      planning_.bandit->choose(arms, seen, std::uniform_real_distribution<double>(0, 1)(planning_.random));
  decision.propensity = draw.propensity;
  return fitting[draw.arm_idx];
}

// The bandit chooses once, when it is known what the pictures show; what it chose stays while it keeps the budget.
Candidate BudgetRun::next_candidate(const Planner& planner, Checkpoint checkpoint, const PlanChoice& choice) {
  const bool is_kept = choice.fits && choice.keeps_quality;
  if (!planning_.bandit || !is_kept) return choice.chosen;
  if (checkpoint == Checkpoint::kMedia) return decide(planner, choice.chosen);
  const Candidate same = planner.evaluate(request_, candidate_.levers);
  return planner.verdict(request_, same) == Verdict::kChosen ? same : choice.chosen;
}

std::optional<Plan> BudgetRun::replan(Checkpoint checkpoint, AnswerTime now) {
  const Stopwatch clock;
  PlanFacts& facts = request_.facts;
  const std::optional<Passed>& before = passed_[static_cast<size_t>(facts.passed)];
  StageMs stages = candidate_.stages_ms;
  if (before && checkpoint == Checkpoint::kEncode) {  // reading a picture says little of the machine
    const double ratio = (now.worked_ms() - before->at.worked_ms()) / std::max(1e-3, ms_of(stages, CostStage::kEncode));
    own_pace_ = std::clamp(std::pow(ratio, kPaceShare), 1 / kMostPace, kMostPace);
  }
  facts.passed = checkpoint;
  set_time(now);
  const Planner planner(planning_.costs, planning_.quality);
  const PlanChoice choice = planner.choose(request_);
  const Levers before_levers = candidate_.levers;
  candidate_ = next_candidate(planner, checkpoint, choice);
  const bool is_changed = candidate_.levers != before_levers;
  told_.claim = planner.claim_of(request_, candidate_);
  told_.shortfall = choice.shortfall;
  // What is no option any more may have been crowded out before.
  if (!choice.shortfall.empty() && !choice.crowded_out && !size_reason_.empty()) {
    told_.shortfall += "; a plan that would " + size_reason_;
  }
  std::optional<Plan> plan;
  if (is_changed) {
    plan = plan_of(candidate_.levers);
    told_.changes.push_back({facts.elapsed_ms, kCheckpointNames[static_cast<size_t>(checkpoint)],
                             checkpoint == Checkpoint::kMedia ? "what the picture shows is known"
                                                              : "what its tokens are, and the time left, is known",
                             plan_text(*plan)});
  }
  if (checkpoint == Checkpoint::kMedia) told_.predicted = prediction_of(candidate_, facts.expected_tokens);
  note(checkpoint, now);
  told_.planning_ms += clock.elapsed_ms();
  return plan;
}

bool BudgetRun::has_time_for_token(AnswerTime now, int64_t num_done) {
  if (!request_.budget.max_latency_ms || num_done < 1) return true;
  const std::optional<Passed>& prefill = passed_[static_cast<size_t>(Checkpoint::kPrefill)];
  // Of this answer's own tokens, once there are any.
  double token_ms = prefill->token_ms;
  if (num_done > 1) {
    const double measured = (now.elapsed_ms - prefill->at.elapsed_ms) / static_cast<double>(num_done - 1);
    token_ms = std::max(measured, token_ms);
  }
  const double needed = token_ms * prefill->token_p95_factor;
  if (now.elapsed_ms + waited_ms() + needed <= *request_.budget.max_latency_ms) return true;
  was_cut_ = true;
  told_.changes.push_back(
      {now.elapsed_ms + waited_ms(), "decode",
       format("the answer ends behind %lld tokens: another one would be too late", static_cast<long long>(num_done)),
       plan_text(plan_of(candidate_.levers))});
  return false;
}

const LookChoice& BudgetRun::look_taken() const {
  const std::vector<LookChoice>& looks = request_.facts.looks;
  const auto found = std::ranges::find(looks, candidate_.levers[Lever::kScale], &LookChoice::scale);
  return found != looks.end() ? *found : looks.front();
}

// Stages last from one checkpoint to the next, so that nothing between them is left out.
void BudgetRun::learn(AnswerTime now, const StageLoads& loads) {
  CostModel& costs = planning_.costs;
  const ModelShape& shape = costs.shape();
  const Levers& levers = candidate_.levers;
  const auto at = [&](Checkpoint checkpoint) { return passed_[static_cast<size_t>(checkpoint)]->at.worked_ms(); };
  const auto add = [&](CostStage stage, double roofline_ms, double measured_ms) {
    if (roofline_ms > 0) costs.residual(stage).add(roofline_ms, measured_ms);
  };
  if (loads.looked && passed_[static_cast<size_t>(Checkpoint::kEncode)]) {
    add(CostStage::kMedia, costs.media_ms(request_.facts.file_pixels, look_taken().resized_pixels),
        at(Checkpoint::kMedia) - at(Checkpoint::kStart));
    const double tower_layers = running_layers(levers[Lever::kEncoderLayers], shape.tower->num_layers);
    add(CostStage::kEncode, costs.encode_ms({loads.patches, loads.tiles, loads.encoded_tokens, tower_layers}),
        at(Checkpoint::kEncode) - at(Checkpoint::kMedia));
    if (levers[Lever::kKeep] < 1) {
      add(CostStage::kCompress, costs.compress_ms(loads.encoded_tokens, loads.visual_tokens),
          compressed_ms_ - at(Checkpoint::kEncode));
    }
  }
  const auto through_layers = [&](const DecoderLoad& load) {
    return with_layers(load, shape.decoder, levers[Lever::kLayers], planning_.freezes_visual);
  };
  const DecoderLoad prompt =
      through_layers({.text_rows = loads.text_rows, .visual_rows = loads.visual_tokens, .past_rows = loads.past_rows});
  add(CostStage::kPrefill, costs.decoder_ms(prompt), at(Checkpoint::kPrefill) - compressed_ms_);
  if (loads.generated_tokens > 1 && !has_shared_steps_) {
    DecoderLoad token = {.text_rows = 1};
    token.past_rows = loads.past_rows + loads.text_rows + loads.visual_tokens + loads.generated_tokens / 2;
    add(CostStage::kDecode, costs.decoder_ms(through_layers(token)),
        (now.worked_ms() - at(Checkpoint::kPrefill)) / (loads.generated_tokens - 1));
  }
}

// Of checkpoints behind which the plan stayed.
void BudgetRun::learn_rests(AnswerTime now, double generated_tokens) {
  const size_t num_changes = told_.changes.size() - (was_cut_ ? 1 : 0);
  for (size_t i = 0; i < kNumCheckpoints; ++i) {
    if (!passed_[i] || passed_[i]->num_changes != num_changes) continue;
    const double predicted =
        passed_[i]->rest_before_decode_ms + std::max(0.0, generated_tokens - 1) * passed_[i]->token_ms;
    planning_.costs.add_rest(static_cast<Checkpoint>(i), predicted, now.worked_ms() - passed_[i]->at.worked_ms());
  }
}

void BudgetRun::finish(AnswerTime now, const StageLoads& loads, Receipt& receipt) {
  const Budget& budget = request_.budget;
  const double latency_ms = now.elapsed_ms + waited_ms();
  if (receipt.finish_reason != "cancelled") {
    const std::lock_guard lock(mutex_);
    if (!has_shared_steps_) learn_rests(now, loads.generated_tokens);
    learn(now, loads);
    if (!was_cut_) planning_.lengths.add(request_.task_class, static_cast<int64_t>(loads.generated_tokens));
  }
  if (budget.max_latency_ms) told_.met_latency = latency_ms <= *budget.max_latency_ms;
  if (budget.max_ttft_ms) told_.met_ttft = receipt.ttft_ms && *receipt.ttft_ms + waited_ms() <= *budget.max_ttft_ms;
  if (receipt.cost) {
    receipt.cost->full_plan_usd = told_.full.cost_usd;
    if (budget.max_cost_usd) told_.met_cost = receipt.cost->usd <= *budget.max_cost_usd;
  }
  if (budget.min_quality) {
    const bool is_promised = told_.claim.kind != QualityClaim::Kind::kMeasured;
    told_.met_quality = (is_promised ? 1 - told_.claim.epsilon : 0) >= *budget.min_quality - 1e-9;
  }
  receipt.budget = std::move(told_);
}

}  // namespace saccade
