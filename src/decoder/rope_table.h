// Sines and cosines for rotary embedding, from a RopeConfig.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decoder/decoder_config.h"
#include "tensor/tensor.h"

namespace saccade {

/// Where a row of the prompt stands. Text has all three equal; visual tokens under M-RoPE have their own y and x;
/// models with one-dimensional positions read t alone.
struct TokenPosition {
  int32_t t = 0;
  int32_t y = 0;
  int32_t x = 0;
  bool operator==(const TokenPosition&) const = default;
};

/// Thread safety: const after construction.
class RopeTable {
 public:
  explicit RopeTable(const RopeConfig& config);

  int64_t num_pairs() const { return static_cast<int64_t>(frequencies_.size()); }

  struct Rows {
    Tensor cosine;  // [num_tokens, num_pairs]
    Tensor sine;    // [num_tokens, num_pairs]
  };
  Rows rows(std::span<const TokenPosition> positions) const;

 private:
  std::vector<float> frequencies_;   // radians per position
  std::vector<uint8_t> dimensions_;  // which of t, y, x each pair follows
  float magnitude_ = 1;
};

}  // namespace saccade
