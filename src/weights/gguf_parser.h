// The bytes of a GGUF file to its keys and tensor table. GgufFile is the way in; this part needs no file to be tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "saccade/status.h"
#include "weights/gguf_file.h"
#include "weights/metadata.h"

namespace saccade {

struct GgufContents {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<NamedTensor> tensors;  // views into the bytes given
};

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

/// `bytes` is the whole file. Errors name the key or tensor and the byte; the caller adds the path.
Expected<GgufContents> parse_gguf(std::span<const std::byte> bytes);

}  // namespace saccade
