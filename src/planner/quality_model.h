// What a plan costs in quality: measured on a calibration set, or, without one, published figures of other models.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "planner/levers.h"

namespace saccade {

/// Expected loss (share of the full plan's quality) by a lever's setting, the others at rest.
struct LossPoint {
  double value = 1;
  double loss = 0;
};

/// A plan of a ladder, which goes from the safest to the cheapest, with what it lost on held-out questions.
struct LadderRung {
  Levers levers;
  int64_t num_questions = 0;
  double mean_loss = 0;     // of max(0, full plan's score - this one's), as a share of the full plan's
  bool is_revoked = false;  // it loses more than it was certified to: it is no more
};

/// Of the questions of one task class.
struct ClassQuality {
  // By Lever; values from full to least. Empty: the lever was not tried, and must not be used.
  std::array<std::vector<LossPoint>, kNumLevers> curves;
  std::vector<LadderRung> ladder;
  double full_score = 1;  // mean score of the full plan, where it was measured
};

/// The class of questions of classes that are not in the table.
inline constexpr const char* kAnyClass = "any";

struct QualityTable {
  bool is_calibrated = false;                   // of this model; else priors
  std::string source;                           // what was asked of what, or where the figures are from
  std::map<std::string, ClassQuality> classes;  // kAnyClass among them
  double delta = 0.05;                          // of certificates

  const ClassQuality& of(const std::string& task_class) const;
};

/// Published figures of other models, each with its source beside it.
QualityTable published_priors();

/// Between the curve's points; the last point's beyond. Of Lever::kPictures, the point's own, and all is lost by what
/// was not tried: its settings have nothing in common.
double expected_loss(const ClassQuality& quality, Lever lever, double value);

/// The levers' losses taken as independent; a rung's own where they are one's.
double expected_loss(const ClassQuality& quality, const Levers& levers);

}  // namespace saccade
