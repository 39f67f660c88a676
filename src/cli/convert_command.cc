// saccade convert: a Hugging Face checkpoint folder to a GGUF file.
#include <cstdio>

#include "base/format.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "weights/convert/convert.h"

namespace saccade {
namespace {

struct ConvertFlags {
  ConvertOptions options;
  std::string type = "f16";
};

int run_convert(ConvertFlags& flags) {
  ConvertOptions& options = flags.options;
  options.type = *dtype_from_name(flags.type);  // the parser admits no other names
  ProgressLine progress;
  options.progress = [&](double fraction, std::string_view) {
    progress.show("converting", fraction);
    return !is_interrupted();
  };
  const auto report = convert_checkpoint(options);
  progress.clear();
  if (!report) return report_error(report.status());
  for (const std::string& warning : report->warnings) {
    std::fprintf(stderr, "saccade: warning: %s\n", one_line(warning).c_str());
  }
  for (const std::string& fallback : report->fallbacks) {
    std::fprintf(stderr, "saccade: note: %s\n", one_line(fallback).c_str());
  }
  std::printf("%s (%s): %s parameters in the language model, %s in the vision part\n", report->family.c_str(),
              report->architecture.c_str(), format_count(report->num_language_parameters).c_str(),
              format_count(report->num_vision_parameters).c_str());
  for (const ConvertReport::TypeCount& count : report->types) {
    std::printf("  %-5s %5lld tensors, %s\n", std::string(traits_of(count.dtype).name).c_str(),
                static_cast<long long>(count.num_tensors), format_bytes(count.num_bytes).c_str());
  }
  for (const ConvertReport::File& file : report->files) {
    std::printf("%s: %s\n", one_line(file.path).c_str(), format_bytes(file.num_bytes).c_str());
  }
  return kExitOk;
}

}  // namespace

void add_convert_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ConvertFlags>();
  ConvertOptions& options = flags->options;
  CLI::App* command = app.add_subcommand("convert", "Turn a Hugging Face checkpoint into a GGUF file");
  command->add_option("HF_DIR", options.hf_dir, "Folder with config.json, *.safetensors and the tokenizer")->required();
  command->add_option("OUT", options.out_path, "The .gguf file to write")->required();
  command->add_option("--type", flags->type, "Type of the weights")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0", "q4_0"}))
      ->capture_default_str();
  command->add_option("--mmproj", options.mmproj_path,
                      "Write the vision part to this file, as a pair for other programs too");
  command->add_option("--vision-tower", options.vision_tower_dir,
                      "Folder with the CLIP checkpoint, for LLaVA checkpoints without one inside");
  command->footer(
      "Examples:\n"
      "  saccade convert llava-1.5-7b-hf llava.gguf --type q4_0\n"
      "  saccade convert SmolVLM-500M-Instruct smolvlm.gguf --mmproj mmproj-smolvlm.gguf --type q8_0\n"
      "  saccade convert ada-llava-L-v1.5-7b ada.gguf --vision-tower clip-vit-large-patch14-336");
  command->callback([flags, &exit_code] { exit_code = run_convert(*flags); });
}

}  // namespace saccade
