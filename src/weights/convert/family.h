// The model families that can be converted: one file each, one line in the registry (families.cc).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "weights/convert/checkpoint.h"
#include "weights/convert/model_plan.h"

namespace saccade {

struct Family {
  std::string_view name;
  // Values of config.json's architectures[0], or of model_type, that this family takes.
  std::vector<std::string_view> architectures;
  std::vector<std::string_view> model_types;
  std::vector<PrefixRule> prefixes;
  /// Fills the plan (all but the general.* and tokenizer.* keys) from a checkpoint whose tensors are open.
  Status (*plan)(PlanBuilder& builder);
  /// Where the settings are all there is (Checkpoint::open_settings): assumes what plan() asks whether it is there, as
  /// this family's checkpoints have it.
  Status (*assume)(Checkpoint& checkpoint);
};

Family llava_family();
Family original_llava_family();
Family smolvlm_family();
Family qwen2_vl_family();
Family qwen2_5_vl_family();
Family text_family();

/// The family of a config.json. Errors: kUnsupported names what was found and what is known.
Expected<const Family*> find_family(const Checkpoint& checkpoint);

}  // namespace saccade
