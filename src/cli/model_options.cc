#include "cli/model_options.h"

#include <cstdlib>
#include <map>
#include <string>

#include "cli/option_checks.h"
#include "cli/terminal.h"
#include "ledger/picture_text_file.h"

namespace saccade {

void add_model_options(CLI::App& command, EngineOptions& options) {
  command.add_option("MODEL", options.model_path, "GGUF file: a language model, or one file with both parts")
      ->required();
  command.add_option("--mmproj", options.mmproj_path, "GGUF file of the vision part, where the model is a pair");
  command.add_option("-t,--threads", options.threads, "Threads to compute with (default: the cores of this process)")
      ->check(between(1, 1024));
  options.profile_path = default_profile_path();
  command.add_option("--profile", options.profile_path, "What `saccade profile` measured, for plans within a budget")
      ->capture_default_str();
  command.add_option("--task-rules", options.task_rules_path,
                     "By which budgets tell questions apart, in place of the built-in rules: a file of lines "
                     "\"class: word, two words, ^first word\"; as the model was calibrated with");
  command.add_flag("--pin", options.is_pinned, "Tie each thread to a core of its own");
  command
      .add_option("--kv-type", options.kv_type,
                  "How keys and values are kept: f16 (default), q8_0 (half the memory), f32")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, KvType>{{"f32", KvType::kF32}, {"f16", KvType::kF16}, {"q8_0", KvType::kQ8_0}},
          CLI::ignore_case))
      ->option_text("f32|f16|q8_0");
  command
      .add_option("--max-memory", options.max_memory_bytes,
                  "Memory that the program may take, the model included: 2GiB (default: what is free)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("SIZE");
  command.add_flag("!--no-speculation", options.speculates, "Do not guess tokens ahead (answers are the same)");
  add_picture_options(command, options.has_exact_pixels, options.enlarges_pictures);
  command
      .add_option("-c,--context", options.context_length,
                  "Tokens of prompt and answer together (default: the model's, up to 4096)")
      ->check(at_least<int64_t>(1));
}

void add_texts_option(CLI::App& command, std::string& path) {
  command.add_option("--texts", path,
                     "Keep the texts that may stand in place of pictures in this SQLite file, and use those there");
}

Status open_texts(const std::string& path, EngineOptions& options) {
  if (path.empty()) return {};
  SACCADE_ASSIGN_OR_RETURN(options.picture_texts, PictureTextFile::open(path));
  return {};
}

std::string default_profile_path() {
  const auto folder = [](const char* name) {
    return std::string(std::getenv(name) == nullptr ? "" : std::getenv(name));
  };
  const std::string cache = folder("XDG_CACHE_HOME");
  if (!cache.empty()) return cache + "/saccade/profile.json";
  const std::string home = folder("HOME");
  return home.empty() ? "" : home + "/.cache/saccade/profile.json";
}

Expected<std::unique_ptr<Engine>> load_engine(const EngineOptions& options) {
  ProgressLine line;
  return Engine::load(options, [&](const Progress& now) {
    line.show(now.stage, now.fraction);
    return !is_interrupted();
  });
}

void add_picture_options(CLI::App& command, bool& has_exact_pixels, bool& enlarges_pictures) {
  command.add_flag("--exact-pixels", has_exact_pixels,
                   "Decode JPEGs at full size even where they will be shrunk (slower)");
  command.add_flag("!--no-upscale", enlarges_pictures,
                   "Give a small picture fewer tokens where the model's family would enlarge it (SmolVLM)");
}

// The bounds are those of validate_request(), told by the option's name and before a model is loaded.
void add_sampling_options(CLI::App& command, Request& request) {
  Sampling& sampling = request.sampling;
  add_max_tokens(command, request.max_tokens);
  command.add_option("--temperature", sampling.temperature, "0 takes the likeliest token every time")
      ->check(between(0.0f, 100.0f))
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "Draw from the k likeliest tokens; 0: from all")
      ->check(at_least(0))
      ->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "Draw from the likeliest tokens that make up this share")
      ->check(between(0.0f, 1.0f))
      ->capture_default_str();
  command.add_option("--min-p", sampling.min_p, "Drop tokens under this share of the likeliest")
      ->check(between(0.0f, 1.0f))
      ->capture_default_str();
  command.add_option("--repetition-penalty", sampling.repetition_penalty, "Over 1 discourages repetition")
      ->check(between(0.01f, 100.0f))
      ->capture_default_str();
  command.add_option("--seed", sampling.seed, "Makes drawing repeatable")->check(at_least<uint64_t>(0));
  command.add_option("--stop", request.stop, "End the answer before this text; may be given several times")
      ->allow_extra_args(false);
}

void add_max_tokens(CLI::App& command, int64_t& max_tokens) {
  command.add_option("-n,--max-tokens", max_tokens, "Longest answer, in tokens")
      ->check(at_least<int64_t>(1))
      ->capture_default_str();
}

}  // namespace saccade
