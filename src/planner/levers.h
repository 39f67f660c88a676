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
  kPictures,       // what is given in their place: an index into kPictureUses
};
inline constexpr size_t kNumLevers = 6;

/// "scale", "skip", ...
const char* lever_name(Lever lever);

/// Ways to leave out what equals its neighbours, the safest first.
struct SkipChoice {
  int levels = -1;  // Plan::skip_equal; -1: nothing is left out
  int margin = 1;
};
inline constexpr std::array<SkipChoice, 4> kSkips = {{{-1, 1}, {0, 1}, {8, 1}, {8, 0}}};

/// Ways not to look at pictures, the safest first.
struct PictureUses {
  PictureUse earlier = PictureUse::kLook;  // Plan::earlier_pictures
  PictureUse all = PictureUse::kLook;      // Plan::pictures
};
inline constexpr std::array<PictureUses, 5> kPictureUses = {{{PictureUse::kLook, PictureUse::kLook},
                                                             {PictureUse::kText, PictureUse::kLook},
                                                             {PictureUse::kNone, PictureUse::kLook},
                                                             {PictureUse::kText, PictureUse::kText},
                                                             {PictureUse::kNone, PictureUse::kNone}}};

/// Whether its settings are indices, which ascend and have nothing between them, or shares, which descend.
constexpr bool is_index(Lever lever) {
  return lever == Lever::kSkip || lever == Lever::kPictures;
}

struct Levers {
  std::array<double, kNumLevers> values = {1, 0, 1, 1, 1, 0};

  double operator[](Lever lever) const { return values[static_cast<size_t>(lever)]; }
  double& operator[](Lever lever) { return values[static_cast<size_t>(lever)]; }
  const SkipChoice& skip() const { return kSkips[static_cast<size_t>((*this)[Lever::kSkip])]; }
  const PictureUses& pictures() const { return kPictureUses[static_cast<size_t>((*this)[Lever::kPictures])]; }
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

}  // namespace saccade
