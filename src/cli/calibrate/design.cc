#include "cli/calibrate/design.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace saccade {
namespace {

constexpr double kPriorQuestions = 10;

bool is_safer(const PlanPoint& a, const PlanPoint& b) {
  return a.loss != b.loss ? a.loss < b.loss : a.ms < b.ms;
}

// Whether it sets how to look at pictures that it does not look at.
bool is_redundant(const Levers& levers) {
  if (levers.pictures().all == PictureUse::kLook) return false;
  return std::ranges::any_of(std::array{Lever::kScale, Lever::kSkip, Lever::kEncoderLayers, Lever::kKeep},
                             [&](Lever lever) { return levers[lever] != Levers()[lever]; });
}

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
  std::erase_if(plans, is_redundant);
  return plans;
}

int num_moved(const Levers& levers) {
  int sum = 0;
  for (size_t i = 0; i < kNumLevers; ++i) sum += levers.values[i] != Levers().values[i] ? 1 : 0;
  return sum;
}

int num_steps(const LeverOptions& options, const Levers& levers) {
  int sum = 0;
  for (size_t i = 0; i < kNumLevers; ++i) {
    sum += static_cast<int>(std::ranges::find(options[i], levers.values[i]) - options[i].begin());
  }
  return sum;
}

std::vector<LossPoint> monotone(std::vector<LossPoint> points, std::span<const double> weights) {
  struct Pool {
    double loss;
    double weight;
    size_t count;
  };
  std::vector<Pool> pools;
  for (size_t i = 0; i < points.size(); ++i) {
    pools.push_back({i == 0 ? 0 : std::max(0.0, points[i].loss), weights[i], 1});
    while (pools.size() > 1 && pools[pools.size() - 2].loss > pools.back().loss) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& before = pools.back();
      const double weight = before.weight + last.weight;
      before = {(before.loss * before.weight + last.loss * last.weight) / weight, weight, before.count + last.count};
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
    std::vector<double> weights = {1};
    for (const double value : options[i]) {
      Levers levers;
      levers.values[i] = value;
      const PlanMeans means = book.means(levers, questions);
      if (levers.is_full() || book.is_refused(levers) || means.num_questions == 0) continue;
      const auto count = static_cast<double>(means.num_questions);
      double loss = means.loss;
      if (prior != nullptr) {
        loss = (loss * count + expected_loss(*prior, static_cast<Lever>(i), value) * kPriorQuestions) /
               (count + kPriorQuestions);
      }
      points.push_back({value, loss});
      weights.push_back(count);
    }
    quality.curves[i] = monotone(std::move(points), weights);
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

std::vector<Levers> spread_over_front(std::vector<PlanPoint> points, int count, double max_loss) {
  std::ranges::stable_sort(points, is_safer);
  std::vector<PlanPoint> front;
  for (const PlanPoint& point : points) {
    if (point.loss <= max_loss && (front.empty() || point.ms < front.back().ms)) front.push_back(point);
  }
  std::vector<Levers> chosen;
  for (int i = 0; i < count && !front.empty(); ++i) {
    const double share = count == 1 ? 1 : static_cast<double>(i) / (count - 1);
    const double wanted = std::log(front.front().ms) + share * std::log(front.back().ms / front.front().ms);
    const auto distance = [&](const PlanPoint& point) { return std::abs(std::log(point.ms) - wanted); };
    const Levers& nearest = std::ranges::min_element(front, {}, distance)->levers;
    if (!nearest.is_full() && std::ranges::find(chosen, nearest) == chosen.end()) chosen.push_back(nearest);
  }
  return chosen;
}

std::vector<Levers> choose_ladder(std::vector<PlanPoint> points, double full_ms, double max_loss, size_t max_rungs) {
  std::ranges::stable_sort(points, is_safer);
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
