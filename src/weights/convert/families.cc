#include <algorithm>

#include "base/format.h"
#include "weights/convert/family.h"

namespace saccade {
namespace {

const std::vector<Family>& registry() {
  static const std::vector<Family> kFamilies = {
      llava_family(), original_llava_family(), smolvlm_family(), qwen2_vl_family(), qwen2_5_vl_family(), text_family(),
  };
  return kFamilies;
}

std::string first_architecture(const Json& config) {
  const Json* architectures = find_member(config, "architectures");
  if (architectures == nullptr || !architectures->is_array() || architectures->empty()) return {};
  const Json& first = architectures->front();
  return first.is_string() ? first.get<std::string>() : std::string();
}

}  // namespace

Expected<const Family*> find_family(const Checkpoint& checkpoint) {
  const std::string architecture = first_architecture(checkpoint.config());
  const Json* type = find_member(checkpoint.config(), "model_type");
  const std::string model_type = type != nullptr && type->is_string() ? type->get<std::string>() : std::string();
  for (const Family& family : registry()) {
    if (std::ranges::find(family.architectures, architecture) != family.architectures.end()) return &family;
  }
  for (const Family& family : registry()) {
    if (std::ranges::find(family.model_types, model_type) != family.model_types.end()) return &family;
  }
  std::string known;
  for (const Family& family : registry()) {
    for (const std::string_view name : family.architectures) known.append(known.empty() ? "" : ", ").append(name);
  }
  return unsupported(checkpoint.config_path() + ": architecture " + quote(architecture) + ", model_type " +
                     quote(model_type) + " cannot be converted (known: " + known + ")");
}

}  // namespace saccade
