// saccade inspect: what is in a model file, and what it needs; or what is in a picture.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/inspect_image.h"
#include "cli/json_output.h"
#include "cli/option_checks.h"
#include "cli/plan_options.h"
#include "cli/printable_text.h"
#include "engine/model.h"
#include "engine/planning.h"
#include "planner/quality_file.h"
#include "weights/inspect.h"

namespace saccade {
namespace {

constexpr int64_t kPrefillTokens = 512;  // rows the decoder takes at once

struct InspectOptions {
  std::string model_path;
  std::string mmproj_path;
  int64_t context_length = 0;
  bool is_json = false;
  InspectImageOptions image;  // the paths of the model and is_json are those above
};

// What can only be said by loading the model as an answer would.
struct RunFacts {
  std::string problem;                                              // why it cannot be run; empty if it can
  std::string family;                                               // "llama+llava"
  std::string chat_template;                                        // "file", or the stand-in with the reason
  std::vector<std::pair<std::string, int64_t>> tokens_per_picture;  // {"640x480", 576}
  bool is_calibrated = false;
  std::string quality;  // what budgets go by
};

int64_t count_visual(const std::vector<LayoutPiece>& pieces) {
  int64_t count = 0;
  for (const LayoutPiece& piece : pieces) {
    if (const auto* grid = std::get_if<TokenGrid>(&piece)) count += grid->num_tokens;
  }
  return count;
}

RunFacts try_to_load(const InspectOptions& options) {
  RunFacts facts;
  const auto model = Model::load(options.model_path, options.mmproj_path);
  if (!model) {
    facts.problem = model.status().message();
    return facts;
  }
  facts.family = model->family();
  facts.chat_template = model->chat_template->source();
  const std::string& reason = model->chat_template->fallback_reason();
  if (!reason.empty()) facts.chat_template += " (" + reason + ")";
  if (model->vision == nullptr) return facts;
  const auto table = read_quality_file(quality_file_path(options.model_path), measured_model(*model));
  facts.is_calibrated = table && table->has_value();
  facts.quality = !table               ? "cannot be read: " + table.status().message()
                  : table->has_value() ? (*table)->source
                                       : published_priors().source;
  for (const ImageSize size : {ImageSize{336, 336}, {640, 480}, {1280, 720}, {1240, 1754}}) {
    const auto pieces = model->vision->layout(size);
    if (pieces) facts.tokens_per_picture.emplace_back(format("%dx%d", size.width, size.height), count_visual(*pieces));
  }
  return facts;
}

void print_facts(const ModelFiles& files, const ModelFacts& facts, const RunFacts& run, int64_t context_length) {
  nlohmann::ordered_json types = nlohmann::ordered_json::object();
  for (const TypeShare& type : facts.types) {
    types[std::string(traits_of(type.dtype).name)] = {{"tensors", type.num_tensors}, {"bytes", type.num_bytes}};
  }
  nlohmann::ordered_json pictures = nlohmann::ordered_json::object();
  for (const auto& [size, tokens] : run.tokens_per_picture) pictures[size] = tokens;
  print_json({
      {"path", files.language_file().path()},
      {"name", facts.name},
      {"gguf_version", files.language_file().version()},
      {"file_bytes", facts.file_bytes},
      {"architecture", facts.architecture},
      {"projector_type", facts.projector_type},
      {"family", run.family},
      {"has_scheduler", facts.has_scheduler},
      {"language_parameters", facts.num_language_parameters},
      {"vision_parameters", facts.num_vision_parameters},
      {"quantization", facts.quantization},
      {"types", types},
      {"num_layers", facts.num_layers},
      {"model_dim", facts.model_dim},
      {"ffn_dim", facts.ffn_dim},
      {"num_heads", facts.num_heads},
      {"num_kv_heads", facts.num_kv_heads},
      {"head_dim", facts.head_dim},
      {"vocab_size", facts.vocab_size},
      {"context_length", facts.context_length},
      {"chat_template", run.chat_template},
      {"memory",
       {{"context_length", context_length},
        {"kv_cache_bytes", kv_cache_bytes(facts, context_length, sizeof(float))},
        {"total_bytes", estimated_memory_bytes(facts, context_length, kPrefillTokens, sizeof(float))}}},
      {"tokens_per_picture", pictures},
      {"calibrated", run.is_calibrated},
      {"quality", run.quality},
      {"problem", run.problem},
  });
}

void print_row(const char* name, const std::string& value) {
  std::printf("  %-17s %s\n", name, one_line(value).c_str());
}

void print_table(const ModelFiles& files, const ModelFacts& facts, const RunFacts& run, int64_t context_length) {
  std::string types;
  for (const TypeShare& type : facts.types) {
    types += format("%s%lld x %s", types.empty() ? "" : ", ", static_cast<long long>(type.num_tensors),
                    std::string(traits_of(type.dtype).name).c_str());
  }
  std::printf("%s\n", one_line(files.language_file().path()).c_str());
  if (!facts.name.empty()) print_row("name", facts.name);
  print_row("file", format("GGUF %u, %s%s", files.language_file().version(), format_bytes(facts.file_bytes).c_str(),
                           facts.is_single_file ? "" : " with its vision part"));
  print_row("language model", facts.architecture + ", " + format_count(facts.num_language_parameters) + " parameters");
  print_row("vision part", facts.has_vision
                               ? facts.projector_type + ", " + format_count(facts.num_vision_parameters) + " parameters"
                               : "none");
  if (facts.has_scheduler) print_row("scheduler", "AdaLLaVA");
  print_row("quantisation", facts.quantization + " (" + types + ")");
  print_row("shape", format("%lld layers of %lld, %lld heads (%lld for keys and values)",
                            static_cast<long long>(facts.num_layers), static_cast<long long>(facts.model_dim),
                            static_cast<long long>(facts.num_heads), static_cast<long long>(facts.num_kv_heads)));
  print_row("vocabulary", format("%lld tokens", static_cast<long long>(facts.vocab_size)));
  print_row("context", format("%lld tokens", static_cast<long long>(facts.context_length)));
  print_row("memory",
            format("%s at %lld tokens, %s of it keys and values",
                   format_bytes(estimated_memory_bytes(facts, context_length, kPrefillTokens, sizeof(float))).c_str(),
                   static_cast<long long>(context_length),
                   format_bytes(kv_cache_bytes(facts, context_length, sizeof(float))).c_str()));
  if (!run.problem.empty()) {
    print_row("cannot be run", run.problem);
    return;
  }
  print_row("chat template", run.chat_template);
  if (!run.quality.empty()) {
    print_row("calibrated", run.is_calibrated ? "yes" : "no");
    print_row("quality by", run.quality);
  }
  for (const auto& [size, tokens] : run.tokens_per_picture) {
    print_row(("picture " + size).c_str(), format("%lld tokens", static_cast<long long>(tokens)));
  }
}

int run_inspect(const InspectOptions& options) {
  if (!options.image.image_path.empty()) {
    InspectImageOptions image = options.image;
    image.model_path = options.model_path;
    image.mmproj_path = options.mmproj_path;
    image.is_json = options.is_json;
    return inspect_image(image);
  }
  if (options.model_path.empty()) throw CLI::RequiredError("FILE (or --image)");
  const auto files = ModelFiles::open(options.model_path, options.mmproj_path);
  if (!files) return report_error(files.status(), options.is_json);
  const auto facts = inspect_model(*files);
  if (!facts) return report_error(facts.status(), options.is_json);
  const int64_t context_length =
      options.context_length > 0 ? options.context_length : std::min(facts->context_length, kDefaultContext);
  const RunFacts run = try_to_load(options);
  options.is_json ? print_facts(*files, *facts, run, context_length) : print_table(*files, *facts, run, context_length);
  return kExitOk;
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a model file holds and needs, or what a picture holds");
  CLI::Option* file = command->add_option("FILE", options->model_path, "GGUF file; with --image optional");
  command->add_option("--mmproj", options->mmproj_path, "GGUF file of the vision part, where the model is a pair");
  command->add_option("-c,--context", options->context_length, "Tokens to reckon memory for (default: up to 4096)")
      ->check(at_least<int64_t>(1));
  CLI::Option* image =
      command->add_option("--image", options->image.image_path,
                          "Picture: shows how redundant it is instead; to FILE's encoder and behind it, if given");
  command->add_option("--cell", options->image.cell_px, "Side in pixels of a cell of the picture (default: 28)")
      ->check(between(1, 4096))
      ->needs(image);
  command
      ->add_option("--map", options->image.map_path, "PNG file to write: the picture with its redundant cells marked")
      ->needs(image);
  add_choice_options(*command, options->image.plan);
  for (const char* name : {"--keep", "--strategy", "--keep-threshold", "--plan-seed"}) {
    command->get_option(name)->needs(image)->needs(file);
  }
  command->add_flag("--json", options->is_json, "Print one JSON object");
  command->footer(
      "A map shows cells that their neighbours predict within 8 levels hatched, those that they predict exactly "
      "greyed\n"
      "too; the others are the redder, the more they are like those beside them.\n\n"
      "Given a model, a picture is encoded and its tokens X are compared in pairs:\n"
      "  unlike those before  share of tokens with a cosine under 0.9 to every such token before them\n"
      "  rank                 participation ratio of the cosines: 1 for copies of one token, their number for\n"
      "                       orthogonal ones\n"
      "  information          H(X), the matrix-based Renyi entropy of order 2 with a kernel over cosines: 0 bits for\n"
      "                       copies of one token, log2 of their number for tokens that are all unlike; an estimate\n"
      "  I(X; Y), H(X|Y)      bits that the kept tokens say of all, and those they don't: Y is the vector that stands\n"
      "                       for each token, zeros where none does. Hold them against what all tokens reach by the "
      "same\n"
      "                       estimate. Kept are as many as --keep, else a quarter\n\n"
      "Examples:\n"
      "  saccade inspect models/saccade-mini.gguf\n"
      "  saccade inspect llava-q4_0.gguf --mmproj mmproj-f16.gguf --context 8192\n"
      "  saccade inspect --image samples/demo/receipt.png --map map.png\n"
      "  saccade inspect models/saccade-mini.gguf --image samples/demo/receipt.png --keep 96 --strategy visionzip");
  command->callback([options, &exit_code] { exit_code = run_inspect(*options); });
}

}  // namespace saccade
