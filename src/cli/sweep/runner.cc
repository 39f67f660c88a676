#include "cli/sweep/runner.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <tuple>

#include "base/format.h"
#include "cli/eval_score.h"
#include "cli/terminal.h"
#include "platform/clock.h"

namespace saccade {
namespace {

AnswerCallbacks until_interrupted() {
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  callbacks.on_text = [](std::string_view) { return !is_interrupted(); };
  return callbacks;
}

Expected<Answer> ask(Engine& engine, const Request& request) {
  auto answer = engine.answer(request, until_interrupted());
  if (is_interrupted()) return cancelled("interrupted");
  return answer;
}

class SweepRunner {
 public:
  SweepRunner(Engine& engine, const SweepTask& task, SweepRecord& record, ResultFile* file)
      : engine_(engine), task_(task), record_(record), file_(file), num_left_(num_steps()) {
    for (const SweepResult& result : record.results) {
      done_.insert({result.item, result.repeat, result.plan});
    }
    num_left_ -= static_cast<int64_t>(done_.size());
  }

  Status run() {
    for (int64_t repeat = 0; repeat < task_.num_repeats; ++repeat) {
      for (size_t i = 0; i < task_.items.size(); ++i) SACCADE_RETURN_IF_ERROR(ask_all(i, repeat));
    }
    return {};
  }

 private:
  int64_t num_steps() const {
    return task_.num_repeats * static_cast<int64_t>(task_.items.size() * task_.plans.size());
  }

  // The plan that begins is another one for each question.
  Status ask_all(size_t item_idx, int64_t repeat) {
    const size_t num_plans = task_.plans.size();
    for (size_t i = 0; i < num_plans; ++i) {
      const NamedPlan& plan = task_.plans[(i + item_idx + static_cast<size_t>(repeat)) % num_plans];
      if (done_.contains({task_.items[item_idx], repeat, plan.name})) continue;
      if (record_.refused.contains(plan.name)) {
        --num_left_;
        continue;
      }
      const Status status = ask_one(item_idx, repeat, plan);
      if (!status.is_ok()) SACCADE_RETURN_IF_ERROR(refuse(plan, status, item_idx));
      show_progress(item_idx);
    }
    return {};
  }

  void show_progress(size_t item_idx) {
    --num_left_;
    ++num_asked_;
    const double done = static_cast<double>(num_steps() - num_left_) / static_cast<double>(num_steps());
    const double left_ms = clock_.elapsed_ms() / static_cast<double>(num_asked_) * static_cast<double>(num_left_);
    progress_.show(format("question %zu/%zu", item_idx + 1, task_.items.size()), done, time_left(left_ms));
  }

  // What is wrong is the plan's fault, or everybody's.
  Status refuse(const NamedPlan& plan, const Status& status, size_t item_idx) {
    const bool is_no_sense = status.code() == StatusCode::kInvalidArgument && task_.offered.contains(plan.name);
    const bool is_full = plan.name == task_.plans.front().name;
    if (is_full || !(status.code() == StatusCode::kUnsupported || is_no_sense)) {
      if (status.code() == StatusCode::kCancelled) return status;
      return status.with_context("plan " + quote(plan.name, 200)).with_context(item(item_idx).where);
    }
    record_.refused[plan.name] = status.message();
    return file_ == nullptr ? Status() : file_->add_refusal(plan.name, status.message());
  }

  const EvalItem& item(size_t item_idx) const { return task_.set.items[static_cast<size_t>(task_.items[item_idx])]; }

  Request request_for(const EvalItem& item, size_t item_idx, const Plan& plan) const {
    Request request = task_.set.request_for(item, task_.max_tokens);
    request.plan = plan;
    request.plan.seed += task_.seed + static_cast<uint64_t>(task_.items[item_idx]);  // another draw for each question
    return request;
  }

