#include "cli/calibrate/answer_book.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "base/format.h"
#include "cli/eval_score.h"
#include "cli/terminal.h"
#include "platform/clock.h"
#include "request/plan_text.h"

namespace saccade {
namespace {

constexpr const char* kFull = "full";

AnswerCallbacks until_interrupted() {
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  callbacks.on_text = [](std::string_view) { return !is_interrupted(); };
  return callbacks;
}

void add_to(const SweepResult& result, double loss, PlanMeans& sums) {
  ++sums.num_questions;
  sums.loss += loss;
  sums.latency_ms += result.latency_ms;
  sums.prepare_ms += result.prepare_ms;
  sums.encode_ms += result.encode_ms;
  sums.compress_ms += result.compress_ms;
  sums.prefill_ms += result.prefill_ms;
  sums.decode_ms += result.decode_ms;
  sums.flops.encode += result.flops.encode;
  sums.flops.prefill += result.flops.prefill;
  sums.flops.decode += result.flops.decode;
}

}  // namespace

AnswerBook::AnswerBook(std::vector<Engine*> engines, const QuestionList& list, BookOptions options, SweepRecord& record,
                       ResultFile* file)
    : engines_(std::move(engines)), list_(list), options_(std::move(options)), record_(record), file_(file) {
  for (size_t i = 0; i < record_.results.size(); ++i) remember(i);
}

void AnswerBook::remember(size_t result_idx) {
  const SweepResult& result = record_.results[result_idx];
  results_[result.plan][result.item] = result_idx;
}

std::string AnswerBook::text_of(const Levers& levers) const {
  return plan_text(to_plan(levers, {}, options_.strategy));
}

const SweepResult* AnswerBook::find(int64_t question, const std::string& plan) const {
  const auto by_question = results_.find(plan);
  if (by_question == results_.end()) return nullptr;
  const auto found = by_question->second.find(list_.at(question).number);
  return found == by_question->second.end() ? nullptr : &record_.results[found->second];
}

bool AnswerBook::is_full_right(int64_t question) const {
  const SweepResult* full = find(question, kFull);
  return full != nullptr && full->is_right.value_or(true);
}

Status AnswerBook::ask_one(Engine& engine, int64_t question, const Levers& levers) {
  const EvalItem& item = list_.item(question);
  Request request = list_.request_for(question, options_.max_tokens);
  request.plan = to_plan(levers, {}, options_.strategy);
  request.plan.seed +=
      options_.seed + static_cast<uint64_t>(list_.at(question).number);  // another draw for each question
  engine.forget();
  const auto answer = engine.answer(request, until_interrupted());
  if (is_interrupted()) return cancelled("interrupted");
  const std::string text = text_of(levers);
  if (!answer) {
    const StatusCode code = answer.status().code();
    const bool is_refusal = code == StatusCode::kUnsupported || code == StatusCode::kInvalidArgument;
    if (!levers.is_full() && is_refusal) return refuse(text, answer.status().message());
    return answer.status().with_context("plan " + text).with_context(item.where);
  }
  SweepResult result;
  result.item = list_.at(question).number;
  result.plan = text;
  result.answer = answer->text;
  if (item.answer) result.is_right = is_right(item, answer->text);
  take_receipt(answer->receipt, result);
  return add(std::move(result));
}

Status AnswerBook::add(SweepResult result) {
  const std::lock_guard lock(mutex_);
  if (file_ != nullptr) SACCADE_RETURN_IF_ERROR(file_->add(result));
  record_.results.push_back(std::move(result));
  remember(record_.results.size() - 1);
  return {};
}

Status AnswerBook::refuse(const std::string& plan, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  const bool is_new = record_.refused.emplace(plan, reason).second;
  return is_new && file_ != nullptr ? file_->add_refusal(plan, reason) : Status();
}

bool AnswerBook::is_wanted(int64_t question, const Levers& levers) {
  const std::lock_guard lock(mutex_);
  if (find(question, text_of(levers)) != nullptr) return false;
  return levers.is_full() || (is_full_right(question) && !is_refused(levers));
}

Status AnswerBook::ask_all(Engine& engine, const Inquiry& inquiry, size_t first) {
  const auto& [question, plans] = inquiry;
  if (is_wanted(question, {})) SACCADE_RETURN_IF_ERROR(ask_one(engine, question, {}));
  for (size_t i = 0; i < plans.size(); ++i) {
    const Levers& levers = plans[(first + i) % plans.size()];
    if (is_wanted(question, levers)) SACCADE_RETURN_IF_ERROR(ask_one(engine, question, levers));
  }
  return {};
}

Status AnswerBook::ask(const std::string& stage, std::span<const Inquiry> inquiries) {
  ProgressLine progress;
  const Stopwatch clock;
  std::mutex told;  // guards what is shown and the first error
  Status end;
  std::atomic<size_t> next = 0;
  std::atomic<bool> has_ended = false;
  size_t num_done = 0;
  const auto work = [&](Engine& engine) {
    for (size_t i = next++; i < inquiries.size() && !has_ended; i = next++) {
      const Status status = ask_all(engine, inquiries[i], i);
      const std::lock_guard lock(told);
      if (!status.is_ok()) {
        if (!has_ended.exchange(true)) end = status;
        return;
      }
      const double share = static_cast<double>(++num_done) / static_cast<double>(inquiries.size());
      progress.show(format("%s %zu/%zu", stage.c_str(), num_done, inquiries.size()), share,
                    time_left(clock.elapsed_ms() / share * (1 - share)));
    }
  };
  {
    std::vector<std::jthread> workers;
    for (size_t i = 1; i < engines_.size(); ++i) workers.emplace_back(work, std::ref(*engines_[i]));
    work(*engines_.front());
  }
  return end;
}

std::optional<double> AnswerBook::loss(int64_t question, const Levers& levers) const {
  if (!is_full_right(question)) return std::nullopt;
  const SweepResult* result = find(question, text_of(levers));
  if (result == nullptr) return std::nullopt;
  if (result->is_right) return *result->is_right ? 0 : 1;
  return normalize_answer(result->answer) == normalize_answer(find(question, kFull)->answer) ? 0 : 1;
}

PlanMeans AnswerBook::means(const Levers& levers, std::span<const int64_t> questions) const {
  PlanMeans means;
  const std::string plan = text_of(levers);
  for (const int64_t question : questions) {
    if (const auto lost = loss(question, levers)) add_to(*find(question, plan), *lost, means);
  }
  if (means.num_questions == 0) return means;
  const auto count = static_cast<double>(means.num_questions);
  for (double* sum :
       {&means.loss, &means.latency_ms, &means.prepare_ms, &means.encode_ms, &means.compress_ms, &means.prefill_ms,
        &means.decode_ms, &means.flops.encode, &means.flops.prefill, &means.flops.decode}) {
    *sum /= count;
  }
  return means;
}

double AnswerBook::full_score(std::span<const int64_t> questions) const {
  if (questions.empty()) return 0;
  const auto is_right = [&](int64_t question) { return is_full_right(question); };
  return static_cast<double>(std::ranges::count_if(questions, is_right)) / static_cast<double>(questions.size());
}

}  // namespace saccade
