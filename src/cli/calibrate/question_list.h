// The questions that a model is calibrated on, split into two parts that share no picture.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/eval_set.h"
#include "planner/task_class.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

struct CalibrationQuestion {
  int64_t number = 0;  // among the questions of all sets, whatever the limit
  size_t set_idx = 0;
  size_t item_idx = 0;     // of that set
  std::string picture;     // its path: questions of one are not independent
  std::string task_class;  // by the rules
};

/// Questions are known by their places in it.
struct QuestionList {
  std::vector<EvalSet> sets;
  std::vector<CalibrationQuestion> questions;

  const CalibrationQuestion& at(int64_t question) const { return questions[static_cast<size_t>(question)]; }
  const EvalItem& item(int64_t question) const;
  Request request_for(int64_t question, int64_t max_tokens) const;
  int64_t num_pictures() const;
};

/// `limit` questions of all sets together, drawn by the seed, those of a smaller limit among them; all where it is 0.
/// Errors: those of read_eval_set().
Expected<QuestionList> read_questions(std::span<const std::string> paths, int64_t limit, uint64_t seed,
                                      const TaskRules& rules);

/// Questions of a list, in an order that was drawn.
struct QuestionSplit {
  std::vector<int64_t> design;
  std::vector<int64_t> certification;
};

/// All questions of a picture, drawn by the seed, go to one part; about `design_share` of all questions to the first.
QuestionSplit split_by_picture(const QuestionList& list, double design_share, uint64_t seed);

/// Those of a task class; all of them for kAnyClass.
std::vector<int64_t> of_class(const QuestionList& list, std::span<const int64_t> questions,
                              const std::string& task_class);

/// One of each picture's, drawn by the seed: independent of one another, as a certificate needs them.
std::vector<int64_t> one_of_each_picture(const QuestionList& list, std::span<const int64_t> questions, uint64_t seed);

}  // namespace saccade
