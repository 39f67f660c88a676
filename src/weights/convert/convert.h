// A Hugging Face checkpoint folder to GGUF: the program's `convert`, without Python.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "tensor/dtype.h"

namespace saccade {

/// Called before each tensor and every few megabytes of it, with the share of all that is done, 0..1; returning false
/// cancels (kCancelled).
using ConvertProgress = std::function<bool(double fraction, std::string_view tensor)>;

struct ConvertOptions {
  std::string hf_dir;
  std::string out_path;
  DType type = DType::kF16;      // f32, f16, bf16, q8_0 or q4_0; README.md says which tensors keep more
  std::string mmproj_path;       // if not empty, the vision part goes here, as llama.cpp wants a pair
  std::string vision_tower_dir;  // a CLIP checkpoint, for LLaVA checkpoints that have no vision tower inside
  int num_threads = 0;           // under 1: all usable cores
  ConvertProgress progress;      // may be empty
};

struct ConvertReport {
  struct TypeCount {
    DType dtype = DType::kF32;
    int64_t num_tensors = 0;
    uint64_t num_bytes = 0;
  };
  struct File {
    std::string path;
    uint64_t num_bytes = 0;
  };

  std::string family;
  std::string architecture;  // of the language model, as in general.architecture
  std::vector<File> files;
  std::vector<TypeCount> types;  // those that occur
  uint64_t num_language_parameters = 0;
  uint64_t num_vision_parameters = 0;
  std::vector<std::string> fallbacks;  // "blk.0.ffn_down.weight: f16, rows of 100 are no multiple of 32"
  std::vector<std::string> warnings;   // tensors left over, settings that are not carried out
};

/// Nothing is left at the output paths on an error. Errors: kNotFound (a file), kCorruptData (a file, or an essential
/// tensor that is missing, by the checkpoint's own name), kUnsupported (the architecture, with the known ones; a
/// tokenizer; a setting), kInvalidArgument (options), kResourceExhausted (a file of settings that is far too large),
/// kIoError, kCancelled.
Expected<ConvertReport> convert_checkpoint(const ConvertOptions& options);

}  // namespace saccade
