// Measures what plans cost in quality: designs ladders of plans on one part of the questions, certifies them on the
// other (Learn then Test, planner/certificate.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/calibrate/answer_book.h"
#include "cli/calibrate/question_list.h"
#include "planner/quality_model.h"

namespace saccade {

/// A rung of a ladder, for reports; milliseconds are means over the certification questions.
struct RungReport {
  std::string plan;
  double design_loss = 0;
  LadderRung rung;
  double epsilon = 1;  // certified, for this rung with all before it
  double ms = 0;
  double full_ms = 0;
  std::string losses;  // a 0 or 1 for each certification question, in the same order for all rungs of a ladder
};

struct ClassReport {
  std::string task_class;
  int64_t num_design = 0;
  int64_t num_certification = 0;  // asked by the full plan; those that it answers right count
  double full_score = 0;          // on the latter
  std::vector<RungReport> ladder;
};

/// How well the loss of plans of several levers is told by those of each alone, over the design questions.
struct CombinationReport {
  int64_t num_plans = 0;
  double mean_expected = 0;
  double mean_measured = 0;
  double rms_error = 0;
};

struct Calibration {
  QualityTable table;
  std::vector<ClassReport> classes;  // kAnyClass first
  CombinationReport combination;
};

struct CalibrationOptions {
  LeverOptions levers;
  double delta = 0.05;
  uint64_t seed = 0;
};

/// The table's source is left empty. Errors: those of AnswerBook::ask(), kInvalidArgument where the full plan answers
/// too few questions right to say anything.
Expected<Calibration> calibrate(AnswerBook& book, const QuestionList& list, const QuestionSplit& split,
                                const CalibrationOptions& options);

}  // namespace saccade
