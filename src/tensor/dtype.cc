#include "tensor/dtype.h"

namespace saccade {

std::optional<DType> dtype_from_ggml(uint32_t ggml_type) {
  for (size_t i = 0; i < kDTypeTraits.size(); ++i) {
    if (kDTypeTraits[i].ggml_type == ggml_type) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kDTypeTraits.size(); ++i) {
    if (kDTypeTraits[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace saccade
