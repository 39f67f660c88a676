// saccade analyze: what a model takes, and what a budget leaves of that, on machines that need not be here.
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/format.h"
#include "cli/analyze_report.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/terminal.h"
#include "engine/model_shape.h"
#include "request/plan_text.h"

namespace saccade {
namespace {

constexpr const char* kHardwareList = "list";

struct AnalyzeOptions {
  EngineOptions engine;  // its paths, threads and profile
  std::string hardware = "this";
  std::optional<DType> weights;
  DType kv = DType::kF16;
  std::optional<double> budget;
  std::string plan;
  WorkloadSpec request;
  std::optional<int64_t> num_pictures;
  bool lists_operators = false;
  bool is_json = false;
};

// "640x480".
std::optional<ImageSize> parse_size(std::string_view text) {
  const size_t cross = text.find('x');
  if (cross == std::string_view::npos) return std::nullopt;
  const auto side = [](std::string_view digits) {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && value <= 1 << 20 ? value : 0;
  };
  const ImageSize size = {side(text.substr(0, cross)), side(text.substr(cross + 1))};
  return size.width > 0 && size.height > 0 ? std::optional(size) : std::nullopt;
}

// The full plan and, where one is named, the plan or budget beside it.
Status add_plans(const AnalyzeOptions& options, const Model& model, const AnalysisMachine& machine,
                 AnalysisFacts& facts) {
  const auto add = [&](const std::string& name, const WorkloadSpec& spec) -> Status {
    SACCADE_ASSIGN_OR_RETURN(Analysis analysis, analyze(model, machine, options.kv, spec));
    facts.plans.push_back({name, std::move(analysis)});
    return {};
  };
  SACCADE_RETURN_IF_ERROR(add("full", facts.request));
  WorkloadSpec spec = facts.request;
  std::string name;
  if (!options.plan.empty()) {
    SACCADE_ASSIGN_OR_RETURN(spec.plan, parse_plan(options.plan));
    name = plan_text(spec.plan);
  }
  if (options.budget) {
    spec.budget = options.budget;
    name += (name.empty() ? "" : ",") + format("budget=%.4g", *options.budget);
  }
  return name.empty() || name == "full" ? Status() : add(name, spec);
}

Expected<AnalysisFacts> run_analysis(const AnalyzeOptions& options) {
  SACCADE_ASSIGN_OR_RETURN(const Model model,
                           open_for_analysis(options.engine.model_path, options.engine.mmproj_path, options.weights));
  SACCADE_ASSIGN_OR_RETURN(const AnalysisMachine machine,
                           machine_for_analysis(options.hardware, model, options.engine, options.kv));
  AnalysisFacts facts;
  facts.path = options.engine.model_path;
  facts.family = model.family();
  facts.num_parameters = num_parameters(model);
  facts.hardware = options.hardware;
  facts.source = machine.source;
  facts.request = options.request;
  facts.request.num_pictures = options.num_pictures.value_or(model.vision != nullptr ? 1 : 0);
  SACCADE_RETURN_IF_ERROR(add_plans(options, model, machine, facts));
  return facts;
}

int run_analyze(const AnalyzeOptions& options) {
  if (options.hardware == kHardwareList) {
    options.is_json ? print_json(hardware_json()) : (void)write_out(hardware_text());
    return kExitOk;
  }
  if (options.engine.model_path.empty()) throw CLI::RequiredError("MODEL (or --hardware list)");
  const auto facts = run_analysis(options);
  if (!facts) return report_error(facts.status(), options.is_json);
  if (options.is_json) {
    print_json(analysis_json(*facts, options.lists_operators));
  } else {
    write_out(analysis_text(*facts, options.lists_operators));
  }
  return kExitOk;
}

void add_request_options(CLI::App& command, AnalyzeOptions& options) {
  WorkloadSpec& request = options.request;
  command.add_option("--prompt-tokens", request.prompt_tokens, "Tokens of the prompt that are text")
      ->check(between<int64_t>(0, 1 << 24))
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--picture", [&request](const std::string& text) { request.picture = *parse_size(text); },
          "Size of each picture in pixels (default: 640x480)")
      ->check(CLI::Validator(
          [](const std::string& text) { return parse_size(text) ? "" : quote(text) + " is not WxH, as in 640x480"; },
          "WxH"));
  command.add_option("--pictures", options.num_pictures, "How many (default: 1 where the model sees)")
      ->check(between<int64_t>(0, 10000));
  command.add_option("--generated", request.generated_tokens, "Tokens of the answer")
      ->check(between<int64_t>(1, 1 << 24))
      ->capture_default_str();
  command.add_option("--batch", request.batch, "Requests that are computed together")
      ->check(between<int64_t>(1, 1 << 20))
      ->capture_default_str();
}

void add_machine_options(CLI::App& command, AnalyzeOptions& options) {
  command
      .add_option("--hardware", options.hardware,
                  "The machine: one of `--hardware list`, or this one as `saccade profile` measured it")
      ->capture_default_str();
  const std::map<std::string, DType> weights = {{"f32", DType::kF32},
                                                {"f16", DType::kF16},
                                                {"bf16", DType::kBF16},
                                                {"q8_0", DType::kQ8_0},
                                                {"q4_0", DType::kQ4_0}};
  command.add_option("--weights", options.weights, "Of a config.json: the type they would be converted to (f16)")
      ->transform(CLI::CheckedTransformer(weights, CLI::ignore_case))
      ->option_text("f32|f16|bf16|q8_0|q4_0");
  const std::map<std::string, DType> kv = {{"f32", DType::kF32}, {"f16", DType::kF16}, {"q8_0", DType::kQ8_0}};
  command.add_option("--kv", options.kv, "How keys and values are kept (f16)")
      ->transform(CLI::CheckedTransformer(kv, CLI::ignore_case))
      ->option_text("f32|f16|q8_0");
  command.add_option("-t,--threads", options.engine.threads, "Of this machine (default: the cores of this process)")
      ->check(between(1, 1024));
  options.engine.profile_path = default_profile_path();
  command.add_option("--profile", options.engine.profile_path, "What `saccade profile` measured")
      ->capture_default_str();
}

}  // namespace

