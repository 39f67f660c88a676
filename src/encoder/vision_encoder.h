// A vision tower with its projector: pixels to vectors of the language model. One file per family beside this one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "encoder/encode_plan.h"
#include "encoder/media_tokens.h"
#include "media/pixel_batch.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "weights/model_files.h"

namespace saccade {

/// Times and intermediate results of one encode; the tensors are kept only when `keep_tensors`.
struct EncodeTrace {
  bool keep_tensors = false;
  double encode_ms = 0;
  double project_ms = 0;
  double multiply_adds = 0;  // of both, as many as were done
  // [num_patches of all tiles, vision_dim]: what the projector is given (CLS dropped), before the norm of Qwen2-VL's
  // merger. Rows are in the tower's own order: tiles one by one, patches row by row; Qwen2-VL: 2 x 2 patches together,
  // in Qwen2.5-VL window by window.
  Tensor encoder_output;
  // [num_tokens, model_dim], tiles in order, tokens row by row, before newlines or grids are arranged.
  Tensor projector_output;
};

/// The control tokens around a family's pictures, each of which must be one token of the vocabulary.
struct ControlTokens {
  std::vector<std::string> required;
  // Idefics3-8B spells these out as text where SmolVLM has a token for each: a vocabulary has all of them or none.
  std::vector<std::string> all_or_none;
};

/// Layers whose patches look at those of their window alone.
struct AttentionWindows {
  int64_t num_layers = 0;
  int64_t side_patches = 0;  // along a window that the picture's edge does not cut
};

/// Called with the share done, 0..1; returning false cancels (the encode returns kCancelled).
using ProgressFunction = std::function<bool(double fraction)>;

/// Thread safety: const after load; one encode at a time per ThreadPool.
class VisionEncoder {
 public:
  virtual ~VisionEncoder() = default;

  /// Picks the family by clip.projector_type (or the tensors, in files that lack it) from the registry. `model_dim` is
  /// the language model's width, which the projector must produce. Errors: kUnsupported names the projector type and
  /// the known ones; kCorruptData names a tensor or key.
  static Expected<std::unique_ptr<VisionEncoder>> load(const ModelFiles& files, int64_t model_dim);

  virtual std::string family() const = 0;  // "llava", "smolvlm", "qwen2_vl"
  virtual const PixelSpec& pixel_spec() const = 0;
  /// Whether its tokens want positions with a row and a column (M-RoPE), which the language model must then have.
  virtual bool has_2d_positions() const = 0;
  /// What this family's chat templates print for a picture, and the part of it that the pieces replace.
  virtual std::string image_marker() const = 0;
  virtual std::string image_placeholder() const = 0;
  /// Those of the marker around the placeholder, and of layout() for pictures of any size.
  virtual ControlTokens control_tokens() const = 0;

  /// Layers of the tower that an EncodePlan may leave out.
  virtual int num_layers() const = 0;
  virtual AttentionWindows windows() const { return {}; }

  /// The prompt pieces a picture of this size becomes, prepared as `spec` says: pixel_spec(), or that with other sizes
  /// (of tiles, pinpoints, edges, areas). Errors: kInvalidArgument for a spec that the family can't take, and those of
  /// plan_pixels().
  virtual Expected<std::vector<LayoutPiece>> layout(ImageSize original, const PixelSpec& spec) const = 0;
  /// Pixels along a side of the square that becomes one token.
  virtual int cell_side() const = 0;
  /// Of each token that layout() promises of a picture of this size and layout, the cell that it shows: all tiles' in
  /// order, row by row in each; -1 of fixed ones. By default a token for each cell.
  virtual std::vector<int32_t> token_cells(ImageSize original, const PixelLayout& layout) const;

  /// The same for pixel_spec().
  Expected<std::vector<LayoutPiece>> layout(ImageSize original) const { return layout(original, pixel_spec()); }

  /// The pieces of layout() with their vectors: of every picture that prepare_pixels() made of a spec which layout()
  /// takes. As much of it as `plan` says; by default everything. Errors: kInvalidArgument and kUnsupported where the
  /// pixels or the plan can't be taken, kCancelled.
  virtual Expected<std::vector<MediaPiece>> encode(const PixelBatch& pixels, const EncodePlan& plan, ThreadPool& pool,
                                                   EncodeTrace& trace, const ProgressFunction& progress) const = 0;

  virtual uint64_t num_parameters() const = 0;
  /// The type of most of its weights.
  virtual DType main_dtype() const = 0;

  /// From here on pixel_spec() and layout() are those of pictures that are not enlarged, but to whole tiles. For
  /// families that enlarge them beyond that; the others have nothing to change.
  virtual void keep_small_pictures() {}

  /// Packs the weights for the active ISA (weight_matrix.h). Throws std::bad_alloc. Optional.
  virtual void pack_weights(ThreadPool& pool) = 0;
};

}  // namespace saccade
