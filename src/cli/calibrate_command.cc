// saccade calibrate: what plans cost a model in quality, measured and certified once and kept beside it.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "base/format.h"
#include "cli/calibrate/calibration.h"
#include "cli/calibrate/report.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "engine/plan_facts.h"
#include "engine/planning.h"
#include "planner/quality_file.h"
#include "platform/whole_file.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct CalibrateOptions {
  EngineOptions engine;
  std::vector<std::string> data_paths;
  std::string out_path;  // empty: where an answer looks for it
  std::string work;      // folder; empty: nothing is kept of a calibration that is interrupted
  int64_t limit = 0;
  int64_t max_tokens = 128;
  int64_t num_workers = 1;
  double delta = 0.05;
  double design_share = 0.4;
  uint64_t seed = 0;
  bool restarts = false;
  bool is_json = false;
};

// What is planned by, of the files alone.
struct ModelSide {
  LeverOptions levers;
  std::string strategy;
  MeasuredModel measured;
};

Expected<ModelSide> look_at_model(const EngineOptions& options) {
  SACCADE_ASSIGN_OR_RETURN(const Model model, Model::load(options.model_path, options.mmproj_path));
  if (model.vision == nullptr) {
    return invalid_argument(options.model_path +
                            " is a language model alone: there is no picture to look at less; give its vision part "
                            "with --mmproj FILE");
  }
  SACCADE_ASSIGN_OR_RETURN(Planning planning, make_uncalibrated_planning(model, DType::kF16));
  options_of(planning.options, Lever::kScale).assign(std::begin(kScales), std::end(kScales));
  // Questions have no earlier pictures: text, or nothing, in place of theirs.
  options_of(planning.options, Lever::kPictures) = {0, 3, 4};
  return ModelSide{std::move(planning.options), std::move(planning.strategy), measured_model(model)};
}

// What two runs must have in common for one to go on where the other stopped.
nlohmann::ordered_json header_of(const CalibrateOptions& options, const QuestionList& list, const ModelSide& side,
                                 const ModelInfo& info) {
  nlohmann::ordered_json digests = nlohmann::ordered_json::array();
  for (const EvalSet& set : list.sets) {
    digests.push_back(format("%016llx", static_cast<unsigned long long>(set.digest)));
  }
  return {{"sweep", 1},
          {"calibration", 1},
          {"model", side.measured.file},
          {"model_bytes", side.measured.bytes},
          {"mmproj", side.measured.mmproj_file},
          {"mmproj_bytes", side.measured.mmproj_bytes},
          {"strategy", side.strategy},
          {"set_digests", std::move(digests)},
          {"max_tokens", options.max_tokens},
          {"seed", options.seed},
          {"isa", info.isa},
          {"context", info.context_length},
          {"kv_type", static_cast<int>(options.engine.kv_type)},
          {"exact_pixels", options.engine.has_exact_pixels},
          {"upscale", options.engine.enlarges_pictures}};
}

Expected<std::unique_ptr<ResultFile>> open_results(const CalibrateOptions& options, const QuestionList& list,
                                                   const ModelSide& side, const ModelInfo& info, SweepRecord& record) {
  if (options.work.empty()) return std::unique_ptr<ResultFile>();
  std::error_code error;
  std::filesystem::create_directories(options.work, error);
  if (error) return io_error(options.work + ": cannot make the folder: " + error.message());
  const std::string path = (std::filesystem::path(options.work) / "results.jsonl").string();
  SACCADE_ASSIGN_OR_RETURN(ResultFile file,
                           ResultFile::open(path, header_of(options, list, side, info), options.restarts, record));
  return std::make_unique<ResultFile>(std::move(file));
}

std::string source_of(const CalibrateOptions& options, const QuestionList& list, const QuestionSplit& split) {
  std::string sets;
  for (const EvalSet& set : list.sets) {
    sets += (sets.empty() ? "" : ", ") + std::filesystem::path(set.path).filename().string();
  }
  return format("%s: %zu questions on %lld pictures, %zu to design by, %zu to certify by, seed %llu", sets.c_str(),
                list.questions.size(), static_cast<long long>(list.num_pictures()), split.design.size(),
                split.certification.size(), static_cast<unsigned long long>(options.seed));
}

Status check_paths(const CalibrateOptions& options, const std::string& out_path) {
  std::error_code ignored;
  std::vector<std::string> inputs = options.data_paths;
  inputs.insert(inputs.end(), {options.engine.model_path, options.engine.mmproj_path});
  for (const std::string& input : inputs) {
    if (!std::filesystem::equivalent(out_path, input, ignored)) continue;
    return invalid_argument(out_path + ": is read here; give --out another name");
  }
  // A model that is not there is told as that, not as a folder that can't be written to.
  if (!std::filesystem::exists(options.engine.model_path, ignored)) return {};
  return check_writable(out_path);
}

