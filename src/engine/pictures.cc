#include "engine/pictures.h"

#include <xxhash.h>

#include "engine/stage_timer.h"

namespace saccade {
namespace {

// A JPEG decoded at barely the size it is resized to has lost more than the resizing would take: worst 38.8 dB, with
// this margin 47.7 dB (docs/decisions/jpegs_are_decoded_small.md).
constexpr double kReductionMargin = 1.5;

ImageSize enlarged(ImageSize size, double factor) {
  return {static_cast<int>(size.width * factor), static_cast<int>(size.height * factor)};
}

Status in_picture(const Picture& picture, const Status& status) {
  return status.with_context(picture.media.name());
}

Expected<Picture> open_picture(const ContentPart& part, const PixelSpec& spec, const ImageLimits& limits) {
  SACCADE_ASSIGN_OR_RETURN(MediaBytes media, MediaBytes::open(part, limits.max_file_bytes));
  Picture picture = {std::move(media), {}, {}, {}};
  const auto header = probe_image(picture.media.bytes(), limits);
  if (!header) return in_picture(picture, header.status());
  picture.facts.size = {header->width, header->height};
  picture.facts.digest = XXH3_64bits(picture.media.bytes().data(), picture.media.bytes().size());
  const auto layout = plan_pixels(picture.facts.size, spec);
  if (!layout) return in_picture(picture, layout.status());
  picture.layout = *layout;
  return picture;
}

}  // namespace

Expected<PixelBatch> read_pixels(const Picture& picture, const Model& model, const PictureOptions& options,
                                 ThreadPool& pool, StageTimes& stages) {
  const ImageSize smallest =
      options.has_exact_pixels ? picture.facts.size : enlarged(picture.layout.resized, kReductionMargin);
  DecodedImage decoded;
  {
    const StageTimer timer(stages.media_decode);
    auto read = decode_reduced(picture.media.bytes(), smallest, options.limits);
    if (!read) return in_picture(picture, read.status());
    decoded = *std::move(read);
  }
  const StageTimer timer(stages.resize);
  auto pixels = prepare_pixels(decoded, model.vision->pixel_spec(), pool);
  if (!pixels) return in_picture(picture, pixels.status());
  return pixels;
}

Expected<std::vector<Picture>> open_pictures(const Request& request, const Model& model, const ImageLimits& limits) {
  std::vector<Picture> pictures;
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::kImage) continue;
      if (model.vision == nullptr) {
        return invalid_argument("the request has a picture, but " + model.files->language_file().path() +
                                " is a language model alone; give its vision part with --mmproj FILE");
      }
      SACCADE_ASSIGN_OR_RETURN(Picture picture, open_picture(part, model.vision->pixel_spec(), limits));
      pictures.push_back(std::move(picture));
    }
  }
  return pictures;
}

Status encode_picture(const Model& model, const PictureOptions& options, ThreadPool& pool,
                      const ProgressFunction& progress, Picture& picture, StageTimes& stages) {
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, read_pixels(picture, model, options, pool, stages));
  const Stopwatch clock;
  EncodeTrace trace;
  auto pieces = model.vision->encode(pixels, {}, pool, trace, progress);
  stages.project += trace.project_ms;
  stages.encode += clock.elapsed_ms() - trace.project_ms;  // the time of an encode that was stopped, too
  if (!pieces) return in_picture(picture, pieces.status());
  picture.pieces = *std::move(pieces);
  return {};
}

const MediaTokens* find_vectors(const std::vector<Picture>& pictures, const MediaRun& run) {
  int media_idx = 0;
  for (const MediaPiece& piece : pictures[static_cast<size_t>(run.picture_idx)].pieces) {
    const auto* tokens = std::get_if<MediaTokens>(&piece);
    if (tokens != nullptr && media_idx++ == run.media_idx) return tokens;
  }
  return nullptr;
}

}  // namespace saccade
