// saccade sweep: what leaving things out costs in quality and saves in time, plan by plan, over a set of questions.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/sweep/grid.h"
#include "cli/sweep/report.h"
#include "cli/sweep/results.h"
#include "cli/sweep/runner.h"
#include "cli/sweep/summary.h"
#include "cli/terminal.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct SweepOptions {
  EngineOptions engine;
  std::string data_path;
  std::vector<std::string> plans;
  std::vector<std::string> grids;
  std::string out;
  int64_t limit = 0;
  int64_t max_tokens = 128;
  int64_t num_repeats = 1;
  int64_t num_reuse = 4;
  uint64_t seed = 0;
  bool restarts = false;
  bool is_json = false;
};

bool is_built_in(const std::string& grid) {
  const std::vector<std::string> known = known_grids();
  return std::ranges::find(known, grid) != known.end();
}

// What can be found wrong with the plans before a model is loaded.
Expected<std::vector<NamedPlan>> named_plans(const SweepOptions& options) {
  std::vector<NamedPlan> plans;
  for (const std::string& text : options.plans) {
    SACCADE_ASSIGN_OR_RETURN(NamedPlan plan, parse_named_plan(text));
    plans.push_back(std::move(plan));
  }
  for (const std::string& grid : options.grids) {
    if (is_built_in(grid)) continue;
    auto more = read_plans(grid);
    if (!more && more.status().code() == StatusCode::kNotFound) {
      return not_found(more.status().message() + "; --grid takes a file of plans, or default, tokens, layers, encoder");
    }
    if (!more) return more.status();
    std::ranges::move(*more, std::back_inserter(plans));
  }
  return plans;
}

// Adds the built-in grids, which need to know the model's numbers.
Status complete_plans(const SweepOptions& options, const GridFacts& facts, std::vector<NamedPlan> plans,
                      SweepTask& task) {
  std::vector<std::string> grids = options.grids;
  if (plans.empty() && grids.empty()) grids = {"default"};
  for (const std::string& grid : grids) {
    for (NamedPlan& plan : make_grid(grid, facts)) {
      task.offered.insert(plan.name);
      plans.push_back(std::move(plan));
    }
  }
  SACCADE_ASSIGN_OR_RETURN(task.plans, with_full_plan(std::move(plans), facts.strategies));
  return {};
}

// What two runs must have in common for one to go on where the other stopped.
Expected<nlohmann::ordered_json> header_of(const SweepOptions& options, const SweepTask& task, const ModelInfo& info) {
  std::error_code error;
  const auto size = std::filesystem::file_size(options.engine.model_path, error);
  if (error) return io_error(options.engine.model_path + ": " + error.message());
  nlohmann::ordered_json plans = nlohmann::ordered_json::array();
  for (const NamedPlan& plan : task.plans) plans.push_back({{"name", plan.name}, {"text", plan_text(plan.plan)}});
  return nlohmann::ordered_json{{"sweep", 1},
                                {"model", std::filesystem::path(options.engine.model_path).filename().string()},
                                {"model_bytes", size},
                                {"mmproj", std::filesystem::path(options.engine.mmproj_path).filename().string()},
                                {"set_digest", format("%016llx", static_cast<unsigned long long>(task.set.digest))},
                                {"limit", options.limit},
                                {"max_tokens", options.max_tokens},
                                {"repeats", options.num_repeats},
                                {"reuse", options.num_reuse},
                                {"seed", options.seed},
                                {"isa", info.isa},
                                {"threads", info.threads},
                                {"context", info.context_length},
                                {"kv_type", static_cast<int>(options.engine.kv_type)},
                                {"speculation", options.engine.speculates},
                                {"exact_pixels", options.engine.has_exact_pixels},
                                {"upscale", options.engine.enlarges_pictures},
                                {"plans", std::move(plans)}};
}

Expected<std::unique_ptr<ResultFile>> open_results(const SweepOptions& options, const SweepTask& task,
                                                   const ModelInfo& info, SweepRecord& record) {
  if (options.out.empty()) return std::unique_ptr<ResultFile>();
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) return io_error(options.out + ": cannot make the folder: " + error.message());
  SACCADE_ASSIGN_OR_RETURN(const nlohmann::ordered_json header, header_of(options, task, info));
  const std::string path = (std::filesystem::path(options.out) / "results.jsonl").string();
  SACCADE_ASSIGN_OR_RETURN(ResultFile file, ResultFile::open(path, header, options.restarts, record));
  return std::make_unique<ResultFile>(std::move(file));
}

