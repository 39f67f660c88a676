// What is decided on the design questions: losses lever by lever, the combined plans that are tried, the ladders.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cli/calibrate/answer_book.h"
#include "planner/quality_model.h"

namespace saccade {

/// The settings of one lever beside rest, the others at rest.
std::vector<Levers> one_lever_plans(const LeverOptions& options);
/// Every combination of settings that says something: how to look says nothing where nothing is looked at.
std::vector<Levers> all_plans(const LeverOptions& options);
/// How many levers a plan moves.
int num_moved(const Levers& levers);
/// How many settings a plan is away from rest, over all levers.
int num_steps(const LeverOptions& options, const Levers& levers);

/// The curve with the least squared difference that never falls and begins at no loss (isotonic regression by pooling
/// of adjacent violators). `points` begin at rest; `weights` are the numbers of questions behind them.
std::vector<LossPoint> monotone(std::vector<LossPoint> points, std::span<const double> weights);

/// Curves of the levers over the questions. With a `prior`, a loss is taken as if it had been seen on some more
/// questions: so that a class of few questions does not look safe for want of them.
ClassQuality fit_curves(const AnswerBook& book, const LeverOptions& options, std::span<const int64_t> questions,
                        const ClassQuality* prior);

/// What answers of plans take: measured stage by stage for plans of one lever, and combined.
class PlanCosts {
 public:
  PlanCosts(const AnswerBook& book, const LeverOptions& options, std::span<const int64_t> questions);

  /// Milliseconds, from those of the full plan: FLOPs do not depend on what else the machine did.
  double measured_ms(const PlanMeans& means) const;
  /// Of a plan that was not asked: each lever changes a stage by the factor that it does alone.
  double predicted_ms(const Levers& levers) const;
  double full_ms() const { return measured_ms(full_); }

 private:
  PlanMeans full_;
  std::vector<std::pair<Levers, PlanMeans>> alone_;
};

/// A plan with what it takes and loses.
struct PlanPoint {
  Levers levers;
  double ms = 0;
  double loss = 0;
};

/// Up to `count` of the plans that no other one beats in time and loss, evenly over their (logarithmic) times.
std::vector<Levers> spread_over_front(std::vector<PlanPoint> points, int count, double max_loss);

/// The plans that no other one beats in time and loss, without those as slow as the full one: the safest first, each
/// faster than the one before by enough that there are at most `max_rungs`.
std::vector<Levers> choose_ladder(std::vector<PlanPoint> points, double full_ms, double max_loss, size_t max_rungs);

}  // namespace saccade
