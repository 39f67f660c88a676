// Text in place of pictures: which of a request's pictures it is given for, what it says, and how it is made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/pictures.h"
#include "saccade/picture_text.h"
#include "saccade/plan.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

/// The texts of one model, kept in memory and, where there is a store, there. Thread safety: any thread.
class PictureTexts {
 public:
  /// `model` names the model that makes them; `store` may be null.
  PictureTexts(std::string model, std::shared_ptr<PictureTextStore> store)
      : model_(std::move(model)), store_(std::move(store)) {}

  /// Errors: those of the store.
  Expected<std::optional<PictureText>> find(const Picture& picture);
  Status put(const Picture& picture, PictureText text);
  /// Whether any could be found.
  bool may_hold() const;

 private:
  const std::string model_;
  const std::shared_ptr<PictureTextStore> store_;
  mutable std::mutex mutex_;                 // also of the store
  std::map<std::string, PictureText> kept_;  // by the picture's SHA-256; guarded by mutex_
};

/// What the plan makes of each picture of the request, in their order.
std::vector<PictureUse> picture_uses(const Request& request, const Plan& plan);

/// Whether pictures come before the last message that brings its own.
bool has_earlier_pictures(const Request& request);

/// The part that the picture is, in the order of the request.
const ContentPart& picture_part(const Request& request, size_t picture_idx);

/// As it stands in the prompt.
std::string text_in_place(const PictureText& text);

/// The questions whose answers are a picture's text, each a request by the full plan: of its caption, its
/// transcription.
Request caption_request(const ContentPart& picture);
Request transcription_request(const ContentPart& picture);

}  // namespace saccade
