#include "planner/share_out.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace saccade {
namespace {

struct Exchange {
  size_t contender = 0;
  size_t option = 0;
  double loss_per_ms = 0;
};

class Sharing {
 public:
  explicit Sharing(std::span<const Contender> contenders) : contenders_(contenders), is_late_(contenders.size()) {
    for (const Contender& contender : contenders) choices_.push_back(contender.options.size() - 1);
  }

  SharedOut run() {
    while (const std::optional<size_t> missed = first_missed()) {
      const std::optional<Exchange> exchange = cheapest_saving(*missed);
      if (exchange) {
        choices_[exchange->contender] = exchange->option;
      } else {
        is_late_[*missed] = 1;
      }
    }
    while (const std::optional<Exchange> exchange = best_gain()) choices_[exchange->contender] = exchange->option;
    SharedOut result;
    for (size_t i = 0; i < contenders_.size(); ++i) {
      result.loss += contenders_[i].options[choices_[i]].loss;
      if (is_late_[i] != 0) result.late.push_back(i);
    }
    result.choices = std::move(choices_);
    return result;
  }

 private:
  std::optional<size_t> first_missed() const {
    double end_ms = 0;
    for (size_t i = 0; i < contenders_.size(); ++i) {
      end_ms += contenders_[i].options[choices_[i]].work_ms;
      if (end_ms > contenders_[i].deadline_ms && is_late_[i] == 0) return i;
    }
    return std::nullopt;
  }

  // Of those up to the one that would miss its deadline.
  std::optional<Exchange> cheapest_saving(size_t last) const {
    std::optional<Exchange> best;
    for (size_t i = 0; i <= last; ++i) {
      const std::vector<WorkOption>& options = contenders_[i].options;
      const WorkOption& now = options[choices_[i]];
      for (size_t option = 0; option < choices_[i]; ++option) {
        const double rate = (options[option].loss - now.loss) / (now.work_ms - options[option].work_ms);
        if (!best || rate < best->loss_per_ms) best = Exchange{i, option, rate};
      }
    }
    return best;
  }

  // What the last saving left over, given to whom it is worth most.
  std::optional<Exchange> best_gain() const {
    std::vector<double> spare_ms(contenders_.size());  // behind each, up to the next deadline that it would break
    double end_ms = 0;
    for (size_t i = 0; i < contenders_.size(); ++i) {
      end_ms += contenders_[i].options[choices_[i]].work_ms;
      spare_ms[i] = is_late_[i] != 0 ? 0 : contenders_[i].deadline_ms - end_ms;
    }
    for (size_t i = spare_ms.size(); i-- > 1;) spare_ms[i - 1] = std::min(spare_ms[i - 1], spare_ms[i]);
    std::optional<Exchange> best;
    for (size_t i = 0; i < contenders_.size(); ++i) {
      const std::vector<WorkOption>& options = contenders_[i].options;
      const WorkOption& now = options[choices_[i]];
      for (size_t option = choices_[i] + 1; option < options.size(); ++option) {
        const double more_ms = options[option].work_ms - now.work_ms;
        const double rate = (now.loss - options[option].loss) / more_ms;
        if (more_ms <= spare_ms[i] && (!best || rate > best->loss_per_ms)) best = Exchange{i, option, rate};
      }
    }
    return best;
  }

  const std::span<const Contender> contenders_;
  std::vector<size_t> choices_;
  std::vector<char> is_late_;
};

}  // namespace

std::vector<WorkOption> thinned_front(std::vector<WorkOption> options, size_t most) {
  std::ranges::sort(options, [](const WorkOption& a, const WorkOption& b) {
    return std::pair(a.work_ms, a.loss) < std::pair(b.work_ms, b.loss);
  });
  std::vector<WorkOption> front;
  for (const WorkOption& option : options) {
    if (!front.empty() && option.loss >= front.back().loss) continue;
    if (!front.empty() && option.work_ms <= front.back().work_ms) front.pop_back();
    front.push_back(option);
  }
  if (front.size() <= most) return front;
  std::vector<WorkOption> some;
  for (size_t i = 0; i < most; ++i) some.push_back(front[i * (front.size() - 1) / (most - 1)]);
  return some;
}

SharedOut share_out(std::span<const Contender> contenders) {
  return Sharing(contenders).run();
}

}  // namespace saccade
