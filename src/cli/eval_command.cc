// saccade eval: how often a model answers right, over a set of questions about pictures.
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/eval_score.h"
#include "cli/eval_set.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/plan_options.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct EvalOptions {
  EngineOptions engine;
  std::string data_path;
  Plan plan;
  int64_t limit = 0;
  int64_t max_tokens = 128;
  double min_share = 0;
  bool is_json = false;
  bool shows_failures = false;
};

struct Tally {
  int64_t num_asked = 0;
  int64_t num_right = 0;
  double share() const { return num_asked == 0 ? 0 : static_cast<double>(num_right) / static_cast<double>(num_asked); }
};

struct Outcome {
  std::map<std::string, Tally> by_kind;
  Tally all;
  std::vector<double> latencies_ms;
  int64_t num_questions = 0;
  Status end;  // why fewer were asked; ok if all were

  double median_ms() const {
    if (latencies_ms.empty()) return 0;
    std::vector<double> sorted = latencies_ms;
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  }
};

void show_failure(const EvalItem& item, const std::string& answer) {
  std::fprintf(stderr, "%s [%s] %s\n  expected %s, got %s\n", one_line(item.image).c_str(), one_line(item.kind).c_str(),
               one_line(item.question).c_str(), quote(*item.answer, 200).c_str(), quote(answer, 200).c_str());
}

// Asks one question and counts it.
Status ask(Engine& engine, const EvalSet& set, const EvalItem& item, const EvalOptions& options, Outcome& outcome) {
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  callbacks.on_text = [](std::string_view) { return !is_interrupted(); };
  Request request = set.request_for(item, options.max_tokens);
  request.plan = options.plan;
  const auto answer = engine.answer(request, callbacks);
  if (is_interrupted()) return cancelled("interrupted");
  if (!answer) return answer.status().with_context(item.where);
  const bool good = is_right(item, answer->text);
  for (Tally* tally : {&outcome.by_kind[item.kind], &outcome.all}) {
    ++tally->num_asked;
    tally->num_right += good ? 1 : 0;
  }
  outcome.latencies_ms.push_back(answer->receipt.latency_ms - answer->receipt.stages_ms.load);
  if (!good && options.shows_failures) show_failure(item, answer->text);
  return {};
}

Outcome ask_all(Engine& engine, const EvalSet& set, const EvalOptions& options) {
  Outcome outcome;
  outcome.num_questions = static_cast<int64_t>(set.items.size());
  ProgressLine progress;
  for (const EvalItem& item : set.items) {
    if (options.shows_failures) progress.clear();
    outcome.end = ask(engine, set, item, options, outcome);
    if (!outcome.end.is_ok()) break;
    progress.show("asking", static_cast<double>(outcome.all.num_asked) / static_cast<double>(set.items.size()));
  }
  return outcome;
}

void print_object(const Outcome& outcome, const ModelInfo& info, const EvalOptions& options) {
  nlohmann::ordered_json kinds = nlohmann::ordered_json::object();
  for (const auto& [kind, tally] : outcome.by_kind) {
    kinds[kind] = {{"asked", tally.num_asked}, {"right", tally.num_right}, {"share", tally.share()}};
  }
  nlohmann::ordered_json json = {{"model", options.engine.model_path},
                                 {"set", options.data_path},
                                 {"questions", outcome.num_questions},
                                 {"asked", outcome.all.num_asked},
                                 {"right", outcome.all.num_right},
                                 {"share", outcome.all.share()},
                                 {"median_ms", outcome.median_ms()},
                                 {"isa", info.isa},
                                 {"threads", info.threads},
                                 {"kinds", kinds}};
  if (!outcome.end.is_ok()) json["error"] = error_json(outcome.end);
  print_json(json);
}

void print_table(const Outcome& outcome, const ModelInfo& info, const EvalOptions& options) {
  std::printf("model %s\nset   %s, %lld questions\n", one_line(options.engine.model_path).c_str(),
              one_line(options.data_path).c_str(), static_cast<long long>(outcome.num_questions));
  if (!outcome.end.is_ok()) {
    std::printf("partial: only %lld of %lld were asked\n", static_cast<long long>(outcome.all.num_asked),
                static_cast<long long>(outcome.num_questions));
  }
  size_t width = 4;
  for (const auto& [kind, tally] : outcome.by_kind) width = std::max(width, one_line(kind).size());
  const auto row = [&](const std::string& name, const Tally& tally) {
    std::printf("%-*s %6lld %6lld  %5.1f %%\n", static_cast<int>(width), name.c_str(),
                static_cast<long long>(tally.num_asked), static_cast<long long>(tally.num_right), 100 * tally.share());
  };
  std::printf("%-*s %6s %6s  %7s\n", static_cast<int>(width), "kind", "asked", "right", "share");
  for (const auto& [kind, tally] : outcome.by_kind) row(one_line(kind), tally);
  row("all", outcome.all);
  std::printf("median %.0f ms an answer, %s, %d threads\n", outcome.median_ms(), info.isa.c_str(), info.threads);
}

int judge(const Tally& all, double min_share) {
  if (all.share() >= min_share) return kExitOk;
  print_error(format("%lld of %lld answers are right, a share of %.3f; --min-share asks for %g",
                     static_cast<long long>(all.num_right), static_cast<long long>(all.num_asked), all.share(),
                     min_share));
  return kExitFailed;
}

int run_eval(const EvalOptions& options) {
  const auto set = read_eval_set(options.data_path, options.limit);
  if (!set) return report_error(set.status(), options.is_json);
  auto engine = load_engine(options.engine);
  if (!engine) return report_error(engine.status(), options.is_json);
  const Outcome outcome = ask_all(**engine, *set, options);
  if (outcome.all.num_asked == 0) return report_error(outcome.end, options.is_json);
  const ModelInfo& info = (*engine)->info();
  options.is_json ? print_object(outcome, info, options) : print_table(outcome, info, options);
  return outcome.end.is_ok() ? judge(outcome.all, options.min_share) : report_error(outcome.end);
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Count right answers over a set of questions");
  add_model_options(*command, options->engine);
  command
      ->add_option("--data", options->data_path,
                   "JSON lines: image (relative to the file), question, answer; optional accept, tolerance, kind")
      ->required();
  command->add_option("--limit", options->limit, "Ask only the first so many")->check(at_least<int64_t>(1));
  add_max_tokens(*command, options->max_tokens);
  add_plan_options(*command, options->plan);
  command->add_option("--min-share", options->min_share, "Exit with 1 if a smaller share (0 to 1) is right")
      ->check(between(0.0, 1.0));
  command->add_flag("--failures", options->shows_failures, "List the wrong answers on stderr");
  command->add_flag("--json", options->is_json, "Print one JSON object instead of a table");
  command->footer(
      "Examples:\n"
      "  saccade eval models/saccade-mini.gguf --data samples/heldout/set.jsonl\n"
      "  saccade eval models/saccade-mini.gguf --data samples/browser/set.jsonl --failures --min-share 0.6");
  command->callback([options, &exit_code] { exit_code = run_eval(*options); });
}

}  // namespace saccade
