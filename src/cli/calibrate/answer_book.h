// What a model answered by which plan: each question is asked once by each plan, cold, and never again.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cli/calibrate/question_list.h"
#include "cli/sweep/results.h"
#include "planner/levers.h"
#include "saccade/engine.h"

namespace saccade {

/// A question with the plans to ask it by, beside the full one.
struct Inquiry {
  int64_t question = 0;
  std::vector<Levers> plans;
};

/// Means over the questions that the full plan answers right: only they can be lost.
struct PlanMeans {
  int64_t num_questions = 0;
  double loss = 0;
  double latency_ms = 0;
  // What latency is made of: milliseconds, and FLOPs where time goes with them whatever else the machine does.
  double prepare_ms = 0;
  double encode_ms = 0;
  double compress_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  FlopCounts flops;
};

struct BookOptions {
  std::string strategy;  // that chooses the tokens which are kept
  int64_t max_tokens = 128;
  uint64_t seed = 0;
};

class AnswerBook {
 public:
  /// Begins with what `record` has, and adds to `file`, which may be null. All must outlive it. Each of the engines has
  /// loaded the same model.
  AnswerBook(std::vector<Engine*> engines, const QuestionList& list, BookOptions options, SweepRecord& record,
             ResultFile* file);

  /// Asks what is not known yet, by all engines at the same time: by the full plan, then, where its answer is right, by
  /// the others, beginning with another one each time. Plans that the model can't carry out become refusals. Errors:
  /// those of Engine::answer() with the item's line, kCancelled after Ctrl-C, those of ResultFile.
  Status ask(const std::string& stage, std::span<const Inquiry> inquiries);

  /// As the book's strategy makes it.
  std::string text_of(const Levers& levers) const;
  bool is_refused(const Levers& levers) const { return record_.refused.contains(text_of(levers)); }

  /// 0 or 1; none where the full plan is wrong, or the plan was not asked. An answer of an item without a label is
  /// right where it is the full plan's.
  std::optional<double> loss(int64_t question, const Levers& levers) const;
  PlanMeans means(const Levers& levers, std::span<const int64_t> questions) const;
  /// Share of right answers of the full plan.
  double full_score(std::span<const int64_t> questions) const;

 private:
  const SweepResult* find(int64_t question, const std::string& plan) const;
  bool is_full_right(int64_t question) const;
  bool is_wanted(int64_t question, const Levers& levers);
  Status ask_all(Engine& engine, const Inquiry& inquiry, size_t first);
  Status ask_one(Engine& engine, int64_t question, const Levers& levers);
  Status add(SweepResult result);
  Status refuse(const std::string& plan, const std::string& reason);
  void remember(size_t result_idx);

  const std::vector<Engine*> engines_;
  const QuestionList& list_;
  const BookOptions options_;
  // While ask() runs, what is below is guarded.
  std::mutex mutex_;
  SweepRecord& record_;
  ResultFile* const file_;
  std::unordered_map<std::string, std::unordered_map<int64_t, size_t>> results_;  // by plan and question's number
};

}  // namespace saccade
