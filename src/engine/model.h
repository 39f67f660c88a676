// Everything that a model's files become: the parts that the stages of an answer are run with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "compression/strategy.h"
#include "compression/token_scorer.h"
#include "decoder/decoder.h"
#include "decoder/layer_scheduler.h"
#include "encoder/vision_encoder.h"
#include "saccade/status.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "weights/model_files.h"

namespace saccade {

/// Tokens of context where nobody asks for another number, and the model was made for as many.
inline constexpr int64_t kDefaultContext = 4096;

/// Thread safety: const after load.
struct Model {
  std::unique_ptr<const ModelFiles> files;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const VisionEncoder> vision;  // null for a language model alone
  std::unique_ptr<const Decoder> decoder;
  std::unique_ptr<const LayerScheduler> scheduler;  // null where the model has none
  // Who chose the visual tokens in its training (PruMerge), which then stood side by side; null where all stayed.
  const Strategy* own_strategy = nullptr;
  std::unique_ptr<const TokenScorer> token_scorer;  // null where the model has none
  // Layers that the model was trained to do without, those first that it misses least (skip_order.h); empty of others.
  std::vector<int64_t> encoder_skip_order;
  std::vector<int64_t> decoder_skip_order;
  std::optional<ChatTemplate> chat_template;

  /// "llama+llava", or "llama" for a language model alone.
  std::string family() const;

  /// Whether it brings what the strategy needs of a model.
  bool can_choose_by(const Strategy& strategy) const {
    return strategy.question_scores != Need::kRequired || token_scorer != nullptr;
  }

  /// Errors: those of the files, with their paths in the message; kUnsupported where the two parts do not belong
  /// together, or a control token of the pictures (by name) is missing in the vocabulary.
  /// With a `pool`, weights are packed for the active ISA, which is what makes them fast; `progress` is told the share
  /// done and may return false to cancel (kCancelled).
  /// `enlarges_pictures` false: as EngineOptions says.
  static Expected<Model> load(const std::string& model_path, const std::string& mmproj_path, ThreadPool* pool = nullptr,
                              const ProgressFunction& progress = {}, bool enlarges_pictures = true);
  /// The same without words: no tokenizer and no chat template, for reckoning with outlines
  /// (weights/convert/outline.h).
  static Expected<Model> outline(ModelFiles files);

 private:
  Status load_decoder(ThreadPool* pool, const ProgressFunction& progress);
  Status load_vision(ThreadPool* pool, bool enlarges_pictures);
};

}  // namespace saccade
