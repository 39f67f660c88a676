// Decoders alone: Llama, Mistral, Qwen2.
#include "weights/convert/family.h"
#include "weights/convert/language_model.h"

namespace saccade {
namespace {

Status plan_text(PlanBuilder& builder) {
  Config settings(builder.checkpoint().config_path());
  settings.add(&builder.checkpoint().config());
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, settings.string_or("model_type", "llama"));
  SACCADE_ASSIGN_OR_RETURN([[maybe_unused]] const int64_t model_dim, plan_language_model(builder, settings, decoder));
  return {};
}

Status assume_text(Checkpoint& checkpoint) {
  Config settings(checkpoint.config_path());
  settings.add(&checkpoint.config());
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, settings.string_or("model_type", "llama"));
  return assume_language_model(checkpoint, settings, decoder);
}

}  // namespace

Family text_family() {
  Family family;
  family.name = "text";
  family.architectures = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"};
  family.model_types = {"llama", "mistral", "qwen2"};
  family.prefixes = {{"model.", "lm."}};
  family.plan = plan_text;
  family.assume = assume_text;
  return family;
}

}  // namespace saccade
