// How much of a picture is looked at and how much of the model thinks: the levers, each with a price in quality. What
// is left unset is as the model was made; all of it unset is the full plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saccade {

/// From decoder layer `layer` on only a share of the visual tokens is left, those that the last word of the prompt
/// looks at most: in that layer (PyramidDrop), or in the one before it (FastV).
struct LayerPruning {
  int64_t layer = 0;
  double keep_share = 1;  // of the tokens that entered the decoder
  bool ranks_before = false;
};

/// How finely a picture is looked at, as OpenAI's API calls it.
enum class Detail : uint8_t {
  kAuto,  // kLow for a picture that loses no pixels by it, else kHigh
  kLow,   // one look at the whole picture, of no more than 256 tokens where the model's family can
  kHigh,  // as the family does it
};

/// "auto", "low", "high".
const char* to_string(Detail detail);
std::optional<Detail> parse_detail(std::string_view text);

/// What the decoder is given of a picture.
enum class PictureUse : uint8_t {
  kLook,  // what it shows, as visual tokens
  kText,  // the model's own caption and transcription of it, made once
  kNone,  // nothing
};

/// "look", "text", "none".
const char* to_string(PictureUse use);
std::optional<PictureUse> parse_picture_use(std::string_view text);

struct Plan {
  // --- Instead of looking.
  PictureUse pictures = PictureUse::kLook;          // of all of them
  PictureUse earlier_pictures = PictureUse::kLook;  // of those before the last message, where that brings its own

  // --- Before the encoder.
  Detail detail = Detail::kHigh;  // of pictures that do not say otherwise (ContentPart::detail)
  // Each picture is looked at as finely as so many visual tokens allow; within what the model's family can take.
  // What it adds beside the picture (LLaVA-1.6's newlines) does not count.
  std::optional<int64_t> picture_tokens;
  // Sides of what the encoder is given, as a share of those it would be; within what the model's family can take.
  std::optional<double> scale;
  // The longest side of what the encoder is given, in pixels; within what the model's family can take.
  std::optional<int> resolution;
  bool crops_margins = false;  // empty margins are cut off first
  // Parts of the picture that equal what their neighbours say they are, within so many levels of 0..255, never enter
  // the encoder; those that stay count for them. 0: exactly equal.
  std::optional<int> skip_equal;
  // Of those, parts that are no more than so many steps, across edges, away from one that is looked at are looked at
  // after all. 1: what lies around things, too.
  int skip_equal_margin = 1;

  // --- In the encoder.
  int64_t merge = 0;  // pairs of patches that each layer merges, of each tile (ToMe)
  std::optional<double>
      encoder_keep;  // share of the patches that go through all layers; the others are restored (IPCV)
  std::optional<double> encoder_layers;  // share of its layers that run; needs a model that learned it

  // --- Behind the encoder.
  // Who chooses; empty: whom the model was trained with (AdaLLaVA with PruMerge), else "divprune", where `keep` is set.
  std::string strategy;
  std::optional<int64_t> keep;           // visual tokens of each picture
  std::optional<double> keep_share;      // the same as a share of those that it is laid out as; `keep` goes before
  std::optional<double> keep_threshold;  // for strategies that decide how many by themselves
  bool repacks_positions = false;        // kept tokens stand side by side, as models trained so always have them

  // --- In the decoder.
  // Share of its layers that visual tokens go through, or, of a model with a scheduler (AdaLLaVA), that run at all.
  std::optional<double> layers;
  std::vector<int64_t> skipped_layers;  // left out for all tokens
  std::vector<int64_t> frozen_layers;   // visual tokens stay as they are (ShortV)
  std::vector<LayerPruning> prunings;   // by layer, ascending
  // An answer's token leaves the decoder at the first of some layers where the next one has this probability.
  std::optional<double> exit;

  uint64_t seed = 0;  // of strategies that draw

  /// Whether pictures become the tokens that the full plan makes of them.
  bool looks_at_everything() const {
    return pictures == PictureUse::kLook && earlier_pictures == PictureUse::kLook && detail == Detail::kHigh &&
           !picture_tokens && !scale && !resolution && !crops_margins && !skip_equal && merge == 0 && !encoder_keep &&
           !encoder_layers && strategy.empty() && !keep && !keep_share && !keep_threshold;
  }
  /// Whether every row goes through all of the decoder.
  bool thinks_in_full() const {
    return !layers && skipped_layers.empty() && frozen_layers.empty() && prunings.empty() && !exit;
  }
  bool is_full() const { return looks_at_everything() && thinks_in_full(); }
};

/// Who may choose the visual tokens that are kept.
struct StrategyInfo {
  std::string name;
  std::string description;
};

/// In the order of help texts.
std::vector<StrategyInfo> known_strategies();

}  // namespace saccade
