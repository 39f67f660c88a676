// How long answers are, by the class of the question.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace saccade {

struct LengthForecast {
  double median = 1;
  double p95 = 1;
};

/// Quantiles of the last answers of each class. Thread safety: one thread.
class AnswerLengths {
 public:
  /// In tokens, of which there will be no more than `max_tokens`.
  LengthForecast forecast(const std::string& task_class, int64_t max_tokens) const;
  /// Of an answer that ended by itself, or at its own limit.
  void add(const std::string& task_class, int64_t num_tokens);

  /// The lengths that forecasts go by, of each class, the oldest first: added in this order they make the same
  /// forecasts.
  std::map<std::string, std::vector<int64_t>> recent() const;

 private:
  static constexpr size_t kSize = 64;
  struct Recent {
    std::array<int64_t, kSize> lengths = {};
    size_t count = 0;
  };
  std::map<std::string, Recent> recent_;
};

}  // namespace saccade