// Shows and writes what there is, whole or not. Returns the exit code.
int finish(const SweepOptions& options, const SweepFacts& facts, const SweepSummary& summary) {
  if (summary.rows.empty()) {
    return report_error(facts.end.with_context("no question was asked by every plan yet"), options.is_json);
  }
  if (options.is_json) {
    print_json(sweep_json(facts, summary));
  } else {
    write_out(sweep_text(facts, summary));
  }
  if (!options.out.empty()) {
    const Status status = write_sweep_files(options.out, facts, summary);
    if (!status.is_ok()) return report_error(status);
  }
  if (facts.end.is_ok()) return kExitOk;
  const bool can_go_on = facts.end.code() == StatusCode::kCancelled && !options.out.empty();
  return report_error(can_go_on ? cancelled("interrupted; the same command goes on from here") : facts.end);
}

int run_sweep_command(const SweepOptions& options) {
  const auto fail = [&](const Status& status) { return report_error(status, options.is_json); };
  auto plans = named_plans(options);
  if (!plans) return fail(plans.status());
  const auto set = read_eval_set(options.data_path, 0, Labels::kOptional);
  if (!set) return fail(set.status());
  auto engine = load_engine(options.engine);
  if (!engine) return fail(engine.status());
  SweepTask task = {.set = *set,
                    .items = choose_items(static_cast<int64_t>(set->items.size()), options.limit, options.seed),
                    .plans = {},
                    .offered = {},
                    .max_tokens = options.max_tokens,
                    .num_repeats = options.num_repeats,
                    .num_reuse = options.num_reuse,
                    .seed = options.seed};
  const auto grid_facts = find_grid_facts(**engine, *set, task.items.front(), options.max_tokens);
  if (!grid_facts) return fail(grid_facts.status());
  const Status completed = complete_plans(options, *grid_facts, *std::move(plans), task);
  if (!completed.is_ok()) return fail(completed);

  const ModelInfo& info = (*engine)->info();
  SweepRecord record;
  const auto file = open_results(options, task, info, record);
  if (!file) return fail(file.status());
  SweepFacts facts = {.model = options.engine.model_path,
                      .set = options.data_path,
                      .num_questions = static_cast<int64_t>(task.items.size()),
                      .num_repeats = options.num_repeats,
                      .info = info,
                      .end = {}};
  facts.end = run_sweep(**engine, task, record, file->get());
  return finish(options, facts, summarize(record, task.plans, *set));
}

void add_sweep_options(CLI::App& command, SweepOptions& options) {
  command
      .add_option("--data", options.data_path,
                  "JSON lines: image (relative to the file), question; optional answer, accept, tolerance, kind")
      ->required();
  command
      .add_option("--plan", options.plans,
                  "A plan to compare, as in keep=144,strategy=divprune or name:layers=0.6; may be given several times")
      ->allow_extra_args(false);
  command
      .add_option("--grid", options.grids,
                  "Plans to compare: default, tokens, layers, encoder, or a text file with a plan on each line")
      ->allow_extra_args(false)
      ->option_text("default|tokens|layers|encoder|FILE");
  command.add_option(
      "--out", options.out,
      "Folder for results.jsonl, sweep.json, table.md, sweep.html and charts as PNG (default: no files)");
  command.add_flag("--restart", options.restarts, "Throw away what an earlier sweep left in --out");
  command.add_option("--limit", options.limit, "Ask only so many questions, drawn by --seed")
      ->check(at_least<int64_t>(1));
  command.add_option("--repeats", options.num_repeats, "Ask each question so many times")
      ->check(between<int64_t>(1, 1000))
      ->capture_default_str();
  command
      .add_option("--reuse", options.num_reuse,
                  "Ask so many questions again, behind one about the same picture and one about another; 0: none")
      ->check(at_least<int64_t>(0))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of --limit, and of strategies that draw tokens")
      ->check(at_least<uint64_t>(0))
      ->capture_default_str();
  add_max_tokens(command, options.max_tokens);
  command.add_flag("--json", options.is_json, "Print one JSON object instead of tables");
}

}  // namespace

void add_sweep_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* command = app.add_subcommand("sweep", "Compare plans: quality against FLOPs and milliseconds");
  add_model_options(*command, options->engine);
  add_sweep_options(*command, *options);
  command->footer(
      "A plan's parts are the options of `saccade ask` that look and think less, without their dashes. Without --plan\n"
      "and --grid it is the grid `default`. The full plan is always the first row. Every question is asked by every\n"
      "plan, cold, in turns. An item without an answer counts as right where the full plan's answer is given.\n"
      "With --out, the same command goes on where it was stopped.\n\n"
      "Examples:\n"
      "  saccade sweep models/saccade-mini.gguf --data samples/heldout/set.jsonl --limit 100 --out build/sweep\n"
      "  saccade sweep models/saccade-mini.gguf --data samples/heldout/set.jsonl --limit 20 \\\n"
      "    --plan keep=144,strategy=tops --plan \"half: resolution=144,skip-equal=0\" --json");
  command->callback([options, &exit_code] { exit_code = run_sweep_command(*options); });
}

}  // namespace saccade