void add_analyze_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<AnalyzeOptions>();
  CLI::App* command =
      app.add_subcommand("analyze", "Reckon FLOPs, bytes, time and memory of a model that need not be here");
  command->add_option("MODEL", options->engine.model_path,
                      "GGUF file, or the config.json of a Hugging Face checkpoint, or its folder");
  command->add_option("--mmproj", options->engine.mmproj_path, "GGUF file of the vision part, where it is a pair");
  command
      ->add_option("--budget", options->budget,
                   "Share of the decoder's layers that is paid for: AdaLLaVA's latency budget")
      ->check(between(0.0, 1.0));
  command->add_option("--plan", options->plan, "A plan in one line, as sweep takes it: keep=144,layers=0.6");
  add_request_options(*command, *options);
  add_machine_options(*command, *options);
  command->add_flag("--operators", options->lists_operators, "List every operator");
  command->add_flag("--json", options->is_json, "Print one JSON object");
  command->footer(
      "Nothing is computed and no weights are read: operations and bytes are counted operator by operator, each takes\n"
      "as long as computing or moving would at the machine's peak (a roofline), and these add up. Accelerators are\n"
      "taken from their data sheets: paper, nothing of them was measured here. Of this machine, rates, launch\n"
      "overheads and what answers taught are the measured ones, where there are any. Decoding a picture is not in "
      "it.\n\n"
      "Examples:\n"
      "  saccade analyze models/saccade-mini.gguf --plan layers=0.5,keep=144\n"
      "  saccade analyze llava-1.5-7b-hf/config.json --hardware v100 --budget 0.6\n"
      "  saccade analyze Qwen2-VL-7B-Instruct --weights q4_0 --hardware a40 --picture 1240x1754 --batch 8\n"
      "  saccade analyze config.json --hardware h100 --operators --json | jq '.plans[0].operators'\n"
      "  saccade analyze --hardware list");
  command->callback([options, &exit_code] { exit_code = run_analyze(*options); });
}

}  // namespace saccade
