// saccade eval: how often a model answers right, over a set of questions about pictures.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/eval_score.h"
#include "cli/exit_code.h"
#include "cli/model_options.h"
#include "cli/terminal.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct EvalOptions {
  EngineOptions engine;
  std::string data_path;
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

  double median_ms() const {
    if (latencies_ms.empty()) return 0;
    std::vector<double> sorted = latencies_ms;
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  }
};

Expected<std::vector<EvalItem>> read_set(const std::string& path, int64_t limit) {
  std::ifstream in(path);
  if (!in) return not_found(path + ": cannot open the evaluation set");
  std::vector<EvalItem> items;
  std::string line;
  for (int64_t line_idx = 1; std::getline(in, line); ++line_idx) {
    if (normalize_answer(line).empty()) continue;
    SACCADE_ASSIGN_OR_RETURN(EvalItem item,
                             parse_eval_item(line, format("%s:%lld", path.c_str(), static_cast<long long>(line_idx))));
    items.push_back(std::move(item));
    if (limit > 0 && static_cast<int64_t>(items.size()) == limit) break;
  }
  if (items.empty()) return corrupt_data(path + ": holds no questions");
  return items;
}

Request request_for(const EvalItem& item, const EvalOptions& options) {
  ContentPart picture;
  picture.kind = ContentPart::Kind::kImage;
  picture.path = (std::filesystem::path(options.data_path).parent_path() / item.image).string();
  ContentPart question;
  question.text = item.question;
  Request request;
  request.max_tokens = options.max_tokens;
  request.messages.push_back({"user", {std::move(picture), std::move(question)}});
  return request;
}

Expected<Outcome> ask_all(Engine& engine, const std::vector<EvalItem>& items, const EvalOptions& options) {
  Outcome outcome;
  ProgressLine progress;
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return !is_interrupted(); };
  callbacks.on_text = [](std::string_view) { return !is_interrupted(); };
  for (const EvalItem& item : items) {
    SACCADE_ASSIGN_OR_RETURN(const Answer answer, engine.answer(request_for(item, options), callbacks));
    if (is_interrupted()) return cancelled("interrupted");
    const bool good = is_right(item, answer.text);
    for (Tally* tally : {&outcome.by_kind[item.kind], &outcome.all}) {
      ++tally->num_asked;
      tally->num_right += good ? 1 : 0;
    }
    outcome.latencies_ms.push_back(answer.receipt.latency_ms - answer.receipt.stages_ms.load);
    if (!good && options.shows_failures) {
      progress.clear();
      std::fprintf(stderr, "%s [%s] %s\n  expected %s, got %s\n", item.image.c_str(), item.kind.c_str(),
                   item.question.c_str(), quote(item.answer, 200).c_str(), quote(answer.text, 200).c_str());
    }
    progress.show("asking", static_cast<double>(outcome.all.num_asked) / static_cast<double>(items.size()));
  }
  return outcome;
}

void print_json(const Outcome& outcome, const ModelInfo& info) {
  nlohmann::ordered_json kinds = nlohmann::ordered_json::object();
  for (const auto& [kind, tally] : outcome.by_kind) {
    kinds[kind] = {{"asked", tally.num_asked}, {"right", tally.num_right}, {"share", tally.share()}};
  }
  const nlohmann::ordered_json json = {{"asked", outcome.all.num_asked},
                                       {"right", outcome.all.num_right},
                                       {"share", outcome.all.share()},
                                       {"median_ms", outcome.median_ms()},
                                       {"isa", info.isa},
                                       {"threads", info.threads},
                                       {"kinds", kinds}};
  std::printf("%s\n", json.dump().c_str());
}

void print_table(const Outcome& outcome, const ModelInfo& info) {
  size_t width = 4;
  for (const auto& [kind, tally] : outcome.by_kind) width = std::max(width, kind.size());
  const auto row = [&](const std::string& name, const Tally& tally) {
    std::printf("%-*s %6lld %6lld  %5.1f %%\n", static_cast<int>(width), name.c_str(),
                static_cast<long long>(tally.num_asked), static_cast<long long>(tally.num_right), 100 * tally.share());
  };
  std::printf("%-*s %6s %6s  %7s\n", static_cast<int>(width), "kind", "asked", "right", "share");
  for (const auto& [kind, tally] : outcome.by_kind) row(kind, tally);
  row("all", outcome.all);
  std::printf("median %.0f ms an answer, %s, %d threads\n", outcome.median_ms(), info.isa.c_str(), info.threads);
}

int run_eval(const EvalOptions& options) {
  const auto items = read_set(options.data_path, options.limit);
  if (!items) return report_error(items.status());
  auto engine = Engine::load(options.engine);
  if (!engine) return report_error(engine.status());
  const auto outcome = ask_all(**engine, *items, options);
  if (!outcome) return report_error(outcome.status());
  options.is_json ? print_json(*outcome, (*engine)->info()) : print_table(*outcome, (*engine)->info());
  return outcome->all.share() < options.min_share ? kExitFailed : kExitOk;
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
  command->add_option("--limit", options->limit, "Ask only the first so many")->check(CLI::PositiveNumber);
  command->add_option("-n,--max-tokens", options->max_tokens, "Longest answer, in tokens")->capture_default_str();
  command->add_option("--min-share", options->min_share, "Exit with 1 if a smaller share (0 to 1) is right")
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--failures", options->shows_failures, "List the wrong answers on stderr");
  command->add_flag("--json", options->is_json, "Print one JSON object instead of a table");
  command->footer(
      "Examples:\n"
      "  saccade eval models/saccade-mini.gguf --data samples/heldout/set.jsonl\n"
      "  saccade eval models/saccade-mini.gguf --data samples/browser/set.jsonl --failures --min-share 0.6");
  command->callback([options, &exit_code] { exit_code = run_eval(*options); });
}

}  // namespace saccade
