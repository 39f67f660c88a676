// Learning from answers whose worth is known: by people who said so, or by the full plan's answer to the same question.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saccade {

/// A plan that fitted, as it was weighed.
struct WeighedPlan {
  std::string plan;
  double expected_quality = 1;
  double cost = 0;  // of its time, in errors: what may be lost in quality for it
};

/// How a plan was chosen, for judging other policies by it afterwards.
struct PlanDecision {
  std::string policy;  // "planner", or "linucb"
  double propensity = 1;
  std::vector<float> context;      // what the policy saw
  std::vector<WeighedPlan> plans;  // of which one was chosen; empty: there was no choice
};

struct LabelledAnswer {
  std::string plan;
  std::string task_class;
  std::vector<float> context;
  double expected_quality = 1;
  double score = 0;        // 0..1
  bool is_shadow = false;  // the score is agreement with the full plan
  std::optional<double> certified_epsilon;
};

struct LearningOptions {
  double exploration = 0.5;   // standard deviations that an unknown plan is thought better
  double random_share = 0.1;  // of answers, whose plan is drawn evenly from those that fit
  uint64_t seed = 0;
};

/// A plan loses more than it was certified to: it, and what is cheaper, is promised no more.
struct DriftAlarm {
  std::string task_class;
  std::string plan;
  double mean_loss = 0;
  double epsilon = 0;
  int64_t num_answers = 0;
};

}  // namespace saccade
