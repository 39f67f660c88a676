#include <algorithm>
#include <array>

#include "saccade/plan.h"

namespace saccade {
namespace {

constexpr std::array<const char*, 3> kNames = {"auto", "low", "high"};  // in the order of the enumerators

}  // namespace

const char* to_string(Detail detail) {
  return kNames.at(static_cast<size_t>(detail));
}

std::optional<Detail> parse_detail(std::string_view text) {
  const auto* const found = std::ranges::find(kNames, text);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Detail>(found - kNames.begin());
}

}  // namespace saccade
