#include "cli/calibrate/design.h"

#include <algorithm>
#include <cmath>

namespace saccade {
namespace {

constexpr double kPriorQuestions = 10;

}  // namespace

std::vector<Levers> one_lever_plans(const LeverOptions& options) {
  std::vector<Levers> plans;
  for (size_t i = 0; i < kNumLevers; ++i) {
    for (size_t k = 1; k < options[i].size(); ++k) {
      plans.emplace_back().values[i] = options[i][k];
    }
  }
  return plans;
}

std::vector<Levers> all_plans(const LeverOptions& options) {
  std::vector<Levers> plans = {{}};
  for (size_t i = 0; i < kNumLevers; ++i) {
    std::vector<Levers> more;
    for (const Levers& plan : plans) {
      for (const double value : options[i]) {
        more.push_back(plan);
        more.back().values[i] = value;
      }
    }
    plans = std::move(more);
  }
  return plans;
}

std::vector<LossPoint> monotone(std::vector<LossPoint> points) {
  struct Pool {
    double loss;
    size_t count;
  };
  std::vector<Pool> pools;
  for (size_t i = 0; i < points.size(); ++i) {
    pools.push_back({i == 0 ? 0 : std::max(0.0, points[i].loss), 1});
    while (pools.size() > 1 && pools[pools.size() - 2].loss > pools.back().loss) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& before = pools.back();
      const auto count = static_cast<double>(before.count + last.count);
      before.loss = (before.loss * static_cast<double>(before.count) + last.loss * static_cast<double>(last.count)) / count;
      before.count += last.count;
    }
  }
  size_t i = 0;
  for (const Pool& pool : pools) {
    for (size_t k = 0; k < pool.count; ++k) points[i++].loss = pool.loss;
  }
  return points;
}

ClassQuality fit_curves(const AnswerBook& book, const LeverOptions& options, std::span<const int64_t> questions,
                        const ClassQuality* prior) {
  ClassQuality quality;
  for (size_t i = 0; i < kNumLevers; ++i) {
    std::vector<LossPoint> points = {{Levers().values[i], 0}};
    for (const double value : options[i]) {
      Levers levers;
      levers.values[i] = value;
      const PlanMeans means = book.means(levers, questions);
      if (levers.is_full() || book.is_refused(levers) || means.num_questions == 0) continue;
      double loss = means.loss;
      if (prior != nullptr) {
        const auto count = static_cast<double>(means.num_questions);
        loss = (loss * count + expected_loss(prior->curves[i], value) * kPriorQuestions) / (count + kPriorQuestions);
      }
      points.push_back({value, loss});
    }
    quality.curves[i] = monotone(std::move(points));
  }
  return quality;
}

PlanCosts::PlanCosts(const AnswerBook& book, const LeverOptions& options, std::span<const int64_t> questions)
    : full_(book.means({}, questions)) {
  for (const Levers& levers : one_lever_plans(options)) {
    const PlanMeans means = book.means(levers, questions);
    if (means.num_questions > 0) alone_.emplace_back(levers, means);
  }
}

double PlanCosts::measured_ms(const PlanMeans& means) const {
  const auto ms_of = [](double flops, double full_flops, double full_ms) {
    return full_flops > 0 ? flops / full_flops * full_ms : 0;
  };
  return means.prepare_ms + means.compress_ms + ms_of(means.flops.encode, full_.flops.encode, full_.encode_ms) +
         ms_of(means.flops.prefill, full_.flops.prefill, full_.prefill_ms) +
         ms_of(means.flops.decode, full_.flops.decode, full_.decode_ms);
}

double PlanCosts::predicted_ms(const Levers& levers) const {
  PlanMeans means = full_;
  for (const auto& [moved, alone] : alone_) {
    bool is_part = true;
    for (size_t i = 0; i < kNumLevers; ++i) {
      is_part = is_part && (moved.values[i] == Levers().values[i] || moved.values[i] == levers.values[i]);
    }
    if (!is_part) continue;
    means.prepare_ms += alone.prepare_ms - full_.prepare_ms;
    means.compress_ms += alone.compress_ms - full_.compress_ms;
    for (double FlopCounts::*stage : {&FlopCounts::encode, &FlopCounts::prefill, &FlopCounts::decode}) {
      if (full_.flops.*stage > 0) means.flops.*stage *= alone.flops.*stage / full_.flops.*stage;
    }
  }
  return measured_ms(means);
}

std::vector<Levers> spread_over_losses(std::span<const PlanPoint> points, int count, double max_loss) {
  std::vector<Levers> chosen;
  for (int i = 1; i <= count; ++i) {
    // Closer together where little is lost.
    const double share = static_cast<double>(i) / count;
    const double loss = max_loss * share * share;
    const PlanPoint* fastest = nullptr;
    for (const PlanPoint& point : points) {
      if (point.loss <= loss && (fastest == nullptr || point.ms < fastest->ms)) fastest = &point;
    }
    if (fastest == nullptr || std::ranges::find(chosen, fastest->levers) != chosen.end()) continue;
    chosen.push_back(fastest->levers);
  }
  return chosen;
}

std::vector<Levers> choose_ladder(std::vector<PlanPoint> points, double full_ms, double max_loss, size_t max_rungs) {
  std::ranges::stable_sort(
      points, [](const PlanPoint& a, const PlanPoint& b) { return a.loss != b.loss ? a.loss < b.loss : a.ms < b.ms; });
  std::vector<Levers> ladder;
  for (double step = 0.98; step > 0.2; step -= 0.01) {
    ladder.clear();
    double last_ms = full_ms;
    for (const PlanPoint& point : points) {
      if (point.loss > max_loss || point.ms > step * last_ms) continue;
      ladder.push_back(point.levers);
      last_ms = point.ms;
    }
    if (ladder.size() <= max_rungs) break;
  }
  return ladder;
}

}  // namespace saccade
