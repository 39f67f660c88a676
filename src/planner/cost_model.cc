#include "planner/cost_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace saccade {
namespace {

constexpr double kCompareNsPerPixel = 1.5;  // of patches with their neighbours, at each of kSkips
constexpr double kFirstSpread = 0.2;        // of the rest of an answer, before any was measured

}  // namespace

const char* cost_stage_name(CostStage stage) {
  switch (stage) {
    case CostStage::kMedia:
      return "media";
    case CostStage::kEncode:
      return "encode";
    case CostStage::kCompress:
      return "compress";
    case CostStage::kPrefill:
      return "prefill";
    case CostStage::kDecode:
      return "decode";
  }
  return "";
}

CostModel::CostModel(const ModelShape& shape, Hardware hardware, Hardware tower_hardware)
    : shape_(shape),
      hardware_(std::move(hardware)),
      tower_hardware_(std::move(tower_hardware)),
      rests_{RecentQuantiles(kFirstSpread), RecentQuantiles(kFirstSpread), RecentQuantiles(kFirstSpread),
             RecentQuantiles(kFirstSpread)} {}

double CostModel::media_ms(double file_pixels, double resized_pixels) const {
  return file_pixels * hardware_.decode_ns_per_pixel / 1e6 + resize_ms(file_pixels, resized_pixels);
}

double CostModel::resize_ms(double file_pixels, double resized_pixels) const {
  return ((file_pixels + resized_pixels) * hardware_.resize_ns_per_pixel + resized_pixels * kCompareNsPerPixel) / 1e6;
}

double CostModel::encode_ms(const TowerLoad& load) const {
  if (!shape_.tower) return 0;
  return roofline_ms(tower_hardware_, tower_operators(*shape_.tower, load)) +
         roofline_ms(tower_hardware_, projector_operators(*shape_.tower, load.num_tokens));
}

double CostModel::compress_ms(double num_tokens, double num_kept) const {
  const auto dim = static_cast<double>(shape_.decoder.model_dim);
  return 2 * num_tokens * num_kept * dim / (hardware_.attention_gflops * 1e6);
}

double CostModel::decoder_ms(const DecoderLoad& load) const {
  return roofline_ms(hardware_, decoder_operators(shape_.decoder, load));
}

double CostModel::corrected_ms(CostStage stage, double roofline_ms) const {
  return roofline_ms <= 0 ? 0 : residual(stage).predict_ms(roofline_ms);
}

double CostModel::p95_factor(Checkpoint checkpoint) const {
  return std::exp(std::max(0.0, rests_[static_cast<size_t>(checkpoint)].p95()));
}

void CostModel::add_rest(Checkpoint checkpoint, double predicted_ms, double measured_ms) {
  if (!(predicted_ms > 0) || !(measured_ms > 0)) return;
  rests_[static_cast<size_t>(checkpoint)].add(std::log(measured_ms / predicted_ms));
}

}  // namespace saccade
