// What an answer keeps in memory beside the model: an estimate by closed formulas, from the numbers of rows alone.
#pragma once

#include "planner/model_shape.h"

namespace saccade {

/// Of one answer; pictures that the conversation holds count for nothing.
struct MemoryLoad {
  // Of all pictures.
  double file_pixels = 0;     // as they are decoded
  double resized_pixels = 0;  // that the encoder is given
  double encoded_tokens = 0;  // that come out of it
  // Of the picture with the most patches: they are encoded one after the other.
  double patches = 0;
  double tiles = 0;          // whose patches look at one another alone
  bool tokens_vary = false;  // some are chosen by what is told of them, in pairs
  double visual_tokens = 0;  // that are left of those encoded
  double new_rows = 0;       // of the prompt, that are computed
  double kept_rows = 0;      // of prompt and answer, that the cache holds at the end
  double kept_layers = 0;    // that hold them
};

/// Bytes.
struct MemoryUse {
  double media = 0;     // pictures decoded and resized
  double encode = 0;    // with their pixels
  double compress = 0;  // beside what is encoded
  double prefill = 0;   // and the answer, without `cache`
  double cache = 0;     // keys and values of all rows, those of earlier answers too

  /// The most at once. Tensors that are done with stay with the process up to a limit, for the next of their size, so
  /// that stages of unlike sizes add up. `cache_held`: what the cache has taken already.
  double peak(double cache_held) const;
};

MemoryUse memory_of(const ModelShape& shape, const MemoryLoad& load);

}  // namespace saccade