Expected<Calibration> run(const CalibrateOptions& options, const std::string& out_path) {
  SACCADE_RETURN_IF_ERROR(check_paths(options, out_path));
  SACCADE_ASSIGN_OR_RETURN(const QuestionList list,
                           read_questions(options.data_paths, options.limit, options.seed, TaskRules()));
  const QuestionSplit split = split_by_picture(list, options.design_share, options.seed);
  if (split.certification.empty()) {
    return invalid_argument("all questions are on one picture, and the two parts must not share one");
  }
  SACCADE_ASSIGN_OR_RETURN(const ModelSide side, look_at_model(options.engine));
  std::vector<std::unique_ptr<Engine>> loaded;
  std::vector<Engine*> engines;
  for (int64_t i = 0; i < options.num_workers; ++i) {
    SACCADE_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, load_engine(options.engine));
    loaded.push_back(std::move(engine));
    engines.push_back(loaded.back().get());
  }
  SweepRecord record;
  SACCADE_ASSIGN_OR_RETURN(const std::unique_ptr<ResultFile> file,
                           open_results(options, list, side, engines.front()->info(), record));
  AnswerBook book(std::move(engines), list, {side.strategy, options.max_tokens, options.seed}, record, file.get());
  SACCADE_ASSIGN_OR_RETURN(Calibration calibration,
                           calibrate(book, list, split, {side.levers, options.delta, options.seed}));
  calibration.table.source = source_of(options, list, split);
  if (!options.work.empty()) {
    const std::string losses = losses_text(calibration);
    SACCADE_RETURN_IF_ERROR(write_whole_file((std::filesystem::path(options.work) / "losses.jsonl").string(),
                                             std::as_bytes(std::span(losses))));
  }
  SACCADE_RETURN_IF_ERROR(write_quality_file(out_path, side.measured, calibration.table));
  return calibration;
}

int run_calibrate(const CalibrateOptions& options) {
  const std::string beside = quality_file_path(options.engine.model_path);
  const std::string out_path = options.out_path.empty() ? beside : options.out_path;
  const auto calibration = run(options, out_path);
  if (!calibration) {
    const Status& status = calibration.status();
    const bool can_go_on = status.code() == StatusCode::kCancelled && !options.work.empty();
    return report_error(can_go_on ? cancelled("interrupted; the same command goes on from here") : status,
                        options.is_json);
  }
  if (options.is_json) {
    nlohmann::ordered_json json = calibration_json(*calibration);
    json["file"] = out_path;
    print_json(json);
    return kExitOk;
  }
  write_out(calibration_text(*calibration));
  std::printf("wrote %s\n", one_line(out_path).c_str());
  const bool is_found =
      std::filesystem::path(out_path).lexically_normal() == std::filesystem::path(beside).lexically_normal();
  if (!is_found) std::printf("answers within a budget look for %s\n", one_line(beside).c_str());
  return kExitOk;
}

void add_calibrate_options(CLI::App& command, CalibrateOptions& options) {
  command
      .add_option(
          "--data", options.data_paths,
          "JSON lines: image (relative to the file), question; optional answer, accept, tolerance; may be given "
          "several times")
      ->required()
      ->allow_extra_args(false);
  command.add_option("--limit", options.limit, "Use only so many questions, drawn by --seed")
      ->check(at_least<int64_t>(2));
  command.add_option("--delta", options.delta, "Probability that a certified plan loses more than it is certified to")
      ->check(between(1e-6, 0.5))
      ->capture_default_str();
  command
      .add_option("--design-share", options.design_share,
                  "Share of the questions by which plans are chosen; the others certify them")
      ->check(between(0.05, 0.95))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of --limit, of the split, and of strategies that draw tokens")
      ->check(at_least<uint64_t>(0))
      ->capture_default_str();
  command
      .add_option(
          "--workers", options.num_workers,
          "Answer so many questions at the same time, each with a model of its own: with -t 1 the fastest way for "
          "a small model")
      ->check(between<int64_t>(1, 64))
      ->capture_default_str();
  command.add_option("--out", options.out_path, "Write this file (default: MODEL.quality.json)");
  command.add_option("--work", options.work,
                     "Folder for results.jsonl, from which the same command, or one of another --limit or "
                     "--design-share, goes on, and "
                     "losses.jsonl (default: none)");
  command.add_flag("--restart", options.restarts, "Throw away what an earlier calibration left in --work");
  add_max_tokens(command, options.max_tokens);
  command.add_flag("--json", options.is_json, "Print one JSON object instead of tables");
}

}  // namespace

void add_calibrate_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App* command =
      app.add_subcommand("calibrate", "Measure and certify what plans cost in quality, for ask --min-quality");
  add_model_options(*command, options->engine);
  add_calibrate_options(*command, *options);
  command->footer(
      "The questions are split by picture. On one part every lever is moved alone, then plans of several; from these "
      "a\n"
      "ladder is chosen for each class of questions, from the safest plan to the cheapest. The other part says what "
      "each\n"
      "rung loses, and how much is certified (Learn then Test). Questions should be like those that will be asked; "
      "one\n"
      "question of each picture counts for a certificate, so many pictures are worth more than many questions on one.\n"
      "300 questions certify a loss of 1 % where none is lost.\n\n"
      "Example:\n"
      "  saccade calibrate models/saccade-mini.gguf --data build/calibration/set.jsonl \\\n"
      "    -t 1 --workers 2 --work build/calibrate\n"
      "  saccade ask models/saccade-mini.gguf --image F --min-quality 0.97 \"What is the total?\"");
  command->callback([options, &exit_code] { exit_code = run_calibrate(*options); });
}

}  // namespace saccade
