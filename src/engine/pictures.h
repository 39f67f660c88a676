// The pictures of a request: their files opened and their headers read, then, unless the conversation holds them
// already, looked at as the request's plan says: to vectors of the language model.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cache/cache_key.h"
#include "compression/strategy.h"
#include "encoder/vision_encoder.h"
#include "engine/looks.h"
#include "engine/model.h"
#include "engine/prompt.h"
#include "media/image.h"
#include "platform/thread_pool.h"
#include "request/validate_request.h"
#include "saccade/look.h"
#include "saccade/plan.h"
#include "saccade/receipt.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

/// How finely a picture is to be looked at: what its PixelSpec is made by, once its size is known.
struct Fineness {
  PixelSpec whole;  // as the model's family looks
  int cell_px = 1;
  Detail detail = Detail::kHigh;
  std::optional<int64_t> max_tokens;
  std::optional<double> scale;
  std::optional<int> longest_side_px;
};

struct Picture {
  MediaBytes media;
  ImageSize original;          // the file's
  Sha256 content = {};         // of the file's bytes
  uint64_t media_digest = 0;   // of these, and its detail
  bool decodes_small = false;  // at barely the size that it is resized to
  PictureFacts facts;          // of what is left where margins are cut off
  Fineness fineness = {};
  PixelSpec spec = {};                  // as the encoder wants it, so fine
  PixelLayout layout = {};              // of what the encoder is given
  std::optional<Window> crop = {};      // of the original, where margins were cut off
  TokenFates fates = {};                // empty until encoded, and where the plan keeps all tokens
  std::vector<MediaPiece> pieces = {};  // empty until encoded

  void tell_layout(PictureReceipt& told) const;
};

/// What is known of a picture that a plan looked at, so that a prompt can be laid out, and compared with what the
/// conversation holds, before it is looked at again.
struct LookedAt {
  ImageSize size;
  std::optional<Window> crop;
  std::vector<std::vector<int32_t>> kept;
  TokenFates fates;
};

LookedAt remember(const Picture& picture);
/// Errors: those of plan_pixels().
Status recall(const LookedAt& looked_at, Picture& picture);
/// The opposite: set_fineness() is to lay the picture out anew.
void forget_look(Picture& picture);

struct PictureOptions {
  ImageLimits limits;
  bool has_exact_pixels = false;  // false: a JPEG that will be shrunk anyway is decoded smaller
};

/// How a request's pictures are looked at.
struct LookPlan {
  Plan plan;                           // its part up to the decoder
  const Strategy* strategy = nullptr;  // null: all tokens stay
  Tensor query;                        // the question's words, embedded by the decoder, where the strategy wants them
  uint64_t digest = 0;                 // of all this; 0 for the full plan
  bool may_change = false;             // on the way, as the time left says

  /// Whether the tokens that a picture becomes are known before it is decoded.
  bool keeps_layout() const;
};

/// `plan` in place of the request's. Errors: kInvalidArgument, kNotFound (no such strategy), kUnsupported (the model
/// can't), with the plan's field.
Expected<LookPlan> make_look_plan(const Model& model, const Request& request, const Plan& plan);

/// From here on the picture is looked at by the plan.
void set_look(const LookPlan& look, Picture& picture);

/// In the order of the request, which must outlive them. Errors: kInvalidArgument (a model without a vision
/// part), those of MediaBytes::open(), probe_image() and plan_pixels(), with the picture's name.
Expected<std::vector<Picture>> open_pictures(const Request& request, const Model& model, const PictureOptions& options);

/// Pixels that decoding makes of it, at most.
double most_decoded_pixels(const Picture& picture);

/// A picture of which nothing but the size is known, for reckoning. Errors: those of plan_pixels().
Expected<Picture> imagine_picture(ImageSize size, const Model& model, const Plan& plan);

/// Looks at an opened picture as finely as the plan says, instead of as the one that it was opened with. Errors: those
/// of plan_pixels(), with the picture's name.
Status set_fineness(const Plan& plan, Picture& picture);

/// Decodes the picture, no larger than its layout needs it, and crops it, which changes its facts and layout. Times are
/// added to `stages`. Errors: those of decode_reduced(), with the picture's name.
Expected<DecodedImage> decode_picture(const PictureOptions& options, const Plan& plan, Picture& picture,
                                      StageTimes& stages);
/// Resizes and normalises it by its layout, which may have become coarser. Errors: those of prepare_pixels().
Expected<PixelBatch> resize_picture(const DecodedImage& decoded, ThreadPool& pool, const Picture& picture,
                                    StageTimes& stages);
/// Both.
Expected<PixelBatch> read_pixels(const PictureOptions& options, const Plan& plan, ThreadPool& pool, Picture& picture,
                                 StageTimes& stages);

/// Which of the picture's tokens are looked at and which layers run. Errors: those of VisionEncoder::layout().
Expected<EncodePlan> plan_encoding(const Model& model, const LookPlan& look, const PixelBatch& pixels, ThreadPool& pool,
                                   Picture& picture, StageTimes& stages);

/// Before anything is left out: for plans that may. Errors: those of VisionEncoder::layout().
Status begin_fates(const Model& model, const LookPlan& look, Picture& picture);

/// Of the picture's tokens, the share that a plan with this skip_equal and margin would look at.
double measure_skip(const Model& model, const PixelBatch& pixels, ThreadPool& pool, const Picture& picture, int levels,
                    int margin);

/// Has the layers run that the plan says, in place of those that `encode` was made with.
void set_layers(const Model& model, const LookPlan& look, EncodePlan& encode);

/// Of laid out tokens, how many the encoder is to make.
int64_t num_seen(const EncodePlan& encode, int64_t num_laid_out);

/// Into the picture's `pieces`. Tokens, work and times go to the receipts. Errors: those of VisionEncoder::encode(),
/// kCancelled among them, with the picture's name.
Status encode_picture(const Model& model, const EncodePlan& encode, const PixelBatch& pixels, ThreadPool& pool,
                      const ProgressFunction& progress, Picture& picture, PictureReceipt& told, Receipt& receipt);

/// Thins out what was encoded as the plan says, with the kept tokens in facts.kept. Errors: those of reduce(), with the
/// picture's name.
Status compress_picture(const Model& model, const LookPlan& look, ThreadPool& pool, Picture& picture,
                        StageTimes& stages);

/// Has the encoder tell what the strategy goes by.
void add_needs(const Strategy& strategy, EncodePlan& encode);

/// The tokens of all its grids, before anything is left out. Errors: those of VisionEncoder::layout().
Expected<int64_t> count_laid_out(const Model& model, const Picture& picture);

/// The same as the model's family looks at the picture, however finely it is looked at here.
Expected<int64_t> count_full_tokens(const Model& model, const Picture& picture);

/// Those of the pieces that are tokens.
std::vector<const MediaTokens*> grids_of(const std::vector<MediaPiece>& pieces);

/// What became of the picture's cells: of one that was encoded or recalled, or that the plan keeps all tokens of.
PictureLook make_picture_look(const Model& model, const Picture& picture);

/// The vectors of a run of the prompt; null where its picture is not encoded.
const MediaTokens* find_vectors(const std::vector<Picture>& pictures, const MediaRun& run);

}  // namespace saccade
