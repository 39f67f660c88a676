#include "weights/convert/model_plan.h"

#include <utility>

namespace saccade {
namespace {

std::vector<int64_t> dims_of(const Shape& shape) {
  std::vector<int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

}  // namespace

Status PlanBuilder::gather(ModelPart part, TensorRole role, const std::string& target, const std::string& source,
                           std::span<const int64_t> source_dims, const Shape& shape,
                           std::function<int64_t(int64_t)> unit_of) {
  TensorPlan tensor;
  tensor.name = target;
  tensor.shape = shape;
  tensor.part = part;
  tensor.role = shape.rank() == 1 ? TensorRole::kExact : role;
  tensor.unit_size = shape.rank() == 1 && unit_of ? 1 : shape.row_size();
  tensor.unit_of = std::move(unit_of);
  SACCADE_ASSIGN_OR_RETURN(tensor.source, checkpoint_.take(source, source_dims));
  plan_.tensors.push_back(std::move(tensor));
  return {};
}

Status PlanBuilder::copy(ModelPart part, TensorRole role, const std::string& target, const std::string& source,
                         const Shape& shape) {
  return gather(part, role, target, source, dims_of(shape), shape, {});
}

Status PlanBuilder::copy_if_present(ModelPart part, TensorRole role, const std::string& target,
                                    const std::string& source, const Shape& shape) {
  if (!checkpoint_.has(source)) return {};
  return copy(part, role, target, source, shape);
}

Status PlanBuilder::copy_linear(ModelPart part, const std::string& target, const std::string& source, int64_t num_out,
                                int64_t num_in) {
  SACCADE_RETURN_IF_ERROR(
      copy(part, TensorRole::kMatrix, target + ".weight", source + ".weight", Shape{num_out, num_in}));
  return copy_if_present(part, TensorRole::kExact, target + ".bias", source + ".bias", Shape{num_out});
}

Status PlanBuilder::copy_norm(ModelPart part, const std::string& target, const std::string& source, int64_t size) {
  SACCADE_RETURN_IF_ERROR(copy(part, TensorRole::kExact, target + ".weight", source + ".weight", Shape{size}));
  return copy_if_present(part, TensorRole::kExact, target + ".bias", source + ".bias", Shape{size});
}

void PlanBuilder::add_values(ModelPart part, const std::string& target, std::vector<float> values) {
  TensorPlan tensor;
  tensor.name = target;
  tensor.shape = Shape{static_cast<int64_t>(values.size())};
  tensor.part = part;
  tensor.role = TensorRole::kExact;
  tensor.values = std::move(values);
  plan_.tensors.push_back(std::move(tensor));
}

}  // namespace saccade
