// saccade layers: in which decoder layers a model's visual tokens are needed least, measured once and kept beside it.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/eval_set.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "engine/layer_order.h"
#include "platform/whole_file.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

struct LayersOptions {
  EngineOptions engine;
  std::string data_path;
  std::string out_path;  // empty: where an answer looks for it
  int64_t limit = 16;
  bool is_json = false;
};

struct LayersOutcome {
  std::vector<LayerNeed> needs;
  int64_t num_items = 0;
  std::string path;
  bool is_found = true;             // `path` is where an answer looks for it
  bool has_learned_layers = false;  // the model needs no such file
};

Expected<std::vector<LayerNeed>> measure(Engine& engine, const LayersOptions& options, const EvalSet& set) {
  if (!engine.info().takes_pictures) {
    return invalid_argument(options.engine.model_path +
                            " is a language model alone: it has no visual tokens whose layers could be measured; give "
                            "its vision part with --mmproj FILE");
  }
  std::vector<Request> requests;
  for (const EvalItem& item : set.items) requests.push_back(set.request_for(item, 1));
  ProgressLine line;
  return engine.measure_layers(requests, [&](const Progress& now) {
    line.show("measuring", now.fraction);
    return !is_interrupted();
  });
}

Expected<LayersOutcome> run(const LayersOptions& options) {
  LayersOutcome outcome;
  const std::string beside = layer_order_path(options.engine.model_path);
  outcome.path = options.out_path.empty() ? beside : options.out_path;
  outcome.is_found =
      std::filesystem::path(outcome.path).lexically_normal() == std::filesystem::path(beside).lexically_normal();
  std::error_code ignored;
  for (const std::string& input : {options.engine.model_path, options.engine.mmproj_path, options.data_path}) {
    if (!std::filesystem::equivalent(outcome.path, input, ignored)) continue;
    return invalid_argument(outcome.path + ": is read here; give --out another name");
  }
  SACCADE_ASSIGN_OR_RETURN(const EvalSet set, read_eval_set(options.data_path, options.limit, Labels::kOptional));
  // A model that is not there is told as that, not as a folder that can't be written to.
  if (std::filesystem::exists(options.engine.model_path, ignored)) {
    SACCADE_RETURN_IF_ERROR(check_writable(outcome.path));
  }
  SACCADE_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, load_engine(options.engine));
  outcome.has_learned_layers = engine->info().has_learned_layers;
  SACCADE_ASSIGN_OR_RETURN(outcome.needs, measure(*engine, options, set));
  outcome.num_items = static_cast<int64_t>(set.items.size());
  const std::string model_name = std::filesystem::path(options.engine.model_path).filename().string();
  SACCADE_RETURN_IF_ERROR(write_layer_order(outcome.path, model_name, outcome.needs, outcome.num_items));
  return outcome;
}

void print_object(const LayersOptions& options, const LayersOutcome& outcome) {
  nlohmann::ordered_json json = {{"model", options.engine.model_path},
                                 {"set", options.data_path},
                                 {"num_items", outcome.num_items},
                                 {"num_layers", outcome.needs.size()},
                                 {"layers", nlohmann::ordered_json::array()},
                                 {"file", outcome.path},
                                 {"is_used", outcome.is_found && !outcome.has_learned_layers}};
  for (const LayerNeed& need : outcome.needs) {
    json["layers"].push_back({{"layer", need.layer}, {"divergence", need.divergence}});
  }
  print_json(json);
}

void print_table(const LayersOptions& options, const LayersOutcome& outcome) {
  std::printf("How far the answers' first word moves where visual tokens pass a layer by, over %lld questions:\n\n",
              static_cast<long long>(outcome.num_items));
  std::printf("layer  divergence (nats)\n");
  for (const LayerNeed& need : outcome.needs) {
    std::printf("%5lld  %.3g\n", static_cast<long long>(need.layer), need.divergence);
  }
  std::printf("\nwrote %s\n", one_line(outcome.path).c_str());
  if (outcome.has_learned_layers) {
    std::printf("ask --layers goes by what the model learned in training, not by this order\n");
  } else if (!outcome.is_found) {
    std::printf("ask --layers looks for %s\n", one_line(layer_order_path(options.engine.model_path)).c_str());
  }
}

int run_layers(const LayersOptions& options) {
  const auto outcome = run(options);
  if (!outcome) return report_error(outcome.status(), options.is_json);
  options.is_json ? print_object(options, *outcome) : print_table(options, *outcome);
  return kExitOk;
}

}  // namespace

void add_layers_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<LayersOptions>();
  CLI::App* command = app.add_subcommand("layers", "Measure which layers visual tokens need least, for ask --layers");
  add_model_options(*command, options->engine);
  command
      ->add_option("--data", options->data_path,
                   "JSON lines: image (relative to the file) and question; answers are not needed")
      ->required();
  command->add_option("--limit", options->limit, "Measure over the first so many")
      ->check(at_least<int64_t>(1))
      ->capture_default_str();
  command->add_option("--out", options->out_path, "Write this file (default: MODEL.layers.json)");
  command->add_flag("--json", options->is_json, "Print one JSON object instead of a table");
  command->footer(
      "Each question's prompt is computed once in full and once for each layer, with visual tokens passing by that\n"
      "layer (ShortV); the divergence of the next word is what the layer is worth to them. Afterwards\n"
      "  saccade ask MODEL --layers 0.6 ...\n"
      "takes visual tokens through the 60 % of the layers that need them most.\n"
      "Examples:\n"
      "  saccade layers models/saccade-mini.gguf --data samples/demo.jsonl\n"
      "  saccade layers llava-q4_0.gguf --mmproj mmproj-f16.gguf --data set.jsonl --limit 4 --json");
  command->callback([options, &exit_code] { exit_code = run_layers(*options); });
}

}  // namespace saccade
