#include "weights/convert/storage_type.h"

#include "base/format.h"

namespace saccade {
namespace {

DType type_for_role(const TensorPlan& tensor, DType asked) {
  switch (tensor.role) {
    case TensorRole::kExact:
      return DType::kF32;
    case TensorRole::kPatch:
      // llama.cpp's convolution takes f16 and f32 kernels only.
      return asked == DType::kF32 || asked == DType::kBF16 ? DType::kF32 : DType::kF16;
    case TensorRole::kEmbedding:
      return asked == DType::kQ4_0 ? DType::kQ8_0 : asked;
    case TensorRole::kMatrix:
      return asked == DType::kQ4_0 && tensor.part == ModelPart::kVision ? DType::kQ8_0 : asked;
  }
  return DType::kF32;
}

}  // namespace

StorageChoice choose_storage(const TensorPlan& tensor, DType asked) {
  const DType type = type_for_role(tensor, asked);
  const int block_size = traits_of(type).block_size;
  if (tensor.shape.row_size() % block_size == 0) return {type, ""};
  return {DType::kF16, format("f16, for rows of %lld are no multiple of %s's block of %d",
                              static_cast<long long>(tensor.shape.row_size()),
                              std::string(traits_of(type).name).c_str(), block_size)};
}

}  // namespace saccade
