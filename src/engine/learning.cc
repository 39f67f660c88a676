// What an engine learns from answers whose worth is known.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/format.h"
#include "engine/planning.h"
#include "planner/drift.h"
#include "request/plan_text.h"

namespace saccade {
namespace {

Status check(const LabelledAnswer& answer) {
  if (!(answer.score >= 0 && answer.score <= 1)) {
    return invalid_argument(format("a score is %g; it must be between 0 and 1", answer.score));
  }
  const bool is_finite = std::ranges::all_of(answer.context, [](float value) { return std::isfinite(value); });
  if (!is_finite || !std::isfinite(answer.expected_quality)) {
    return invalid_argument("what is known of an answer is not a number");
  }
  return {};
}

// The rung, and those that are cheaper.
void revoke(const std::string& task_class, const std::string& plan, double mean_loss, Planning& planning) {
  const auto found = planning.quality.classes.find(task_class);
  if (found == planning.quality.classes.end()) return;
  bool is_revoked = false;
  for (LadderRung& rung : found->second.ladder) {
    const bool is_it = plan_text(to_plan(rung.levers, {}, planning.strategy)) == plan;
    is_revoked = is_revoked || is_it;
    rung.is_revoked = rung.is_revoked || is_revoked;
    if (is_it) rung.mean_loss = std::max(rung.mean_loss, mean_loss);
  }
}

std::vector<DriftAlarm> find_drift(std::span<const LabelledAnswer> answers) {
  DriftWatch watch;
  for (const LabelledAnswer& answer : answers) {
    const bool is_watched = answer.is_shadow && answer.certified_epsilon;
    if (is_watched) watch.add(answer.task_class, answer.plan, 1 - answer.score, *answer.certified_epsilon);
  }
  return watch.alarms();
}

}  // namespace

Expected<std::vector<DriftAlarm>> learn(std::span<const LabelledAnswer> answers, const LearningOptions& options,
                                        Planning& planning) {
  if (!(options.exploration >= 0) || !(options.random_share >= 0 && options.random_share <= 1)) {
    return invalid_argument("the share of random choices must be between 0 and 1, and exploration 0 or more");
  }
  for (const LabelledAnswer& answer : answers) SACCADE_RETURN_IF_ERROR(check(answer));
  PlanBandit bandit({.exploration = options.exploration, .random_share = options.random_share});
  for (const LabelledAnswer& answer : answers) {
    if (answer.context.size() != kContextSize) continue;  // of an answer that nothing chose a plan for
    BanditContext context = {};
    std::ranges::copy(answer.context, context.begin());
    bandit.learn(answer.plan, context, answer.expected_quality, answer.score);
  }
  planning.bandit = std::move(bandit);
  planning.random.seed(options.seed);
  std::vector<DriftAlarm> alarms = find_drift(answers);
  for (const DriftAlarm& alarm : alarms) revoke(alarm.task_class, alarm.plan, alarm.mean_loss, planning);
  return alarms;
}

}  // namespace saccade
