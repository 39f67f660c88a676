#include "cli/model_options.h"

namespace saccade {

void add_model_options(CLI::App& command, EngineOptions& options) {
  command.add_option("MODEL", options.model_path, "GGUF file: a language model, or one file with both parts")
      ->required();
  command.add_option("--mmproj", options.mmproj_path, "GGUF file of the vision part, where the model is a pair");
  command.add_option("-t,--threads", options.threads, "Threads to compute with (default: the cores of this process)")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("-c,--context", options.context_length,
                  "Tokens of prompt and answer together (default: the model's, up to 4096)")
      ->check(CLI::PositiveNumber);
}

void add_sampling_options(CLI::App& command, Request& request) {
  Sampling& sampling = request.sampling;
  command.add_option("-n,--max-tokens", request.max_tokens, "Longest answer, in tokens")->capture_default_str();
  command.add_option("--temperature", sampling.temperature, "0 takes the likeliest token every time")
      ->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "Draw from the k likeliest tokens; 0: from all")->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "Draw from the likeliest tokens that make up this share")
      ->capture_default_str();
  command.add_option("--min-p", sampling.min_p, "Drop tokens under this share of the likeliest")->capture_default_str();
  command.add_option("--repetition-penalty", sampling.repetition_penalty, "Over 1 discourages repetition")
      ->capture_default_str();
  command.add_option("--seed", sampling.seed, "Makes drawing repeatable");
  command.add_option("--stop", request.stop, "End the answer before this text; may be given several times")
      ->allow_extra_args(false);
}

}  // namespace saccade
