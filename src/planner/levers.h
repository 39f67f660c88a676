// A point among the plans that the planner compares: one setting of each lever, in shares of the full plan so that it
// means the same for pictures of any size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "saccade/plan.h"

namespace saccade {

enum class Lever : uint8_t {
  kScale,          // sides of the picture
  kSkip,           // what equals its neighbours is not looked at: an index into kSkips
  kEncoderLayers,  // that run
  kKeep,           // visual tokens
  kLayers,         // of the decoder that run, or that visual tokens go through
};
inline constexpr size_t kNumLevers = 5;

/// "scale", "skip", ...
const char* lever_name(Lever lever);

/// Ways to leave out what equals its neighbours, the safest first.
struct SkipChoice {
  int levels = -1;  // Plan::skip_equal; -1: nothing is left out
  int margin = 1;
};
inline constexpr std::array<SkipChoice, 4> kSkips = {{{-1, 1}, {0, 1}, {8, 1}, {8, 0}}};

struct Levers {
  std::array<double, kNumLevers> values = {1, 0, 1, 1, 1};

  double operator[](Lever lever) const { return values[static_cast<size_t>(lever)]; }
  double& operator[](Lever lever) { return values[static_cast<size_t>(lever)]; }
  const SkipChoice& skip() const { return kSkips[static_cast<size_t>((*this)[Lever::kSkip])]; }
  bool is_full() const { return values == Levers().values; }
  bool operator==(const Levers&) const = default;
};

/// The settings of each lever that may be combined, the safest first, none of them empty.
using LeverOptions = std::array<std::vector<double>, kNumLevers>;

inline const std::vector<double>& options_of(const LeverOptions& options, Lever lever) {
  return options[static_cast<size_t>(lever)];
}
inline std::vector<double>& options_of(LeverOptions& options, Lever lever) {
  return options[static_cast<size_t>(lever)];
}

/// `fixed` with what it leaves unset as the levers say. `strategy` chooses the tokens that are kept.
Plan to_plan(const Levers& levers, const Plan& fixed, const std::string& strategy);

/// Whether that is the plan of the levers alone: only then is what was measured of them true of it.
bool is_plan_of_levers(const Levers& levers, const Plan& fixed, const std::string& strategy);

}  // namespace saccade
