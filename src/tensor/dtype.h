// Element types, quantised blocks included, and the sizes that follow from them.
//
// A quantised row is a run of blocks of `block_size` weights in `block_bytes` bytes each, laid out as llama.cpp's
// GGUF files have them (ggml-common.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace saccade {

enum class DType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };

inline constexpr int kNumDTypes = 11;

struct DTypeTraits {
  std::string_view name;  // as in file names: "q4_0"
  int block_size;         // weights in a block; 1 when not quantised
  int block_bytes;
  uint32_t ggml_type;  // the id in a GGUF tensor header
};

inline constexpr std::array<DTypeTraits, kNumDTypes> kDTypeTraits = {{
    {"f32", 1, 4, 0},
    {"f16", 1, 2, 1},
    {"bf16", 1, 2, 30},
    {"q8_0", 32, 34, 8},
    {"q4_0", 32, 18, 2},
    {"q4_1", 32, 20, 3},
    {"q5_0", 32, 22, 6},
    {"q5_1", 32, 24, 7},
    {"q4_k", 256, 144, 12},
    {"q5_k", 256, 176, 13},
    {"q6_k", 256, 210, 14},
}};

constexpr const DTypeTraits& traits_of(DType dtype) {
  return kDTypeTraits[static_cast<size_t>(dtype)];
}

std::optional<DType> dtype_from_ggml(uint32_t ggml_type);
std::optional<DType> dtype_from_name(std::string_view name);

/// Bytes of a row of `num_elements`, which must be a multiple of the block size.
constexpr int64_t row_bytes(DType dtype, int64_t num_elements) {
  return num_elements / traits_of(dtype).block_size * traits_of(dtype).block_bytes;
}

}  // namespace saccade
