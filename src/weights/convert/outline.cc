#include "weights/convert/outline.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/format.h"
#include "weights/convert/family.h"
#include "weights/convert/storage_type.h"

namespace saccade {
namespace {

// Norms, biases, positions and the like, which readers copy: over a hundred times those of any model.
constexpr int64_t kMaxCopiedElements = int64_t{1} << 28;

void add_keys(const GgufKeys& keys, Metadata& metadata) {
  for (const GgufKeys::Entry& entry : keys.entries()) metadata.set(entry.key, entry.value);
}

bool is_zero(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float value) { return value == 0; });
}

// Tensors with values of their own (frequencies of Llama 3) are left out: nothing is reckoned by them.
Expected<std::vector<NamedTensor>> tensors_of(const std::string& path, const ModelPlan& plan, DType type) {
  std::vector<NamedTensor> tensors;
  int64_t num_copied = 0;
  for (const TensorPlan& tensor : plan.tensors) {
    if (!is_zero(tensor.values)) continue;
    const bool is_copied = tensor.role == TensorRole::kExact || tensor.role == TensorRole::kPatch;
    num_copied += is_copied ? std::min(tensor.shape.num_elements(), kMaxCopiedElements) : 0;
    if (num_copied >= kMaxCopiedElements) return resource_exhausted(path + ": describes a model larger than any known");
    tensors.push_back({tensor.name, {choose_storage(tensor, type).type, tensor.shape, nullptr}, 0});
  }
  return tensors;
}

}  // namespace

Expected<ModelFiles> outline_checkpoint(const std::string& path, DType type) {
  SACCADE_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open_settings(path));
  SACCADE_ASSIGN_OR_RETURN(const Family* family, find_family(checkpoint));
  SACCADE_RETURN_IF_ERROR(family->assume(checkpoint));
  ModelPlan plan;
  PlanBuilder builder(checkpoint, plan);
  SACCADE_RETURN_IF_ERROR(family->plan(builder));
  Metadata metadata;
  metadata.set("general.architecture", plan.architecture);
  add_keys(plan.language_keys, metadata);
  add_keys(plan.vision_keys, metadata);
  SACCADE_ASSIGN_OR_RETURN(std::vector<NamedTensor> tensors, tensors_of(path, plan, type));
  SACCADE_ASSIGN_OR_RETURN(GgufFile file, GgufFile::outline(path, std::move(metadata), std::move(tensors)));
  return ModelFiles::of(std::move(file));
}

}  // namespace saccade
