#include "cli/calibrate/question_list.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "cli/sweep/runner.h"
#include "planner/quality_model.h"

namespace saccade {
namespace {

// Not std::shuffle, which draws differently in every standard library.
template <typename T>
void shuffle(std::vector<T>& values, std::mt19937_64& engine) {
  for (size_t i = 0; i < values.size(); ++i) std::swap(values[i], values[i + engine() % (values.size() - i)]);
}

}  // namespace

const EvalItem& QuestionList::item(int64_t question) const {
  const CalibrationQuestion& asked = at(question);
  return sets[asked.set_idx].items[asked.item_idx];
}

Request QuestionList::request_for(int64_t question, int64_t max_tokens) const {
  return sets[at(question).set_idx].request_for(item(question), max_tokens);
}

int64_t QuestionList::num_pictures() const {
  std::set<std::string> pictures;
  for (const CalibrationQuestion& question : questions) pictures.insert(question.picture);
  return static_cast<int64_t>(pictures.size());
}

Expected<QuestionList> read_questions(std::span<const std::string> paths, int64_t limit, uint64_t seed,
                                      const TaskRules& rules) {
  QuestionList list;
  std::vector<CalibrationQuestion> all;
  for (const std::string& path : paths) {
    SACCADE_ASSIGN_OR_RETURN(EvalSet set, read_eval_set(path, 0, Labels::kOptional));
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    for (size_t i = 0; i < set.items.size(); ++i) {
      const EvalItem& item = set.items[i];
      all.push_back({static_cast<int64_t>(all.size()), list.sets.size(), i,
                     (folder / item.image).lexically_normal().string(), rules.classify(item.question)});
    }
    list.sets.push_back(std::move(set));
  }
  for (const int64_t question : choose_items(static_cast<int64_t>(all.size()), limit, seed)) {
    list.questions.push_back(std::move(all[static_cast<size_t>(question)]));
  }
  return list;
}

QuestionSplit split_by_picture(const QuestionList& list, double design_share, uint64_t seed) {
  std::map<std::string, std::vector<int64_t>> by_picture;
  for (size_t i = 0; i < list.questions.size(); ++i) {
    by_picture[list.questions[i].picture].push_back(static_cast<int64_t>(i));
  }
  std::vector<std::vector<int64_t>> pictures;
  for (auto& [picture, questions] : by_picture) pictures.push_back(std::move(questions));
  std::mt19937_64 engine(seed);
  shuffle(pictures, engine);
  QuestionSplit split;
  const double wanted = design_share * static_cast<double>(list.questions.size());
  for (const std::vector<int64_t>& questions : pictures) {
    const bool is_design = static_cast<double>(split.design.size()) < wanted;
    std::ranges::copy(questions, std::back_inserter(is_design ? split.design : split.certification));
  }
  return split;
}

std::vector<int64_t> of_class(const QuestionList& list, std::span<const int64_t> questions,
                              const std::string& task_class) {
  std::vector<int64_t> found;
  for (const int64_t question : questions) {
    const bool is_one = task_class == kAnyClass || list.at(question).task_class == task_class;
    if (is_one) found.push_back(question);
  }
  return found;
}

std::vector<int64_t> one_of_each_picture(const QuestionList& list, std::span<const int64_t> questions, uint64_t seed) {
  std::vector<int64_t> order(questions.begin(), questions.end());
  std::mt19937_64 engine(seed);
  shuffle(order, engine);
  std::set<std::string> pictures;
  std::vector<int64_t> drawn;
  for (const int64_t question : order) {
    if (pictures.insert(list.at(question).picture).second) drawn.push_back(question);
  }
  return drawn;
}

}  // namespace saccade
