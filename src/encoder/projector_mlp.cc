#include "encoder/projector_mlp.h"

#include <algorithm>

#include "base/format.h"
#include "kernels/activation.h"

namespace saccade {
namespace {

// Rows projected at a time: bounds the hidden rows of a large Qwen2-VL picture.
constexpr int64_t kChunkRows = 1024;

}  // namespace

Status check_projects_to(const TensorSource& tensors, const std::string& name, int64_t model_dim) {
  const TensorView weight = tensors.peek(name + ".weight");
  if (!weight || weight.shape.rank() != 2 || weight.shape[0] == model_dim) return {};
  return corrupt_data(
      format("tensor %s.weight has shape %s, but the language model is %lld wide: "
             "the vision part belongs to another model",
             name.c_str(), weight.shape.to_string().c_str(), static_cast<long long>(model_dim)));
}

Expected<ProjectorMlp> ProjectorMlp::load(const TensorSource& tensors, const Metadata& metadata, int64_t in_dim,
                                          int64_t model_dim) {
  SACCADE_ASSIGN_OR_RETURN(const std::string act, metadata.string_or("saccade.vision.projector_act", "gelu"));
  if (act != "gelu") {
    return unsupported(format("key saccade.vision.projector_act is %s; known is gelu", quote(act).c_str()));
  }
  if (tensors.has("mm.3.weight")) {
    return unsupported("tensor mm.3.weight: a projector with norms between its layers (Yi-VL) is not known here");
  }
  SACCADE_RETURN_IF_ERROR(check_projects_to(tensors, "mm.2", model_dim));
  const TensorView first = tensors.peek("mm.0.weight");
  const int64_t hidden_dim = first && first.shape.rank() == 2 ? first.shape[0] : model_dim;
  ProjectorMlp projector;
  SACCADE_ASSIGN_OR_RETURN(projector.first_, load_linear(tensors, "mm.0", hidden_dim, in_dim));
  SACCADE_ASSIGN_OR_RETURN(projector.second_, load_linear(tensors, "mm.2", model_dim, hidden_dim));
  return projector;
}

void ProjectorMlp::pack_weights(ThreadPool& pool) {
  first_.weight.pack(pool);
  second_.weight.pack(pool);
}

Expected<Tensor> ProjectorMlp::project(ThreadPool& pool, const Tensor& x, WorkProgress& progress) const {
  const int64_t in_dim = first_.in_dim();
  const int64_t hidden_dim = first_.out_dim();
  const int64_t out_dim = second_.out_dim();
  const int64_t num_rows = x.shape().num_elements() / in_dim;
  Tensor hidden(Shape{std::min(num_rows, kChunkRows), hidden_dim});
  Tensor out(Shape{num_rows, out_dim});
  for (int64_t begin = 0; begin < num_rows; begin += kChunkRows) {
    const int64_t rows = std::min(kChunkRows, num_rows - begin);
    LinearOutput first = first_.to(hidden.floats().data());
    first.activation = Activation::kGelu;
    linear(pool, x.floats().data() + begin * in_dim, rows, first);
    linear(pool, hidden.floats().data(), rows, second_.to(out.floats().data() + begin * out_dim));
    SACCADE_RETURN_IF_ERROR(progress.add(static_cast<double>(rows) * work_per_row()));
  }
  return out;
}

}  // namespace saccade
