// The pictures of a request: their files opened and their headers read before the prompt is laid out, then, unless the
// conversation holds them already, to vectors of the language model.
#pragma once

#include <vector>

#include "encoder/vision_encoder.h"
#include "engine/model.h"
#include "engine/prompt.h"
#include "media/image.h"
#include "platform/thread_pool.h"
#include "request/validate_request.h"
#include "saccade/receipt.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

struct Picture {
  MediaBytes media;
  PictureFacts facts;
  PixelLayout layout;              // of what the encoder is given
  std::vector<MediaPiece> pieces;  // empty until encoded
};

struct PictureOptions {
  ImageLimits limits;
  bool has_exact_pixels = false;  // false: a JPEG that will be shrunk anyway is decoded smaller
};

/// In the order of the request, which must outlive them. Errors: kInvalidArgument (a model without a vision
/// part), those of MediaBytes::open(), probe_image() and plan_pixels(), with the picture's name.
Expected<std::vector<Picture>> open_pictures(const Request& request, const Model& model, const ImageLimits& limits);

/// Decodes, resizes and normalises the picture, and adds the times to `stages`. Errors: those of decode_reduced() and
/// prepare_pixels(), with the picture's name.
Expected<PixelBatch> read_pixels(const Picture& picture, const Model& model, const PictureOptions& options,
                                 ThreadPool& pool, StageTimes& stages);

/// Encodes what read_pixels() reads into the picture's `pieces`. Errors: those of read_pixels() and
/// VisionEncoder::encode(), kCancelled among them, with the picture's name.
Status encode_picture(const Model& model, const PictureOptions& options, ThreadPool& pool,
                      const ProgressFunction& progress, Picture& picture, StageTimes& stages);

/// The vectors of a run of the prompt; null where its picture is not encoded.
const MediaTokens* find_vectors(const std::vector<Picture>& pictures, const MediaRun& run);

}  // namespace saccade
