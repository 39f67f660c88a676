// What a conversion will write: keys, and tensors with where their values come from. Families fill it, convert.cc
// carries it out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/convert/checkpoint.h"
#include "weights/gguf_writer.h"

namespace saccade {

enum class ModelPart : uint8_t { kLanguage, kVision };

/// What decides the type a tensor is stored in (README.md has the table).
enum class TensorRole : uint8_t {
  kMatrix,     // of a linear layer
  kEmbedding,  // token_embd and output
  kPatch,      // the convolution that makes patches
  kExact,      // f32 always: norms, biases, positions
};

struct TensorPlan {
  std::string name;
  Shape shape;
  ModelPart part = ModelPart::kLanguage;
  TensorRole role = TensorRole::kMatrix;
  // The values: those of `source`, in units of `unit_size` elements taken in the order `unit_of` says (the source's
  // own order where it is empty); or `values` where there is no source.
  const SafeTensor* source = nullptr;
  int64_t unit_size = 0;
  std::function<int64_t(int64_t unit_idx)> unit_of;
  std::vector<float> values;
};

struct ModelPlan {
  std::string architecture;
  bool has_vision = false;
  GgufKeys language_keys;
  GgufKeys vision_keys;
  std::vector<TensorPlan> tensors;
  std::vector<std::string> warnings;
};

/// Takes tensors from a checkpoint into a plan.
class PlanBuilder {
 public:
  PlanBuilder(Checkpoint& checkpoint, ModelPlan& plan) : checkpoint_(checkpoint), plan_(plan) {}

  Checkpoint& checkpoint() { return checkpoint_; }
  ModelPlan& plan() { return plan_; }

  /// A tensor as it is. 1-D tensors are kExact whatever is asked.
  Status copy(ModelPart part, TensorRole role, const std::string& target, const std::string& source,
              const Shape& shape);
  Status copy_if_present(ModelPart part, TensorRole role, const std::string& target, const std::string& source,
                         const Shape& shape);
  /// `source`.weight [num_out, num_in] and, if it is there, `source`.bias [num_out].
  Status copy_linear(ModelPart part, const std::string& target, const std::string& source, int64_t num_out,
                     int64_t num_in);
  /// A norm's weight and, if it is there, its bias.
  Status copy_norm(ModelPart part, const std::string& target, const std::string& source, int64_t size);
  /// Another order or a part of the rows (of the elements, for a 1-D tensor): see TensorPlan::unit_of. `source_dims`
  /// is the whole tensor's shape.
  Status gather(ModelPart part, TensorRole role, const std::string& target, const std::string& source,
                std::span<const int64_t> source_dims, const Shape& shape, std::function<int64_t(int64_t)> unit_of);
  void add_values(ModelPart part, const std::string& target, std::vector<float> values);

  void warn(std::string text) { plan_.warnings.push_back(std::move(text)); }

 private:
  Checkpoint& checkpoint_;
  ModelPlan& plan_;
};

}  // namespace saccade
