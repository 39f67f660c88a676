// From rendered spans and picture sizes to the rows of a prompt, before a pixel is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/model.h"
#include "media/pixel_batch.h"
#include "saccade/status.h"

namespace saccade {

/// What is known of a picture: from its header, or once it was looked at by a plan that thins it out.
struct PictureFacts {
  ImageSize size;
  uint64_t digest =
      0;  // of the file's bytes, and the plan, for telling whether a conversation still begins the same way
  std::optional<PixelSpec> spec = {};  // where it is not the encoder's own
  // Of each grid the tokens that are left, ascending among those laid out. Empty: all of all grids.
  std::vector<std::vector<int32_t>> kept = {};
  bool is_repacked = false;  // kept tokens stand side by side
};

/// A grid of visual tokens in the prompt: `media_idx` counts the MediaTokens among the encoder's pieces of a picture.
struct MediaRun {
  int picture_idx = 0;
  int media_idx = 0;
  int64_t first_row = 0;
  int64_t num_tokens = 0;
  int64_t num_laid_out = 0;    // before any was left out
  int32_t first_position = 0;  // what the places of its tokens are added to
  bool is_repacked = false;
};

/// Rows of the prompt, in order. All vectors have one entry per row.
struct Prompt {
  static constexpr TokenId kMediaRow = -1;

  std::vector<TokenId> tokens;           // kMediaRow where a visual token stands
  std::vector<TokenPosition> positions;  // final for text rows; visual rows get theirs with their vectors
  std::vector<uint64_t> fingerprints;    // equal prefixes of two prompts compute equal keys and values
  std::vector<MediaRun> media;
  int32_t next_position = 0;    // of the first generated token
  bool has_budget_row = false;  // the last row is a scheduler's (LayerScheduler::embed_budget), no token

  int64_t num_rows() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_visual() const;
  /// [num_rows]: which rows are visual tokens.
  std::vector<uint8_t> visual_rows() const;
  /// Puts a scheduler's row behind the others.
  void add_budget_row();
};

/// Tokenizes the spans and lays out the pictures, the n-th kImage span taking the n-th picture. Errors: those of the
/// encoder's layout; kInvalidArgument where the numbers of pictures and places for them differ.
Expected<Prompt> build_prompt(const Model& model, std::span<const PromptSpan> spans,
                              std::span<const PictureFacts> pictures);

/// [num_rows]: what a visual token that stands for several adds to the scores of its key, the logarithm of their
/// number. Empty where none does. `vectors` as below.
std::vector<float> key_biases(const Prompt& prompt, std::span<const MediaTokens* const> vectors);

/// Rows [first_row, num_rows) as the decoder takes them, and the positions of visual rows filled in. `vectors` holds,
/// for every entry of prompt.media that reaches past first_row, its MediaTokens (null for the others). A budget row is
/// left for the scheduler to fill.
Tensor embed_rows(const Model& model, Prompt& prompt, int64_t first_row, std::span<const MediaTokens* const> vectors);

}  // namespace saccade
