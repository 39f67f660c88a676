// What an engine plans by, and learns as it answers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/model.h"
#include "planner/answer_lengths.h"
#include "planner/bandit.h"
#include "planner/cost_model.h"
#include "planner/levers.h"
#include "planner/planner.h"
#include "planner/quality_file.h"
#include "planner/quality_model.h"
#include "planner/task_class.h"
#include "saccade/engine.h"
#include "saccade/price.h"
#include "saccade/status.h"
#include "tensor/dtype.h"

namespace saccade {

struct Planning {
  CostModel costs;
  QualityTable quality;
  std::optional<Price> price;
  std::string strategy;  // that chooses the tokens which are kept; empty: the model has none to offer
  LeverOptions options;  // that the model can carry out; kScale's depend on the picture
  bool freezes_visual = false;
  bool is_machine_measured = false;  // else costs begin with a guess
  TaskRules rules = {};
  Weights weights = {};
  AnswerLengths lengths = {};
  std::optional<PlanBandit> bandit = {};  // that chooses among the plans which fit, where it was asked to
  std::mt19937_64 random = {};            // its draws
  // Of patches, what is left by each of kSkips: the mean of the last pictures.
  std::array<double, kSkips.size()> share_seen = {1, 0.7, 0.6, 0.5};

  void saw_share(size_t skip, double share);
};

/// For the model as the engine runs it, by the files that the options name or that lie beside the model: what was
/// measured of the machine, learnt of the model's speed and certified of its quality; guesses and priors where there is
/// none. Errors: those of reading them.
Expected<Planning> make_planning(const Model& model, const EngineOptions& options, const ModelInfo& info,
                                 DType kv_dtype);
/// Writes what was learnt to the profile, where there is one. Errors: those of write_learned().
Status keep_learned(const Planning& planning, const EngineOptions& options, const ModelInfo& info);

/// Has a bandit learn from the answers and choose from then on. Returns, and revokes, what loses more than it was
/// certified to. Errors: kInvalidArgument.
Expected<std::vector<DriftAlarm>> learn(std::span<const LabelledAnswer> answers, const LearningOptions& options,
                                        Planning& planning);

/// The same without what is known of the machine.
Expected<Planning> make_planning(const Model& model, DType kv_dtype);
/// The same by priors, whatever was measured before.
Expected<Planning> make_uncalibrated_planning(const Model& model, DType kv_dtype);

/// What a table of the model's quality is a table of.
MeasuredModel measured_model(const Model& model);

}  // namespace saccade
