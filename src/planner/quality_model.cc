#include "planner/quality_model.h"

#include <algorithm>

namespace saccade {

const ClassQuality& QualityTable::of(const std::string& task_class) const {
  const auto found = classes.find(task_class);
  return found != classes.end() ? found->second : classes.at(kAnyClass);
}

double expected_loss(const ClassQuality& quality, Lever lever, double value) {
  const std::vector<LossPoint>& curve = quality.curves[static_cast<size_t>(lever)];
  if (lever == Lever::kPictures) {
    const auto point = std::ranges::find(curve, value, &LossPoint::value);
    if (point != curve.end()) return point->loss;
    return value == Levers()[lever] ? 0 : 1;
  }
  if (curve.empty()) return value >= 1 ? 0 : 1;
  if (curve.size() == 1) return value == curve[0].value ? curve[0].loss : 1;  // nothing but rest was tried
  // Settings may ascend (kSkip) or descend (shares).
  for (size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].value == value) return curve[i].loss;
    if (i + 1 == curve.size()) break;
    const LossPoint& a = curve[i];
    const LossPoint& b = curve[i + 1];
    if ((value - a.value) * (value - b.value) < 0) {
      return a.loss + (b.loss - a.loss) * (value - a.value) / (b.value - a.value);
    }
  }
  return curve.back().loss;
}

double expected_loss(const ClassQuality& quality, const Levers& levers) {
  for (const LadderRung& rung : quality.ladder) {
    if (rung.levers == levers) return rung.mean_loss;
  }
  double kept = 1;
  for (size_t lever = 0; lever < kNumLevers; ++lever) {
    kept *= 1 - expected_loss(quality, static_cast<Lever>(lever), levers.values[lever]);
  }
  return 1 - kept;
}

QualityTable published_priors() {
  QualityTable table;
  table.source = "published figures of other models";
  ClassQuality any;
  // Plain downscaling of questions about photographs, LLaVA-1.5 (2510.07143).
  any.curves[0] = {{1, 0}, {0.75, 0.015}, {0.5, 0.05}, {0.375, 0.10}, {0.25, 0.2}};
  // PixelPrune at 0 and at 8 levels.
  any.curves[1] = {{0, 0}, {1, 0.002}, {2, 0.01}, {3, 0.02}};
  // Towers are not trained to leave layers out; AdaLLaVA's decoder at 85 and 60 % (2503.10905, table 1) where they are.
  any.curves[2] = {{1, 0}, {0.85, 0.02}, {0.6, 0.05}, {0.5, 0.09}};
  // DivPrune at 192, 128, 64 and 32 of 576 (LLaVA-1.5-7B).
  any.curves[3] = {{1, 0}, {0.333, 0.02}, {0.222, 0.033}, {0.111, 0.063}, {0.056, 0.098}};
  // ShortV and AdaLLaVA-L at 85 and 60 %.
  any.curves[4] = {{1, 0}, {0.85, 0.017}, {0.6, 0.045}, {0.5, 0.09}};
  // What text in place of a picture loses is published of no model as it is used here, and what a model says blindly
  // of none: guesses, on the safe side, until a calibration tells.
  any.curves[5] = {{0, 0}, {1, 0.03}, {2, 0.1}, {3, 0.4}, {4, 0.6}};
  // Documents lose five times as much to lost tokens (Qwen3-VL-8B, DocVQA 94.5 to 77.7 at half, 2511.02650), and twice
  // to lost layers (TextVQA 58.2 to 47.7 at 60 %).
  ClassQuality reading = any;
  reading.curves[0] = {{1, 0}, {0.75, 0.06}, {0.5, 0.25}, {0.375, 0.45}, {0.25, 0.7}};
  reading.curves[3] = {{1, 0}, {0.5, 0.178}, {0.25, 0.35}, {0.1, 0.6}};
  reading.curves[4] = {{1, 0}, {0.85, 0.064}, {0.6, 0.18}, {0.5, 0.25}};
  reading.curves[5] = {{0, 0}, {1, 0.03}, {2, 0.1}, {3, 0.3}, {4, 0.95}};
  table.classes = {{kAnyClass, any}, {"read", reading}};
  return table;
}

}  // namespace saccade
