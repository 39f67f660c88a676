// One machine among many requests: who gets how good a plan, so that all are in time.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace saccade {

/// A way to answer a request.
struct WorkOption {
  double work_ms = 0;
  double loss = 0;  // expected
};

/// Those that no other beats in both, as Contender::options has them; of more than `most`, the ends and some between.
std::vector<WorkOption> thinned_front(std::vector<WorkOption> options, size_t most);

/// A request among others.
struct Contender {
  double deadline_ms = std::numeric_limits<double>::infinity();  // from now
  std::vector<WorkOption>
      options;  // not empty; more work is less loss, strictly ascending. One: nothing is left to choose
};

struct SharedOut {
  std::vector<size_t> choices;  // for each contender, of its options
  std::vector<size_t> late;     // that miss their deadlines whatever is chosen; their choice is the least work
  double loss = 0;              // in sum
};

/// Chooses options so that each contender ends by its deadline where they work one after the other, in the order they
/// are given, and lose as little as possible in sum: a multiple-choice knapsack for each deadline. Greedy by loss per
/// millisecond (Sinha and Zoltners, Operations Research 27(3), 1979): who loses least gives way first.
/// A contender that can't be in time counts as late and stands in nobody's way but by its least work.
SharedOut share_out(std::span<const Contender> contenders);

}  // namespace saccade
