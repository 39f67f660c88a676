// How long a plan takes: p50 and p99 over random requests with all the options of the small model.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "planner/testing/random_requests.h"
#include "platform/clock.h"

int main() {
  using namespace saccade;
  RandomRequests random(1);
  std::vector<double> times_ms;
  double num_compared = 0;
  for (int i = 0; i < 2000; ++i) {
    const CostModel costs(random.shape(), random.hardware());
    const QualityTable table = published_priors();
    PlanRequest request = random.request();
    request.options = {{{1, 0.875, 0.75, 0.625, 0.5, 0.375},
                        {0, 1, 2, 3},
                        {1, 0.92, 0.83, 0.75, 0.67, 0.58, 0.5},
                        {1, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125, 0.0625},
                        {1, 0.9, 0.8, 0.7, 0.6, 0.5},
                        {0}}};
    request.facts.looks.clear();
    for (const double scale : request.options[0]) {
      request.facts.looks.push_back({scale, 576 * scale * scale, 1, 576 * scale * scale, 1e5});
    }
    request.budget.max_latency_ms = random.between(1, 1000);
    const Stopwatch clock;
    const PlanChoice choice = Planner(costs, table).choose(request);
    times_ms.push_back(clock.elapsed_ms());
    num_compared += static_cast<double>(choice.num_compared) / 2000;
  }
  std::ranges::sort(times_ms);
  std::printf("%.0f candidates: p50 %.3f ms, p99 %.3f ms, most %.3f ms\n", num_compared, times_ms[1000], times_ms[1980],
              times_ms.back());
  return 0;
}