  Status ask_one(size_t item_idx, int64_t repeat, const NamedPlan& plan) {
    engine_.forget();
    SACCADE_ASSIGN_OR_RETURN(const Answer answer, ask(engine_, request_for(item(item_idx), item_idx, plan.plan)));
    SweepResult result;
    result.item = task_.items[item_idx];
    result.repeat = repeat;
    result.plan = plan.name;
    result.answer = answer.text;
    if (item(item_idx).answer) result.is_right = is_right(item(item_idx), answer.text);
    take_receipt(answer.receipt, result);
    if (repeat == 0 && is_asked_again(item_idx)) SACCADE_RETURN_IF_ERROR(ask_again(item_idx, plan.plan, result));
    if (file_ != nullptr) SACCADE_RETURN_IF_ERROR(file_->add(result));
    record_.results.push_back(std::move(result));
    return {};
  }

  // As many as are wanted, evenly over the questions.
  bool is_asked_again(size_t item_idx) const {
    const auto count = static_cast<int64_t>(task_.items.size());
    const auto idx = static_cast<int64_t>(item_idx);
    const int64_t wanted = std::min(task_.num_reuse, count);
    return (idx + 1) * wanted / count > idx * wanted / count;
  }

  // The question behind one about another picture, then behind another one about its own.
  Status ask_again(size_t item_idx, const Plan& plan, SweepResult& result) {
    const EvalItem& asked = item(item_idx);
    const auto first = task_.set.items.begin();
    const auto other =
        std::ranges::find_if(task_.set.items, [&](const EvalItem& any) { return any.image != asked.image; });
    if (other != task_.set.items.end()) {
      SACCADE_ASSIGN_OR_RETURN(result.other_picture, ask_behind(*other, item_idx, plan));
    }
    const auto same = std::find_if(first, task_.set.items.end(), [&](const EvalItem& any) {
      return any.image == asked.image && any.question != asked.question;
    });
    EvalItem before = asked;
    before.question = same == task_.set.items.end() ? "What is in the picture?" : same->question;
    SACCADE_ASSIGN_OR_RETURN(result.same_picture, ask_behind(before, item_idx, plan));
    return {};
  }

  Expected<WarmTimes> ask_behind(const EvalItem& before, size_t item_idx, const Plan& plan) {
    SACCADE_ASSIGN_OR_RETURN(const Answer first, ask(engine_, request_for(before, item_idx, plan)));
    SACCADE_ASSIGN_OR_RETURN(const Answer second, ask(engine_, request_for(item(item_idx), item_idx, plan)));
    return times_of(second.receipt);
  }

  Engine& engine_;
  const SweepTask& task_;
  SweepRecord& record_;
  ResultFile* const file_;
  std::set<std::tuple<int64_t, int64_t, std::string>> done_;
  int64_t num_left_;
  int64_t num_asked_ = 0;
  Stopwatch clock_;
  ProgressLine progress_;
};

}  // namespace

std::vector<int64_t> choose_items(int64_t num_items, int64_t limit, uint64_t seed) {
  std::vector<int64_t> items(static_cast<size_t>(num_items));
  std::iota(items.begin(), items.end(), 0);
  if (limit <= 0 || limit >= num_items) return items;
  // Not std::shuffle, which draws differently in every standard library.
  std::mt19937_64 engine(seed);
  for (size_t i = 0; i < static_cast<size_t>(limit); ++i) std::swap(items[i], items[i + engine() % (items.size() - i)]);
  items.resize(static_cast<size_t>(limit));
  std::ranges::sort(items);
  return items;
}

Expected<GridFacts> find_grid_facts(Engine& engine, const EvalSet& set, int64_t item, int64_t max_tokens) {
  const EvalItem& first = set.items[static_cast<size_t>(item)];
  const auto answer = ask(engine, set.request_for(first, max_tokens));
  if (!answer)
    return answer.status().code() == StatusCode::kCancelled ? answer.status()
                                                            : answer.status().with_context(first.where);
  GridFacts facts;
  facts.visual_tokens = answer->receipt.tokens.visual;
  facts.num_layers = answer->receipt.decoder.num_layers;
  for (const PictureReceipt& picture : answer->receipt.pictures) {
    facts.longest_side = std::max({facts.longest_side, picture.resized_width, picture.resized_height});
  }
  facts.strategies = engine.info().strategies;
  return facts;
}

Status run_sweep(Engine& engine, const SweepTask& task, SweepRecord& record, ResultFile* file) {
  return SweepRunner(engine, task, record, file).run();
}

}  // namespace saccade
