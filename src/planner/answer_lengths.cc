#include "planner/answer_lengths.h"

#include <algorithm>

namespace saccade {
namespace {

// Before any answer was seen: a short sentence.
constexpr double kFirstMedian = 16;
constexpr double kFirstP95 = 64;
constexpr size_t kEnough = 5;

}  // namespace

LengthForecast AnswerLengths::forecast(const std::string& task_class, int64_t max_tokens) const {
  LengthForecast forecast = {kFirstMedian, kFirstP95};
  const auto found = recent_.find(task_class);
  if (found != recent_.end() && found->second.count >= kEnough) {
    const size_t size = std::min(kSize, found->second.count);
    std::array<int64_t, kSize> sorted = found->second.lengths;
    std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(size));
    forecast.median = static_cast<double>(sorted[size / 2]);
    forecast.p95 = static_cast<double>(sorted[std::min(size - 1, size * 95 / 100)]);
  }
  const auto most = static_cast<double>(std::max<int64_t>(1, max_tokens));
  return {std::min(forecast.median, most), std::min(forecast.p95, most)};
}

void AnswerLengths::add(const std::string& task_class, int64_t num_tokens) {
  Recent& recent = recent_[task_class];
  recent.lengths[recent.count++ % kSize] = num_tokens;
}

std::map<std::string, std::vector<int64_t>> AnswerLengths::recent() const {
  std::map<std::string, std::vector<int64_t>> all;
  for (const auto& [task_class, recent] : recent_) {
    const size_t size = std::min(kSize, recent.count);
    std::vector<int64_t>& lengths = all[task_class];
    for (size_t i = recent.count - size; i < recent.count; ++i) lengths.push_back(recent.lengths[i % kSize]);
  }
  return all;
}

}  // namespace saccade
