// What a plan costs on this machine: operators' rooflines, corrected by what was measured of each stage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "planner/hardware.h"
#include "planner/model_shape.h"
#include "planner/residual.h"

namespace saccade {

/// Stages that are predicted apart.
enum class CostStage : uint8_t {
  kMedia,     // picture files to pixels, resized, and what of them need not be looked at
  kEncode,    // the vision tower and its projector
  kCompress,  // choosing tokens
  kPrefill,
  kDecode,  // of a token of the answer
};
inline constexpr size_t kNumCostStages = 5;
const char* cost_stage_name(CostStage stage);

/// Points at which the rest of an answer is predicted anew.
enum class Checkpoint : uint8_t { kStart, kMedia, kEncode, kPrefill };
inline constexpr size_t kNumCheckpoints = 4;

using StageMs = std::array<double, kNumCostStages>;

/// Thread safety: one thread at a time.
class CostModel {
 public:
  CostModel(const ModelShape& shape, const Hardware& hardware) : CostModel(shape, hardware, hardware) {}
  /// Where the tower's weights are of another type, which the machine multiplies at other rates.
  CostModel(const ModelShape& shape, Hardware hardware, Hardware tower_hardware);

  const ModelShape& shape() const { return shape_; }
  const Hardware& hardware() const { return hardware_; }
  const Hardware& tower_hardware() const { return tower_hardware_; }

  // Rooflines: milliseconds before any correction.
  double media_ms(double file_pixels, double resized_pixels) const;
  double resize_ms(double file_pixels, double resized_pixels) const;  // the part of it that resizing has
  double encode_ms(const TowerLoad& load) const;
  double compress_ms(double num_tokens, double num_kept) const;
  double decoder_ms(const DecoderLoad& load) const;

  /// A roofline as this machine would take it.
  double corrected_ms(CostStage stage, double roofline_ms) const;
  const StageResidual& residual(CostStage stage) const { return residuals_[static_cast<size_t>(stage)]; }
  StageResidual& residual(CostStage stage) { return residuals_[static_cast<size_t>(stage)]; }

  /// How much longer than predicted the rest takes behind a checkpoint: what is over it in one case of twenty.
  double p95_factor(Checkpoint checkpoint) const;
  /// Measured over predicted milliseconds of the rest of an answer behind a checkpoint.
  void add_rest(Checkpoint checkpoint, double predicted_ms, double measured_ms);

 private:
  ModelShape shape_;
  Hardware hardware_;
  Hardware tower_hardware_;
  std::array<StageResidual, kNumCostStages> residuals_;
  std::array<RecentQuantiles, kNumCheckpoints> rests_;
};

}  // namespace saccade
