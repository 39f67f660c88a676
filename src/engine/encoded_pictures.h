// Pictures as the encoder left them, kept so that they need not be looked at again: by another question, another
// conversation, or after a restart.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "cache/cache_key.h"
#include "cache/object_cache.h"
#include "engine/looks.h"
#include "engine/pictures.h"
#include "saccade/engine.h"
#include "saccade/status.h"

namespace saccade {

/// Before anything was chosen among its tokens: what keeps fewer of them, by whatever strategy, is derived from it.
struct EncodedPicture {
  ImageSize size;  // of what is left where margins were cut off
  std::optional<Window> crop;
  TokenFates fates;
  std::vector<MediaPiece> pieces;
};

EncodedPicture take_encoded(const Picture& picture);
/// Has the picture be as it was when it was taken. Errors: those of plan_pixels().
Status restore_encoded(const EncodedPicture& encoded, Picture& picture);

ObjectCodec<EncodedPicture> encoded_picture_codec();

/// A way to encode that is one of the levers'.
struct KnownLook {
  std::string processing;  // what the encoder was given, and what it was to tell
  double skip = 0;         // Lever::kSkip
  double encoder_layers = 1;
  int64_t num_tokens = 0;
};

/// What the encoder is given of the picture as it is laid out now, whatever of it is then looked at, and what it is to
/// tell beside the vectors.
std::string processing_of(const LookPlan& look, bool has_exact_pixels, const Picture& picture);

struct KnownLooks {
  std::vector<KnownLook> looks;
};

class EncodedPictures;

/// By the options' folder and server. Errors: those of DiskTier::open() and RedisTier::make().
Expected<std::unique_ptr<EncodedPictures>> make_picture_cache(const EngineOptions& options, const std::string& model);

/// Thread safety: any thread.
class EncodedPictures {
 public:
  /// `model` names the weights. `below` may be null.
  EncodedPictures(std::string model, int64_t max_bytes, const std::shared_ptr<TieredCache>& below,
                  std::optional<double> ttl_ms = std::nullopt);

  /// The same where it is there. False: it is not.
  Expected<bool> restore(const LookPlan& look, bool has_exact_pixels, Picture& picture);

  /// What was computed before, by anybody who has the same picture and looks at it in the same way, or else what
  /// `encode` makes of it now; callers at the same time compute it once. True: `encode` was not called, and the picture
  /// is as if it had been.
  Expected<bool> restore_or_encode(const LookPlan& look, bool has_exact_pixels, FunctionRef<Status()> encode,
                                   const WaitLimits& limits, Picture& picture);

  /// Ways in which the picture was encoded; those of a plan's processing_of() any plan of these levers can go on from.
  std::vector<KnownLook> known(const Picture& picture);

  CacheStats stats() const { return pictures_.stats(); }
  void forget();

 private:
  CacheKey key_of(const LookPlan& look, bool has_exact_pixels, const Picture& picture) const;
  CacheKey looks_key(const Picture& picture) const;
  void remember(const LookPlan& look, bool has_exact_pixels, const Picture& picture);

  const std::string model_;
  ObjectCache<EncodedPicture> pictures_;
  std::mutex looks_mutex_;  // of reading and writing what is known of a picture
  ObjectCache<KnownLooks> looks_;
};

}  // namespace saccade
