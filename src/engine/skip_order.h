// Layers that a model was trained to do without, in the order in which they may go.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "weights/metadata.h"

namespace saccade {

inline constexpr std::string_view kEncoderSkipOrderKey = "saccade.vision.skip_order";
inline constexpr std::string_view kDecoderSkipOrderKey = "saccade.decoder.skip_order";

/// Empty where the file has no such key. Errors: kCorruptData names the key (a layer that is not there, or twice).
Expected<std::vector<int64_t>> read_skip_order(const Metadata& metadata, std::string_view key, int64_t num_layers);

/// [num_layers]: which layers run where a share of them may; at least those that the order does not name.
std::vector<uint8_t> runs_by_order(std::span<const int64_t> order, double share, int64_t num_layers);

/// Errors: kInvalidArgument with the name, where `share` is not over 0 and at most 1.
Status check_share(const char* name, double share);

}  // namespace saccade
