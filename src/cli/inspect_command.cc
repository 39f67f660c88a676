// saccade inspect: what is in a model file.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "saccade/checkpoint.h"

namespace saccade {
namespace {

struct InspectOptions {
  std::string model_path;
  std::string mmproj_path;
  int64_t context_length = 0;
  bool is_json = false;
};

void print_json(const ModelFacts& facts) {
  nlohmann::ordered_json types;
  for (const auto& [type, count] : facts.tensor_types) types[type] = count;
  nlohmann::ordered_json pictures = nlohmann::ordered_json::object();
  for (const auto& [size, tokens] : facts.tokens_per_picture) pictures[size] = tokens;
  const nlohmann::ordered_json json = {
      {"path", facts.path},
      {"gguf_version", facts.gguf_version},
      {"file_bytes", facts.file_bytes},
      {"architecture", facts.architecture},
      {"vision_family", facts.vision_family},
      {"language_parameters", facts.language_parameters},
      {"vision_parameters", facts.vision_parameters},
      {"quantization", facts.quantization},
      {"tensor_types", types},
      {"num_layers", facts.num_layers},
      {"model_dim", facts.model_dim},
      {"num_heads", facts.num_heads},
      {"num_kv_heads", facts.num_kv_heads},
      {"vocab_size", facts.vocab_size},
      {"context_length", facts.context_length},
      {"chat_template", facts.chat_template},
      {"memory", {{"context_length", facts.at_context_length},
                  {"weight_bytes", facts.weight_bytes},
                  {"kv_cache_bytes", facts.kv_cache_bytes}}},
      {"tokens_per_picture", pictures},
  };
  std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void print_table(const ModelFacts& facts) {
  std::string types;
  for (const auto& [type, count] : facts.tensor_types) {
    types += format("%s%s x %llu", types.empty() ? "" : ", ", type.c_str(), static_cast<unsigned long long>(count));
  }
  std::string vision = "none";
  if (!facts.vision_family.empty()) {
    vision = facts.vision_family + ", " + format_count(facts.vision_parameters) + " parameters";
  }
  std::printf("%s\n", facts.path.c_str());
  std::printf("  file             GGUF %u, %s\n", facts.gguf_version, format_bytes(facts.file_bytes).c_str());
  std::printf("  language model   %s, %s parameters\n", facts.architecture.c_str(),
              format_count(facts.language_parameters).c_str());
  std::printf("  vision part      %s\n", vision.c_str());
  std::printf("  quantisation     %s (%s)\n", facts.quantization.c_str(), types.c_str());
  std::printf("  shape            %lld layers of %lld, %lld heads (%lld for keys and values)\n",
              static_cast<long long>(facts.num_layers), static_cast<long long>(facts.model_dim),
              static_cast<long long>(facts.num_heads), static_cast<long long>(facts.num_kv_heads));
  std::printf("  vocabulary       %lld tokens\n", static_cast<long long>(facts.vocab_size));
  std::printf("  context          %lld tokens\n", static_cast<long long>(facts.context_length));
  std::printf("  chat template    %s\n", facts.chat_template.c_str());
  std::printf("  memory           %s weights + %s keys and values at %lld tokens\n",
              format_bytes(facts.weight_bytes).c_str(), format_bytes(facts.kv_cache_bytes).c_str(),
              static_cast<long long>(facts.at_context_length));
  for (const auto& [size, tokens] : facts.tokens_per_picture) {
    std::printf("  picture %-9s %lld tokens\n", size.c_str(), static_cast<long long>(tokens));
  }
}

int run_inspect(const InspectOptions& options) {
  const auto facts = inspect_model(options.model_path, options.mmproj_path, options.context_length);
  if (!facts) return report_error(facts.status());
  options.is_json ? print_json(*facts) : print_table(*facts);
  return kExitOk;
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a model file holds and what it needs");
  command->add_option("FILE", options->model_path, "GGUF file")->required();
  command->add_option("--mmproj", options->mmproj_path, "GGUF file of the vision part, where the model is a pair");
  command->add_option("-c,--context", options->context_length, "Tokens to reckon memory for (default: up to 4096)")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", options->is_json, "Print one JSON object");
  command->footer(
      "Examples:\n"
      "  saccade inspect models/saccade-mini.gguf\n"
      "  saccade inspect llava-q4_0.gguf --mmproj mmproj-f16.gguf --context 8192");
  command->callback([options, &exit_code] { exit_code = run_inspect(*options); });
}

}  // namespace saccade
