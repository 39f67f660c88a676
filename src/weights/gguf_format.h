// Numbers of the GGUF format that its reader and its writer share.
#pragma once

#include <cstdint>

namespace saccade {

/// Value types of the key-value part, as the format numbers them.
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

inline constexpr uint64_t kGgufDefaultAlignment = 32;

}  // namespace saccade
