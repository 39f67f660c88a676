// What a model said of a picture once, to be given to it in the picture's place.
#pragma once

#include <optional>
#include <string>

#include "saccade/status.h"

namespace saccade {

/// UTF-8. Either may be empty.
struct PictureText {
  std::string caption;
  std::string transcription;
};

/// Texts by the content that they are of. Thread safety: all calls.
class PictureTextStore {
 public:
  virtual ~PictureTextStore() = default;

  /// `model` tells models apart, `picture` is the SHA-256 of a picture's file in hexadecimal digits. Errors: those of
  /// what it is kept in; none where there is no such text.
  virtual Expected<std::optional<PictureText>> find(const std::string& model, const std::string& picture) = 0;
  /// Replaces an older text.
  virtual Status put(const std::string& model, const std::string& picture, const PictureText& text) = 0;
};

}  // namespace saccade
