// Everything that a model's files become: the parts that the stages of an answer are run with.
#pragma once

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

/// Thread safety: const after load.
struct Model {
  std::unique_ptr<const ModelFiles> files;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const VisionEncoder> vision;  // null for a language model alone
  std::unique_ptr<const Decoder> decoder;
  std::optional<ChatTemplate> chat_template;

  /// "llama+llava", or "llama" for a language model alone.
  std::string family() const;

  /// Errors: those of the files, with their paths in the message.
  static Expected<Model> load(const std::string& model_path, const std::string& mmproj_path);
};

}  // namespace saccade
