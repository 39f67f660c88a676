// Everything that a model's files become: the parts that the stages of an answer are run with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "decoder/decoder.h"
#include "encoder/vision_encoder.h"
#include "saccade/status.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "weights/model_files.h"

namespace saccade {

/// Tokens of context where nobody asks for another number, and the model was made for as many.
inline constexpr int64_t kDefaultContext = 4096;

/// Thread safety: const after load.
struct Model {
  std::unique_ptr<const ModelFiles> files;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const VisionEncoder> vision;  // null for a language model alone
  std::unique_ptr<const Decoder> decoder;
  std::optional<ChatTemplate> chat_template;

  /// "llama+llava", or "llama" for a language model alone.
  std::string family() const;

  /// Errors: those of the files, with their paths in the message; kUnsupported where the two parts do not belong
  /// together, or a control token of the pictures (by name) is missing in the vocabulary.
  static Expected<Model> load(const std::string& model_path, const std::string& mmproj_path);
};

}  // namespace saccade
