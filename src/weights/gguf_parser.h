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

/// `bytes` is the whole file. Errors name the key or tensor and the byte; the caller adds the path.
Expected<GgufContents> parse_gguf(std::span<const std::byte> bytes);

}  // namespace saccade
