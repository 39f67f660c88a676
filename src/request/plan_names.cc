#include <algorithm>
#include <array>

#include "saccade/plan.h"

namespace saccade {
namespace {

// In the order of the enumerators.
constexpr std::array<const char*, 3> kDetails = {"auto", "low", "high"};
constexpr std::array<const char*, 3> kPictureUses = {"look", "text", "none"};

template <typename Enum>
std::optional<Enum> find_name(const std::array<const char*, 3>& names, std::string_view text) {
  const auto* const found = std::ranges::find(names, text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

const char* to_string(Detail detail) {
  return kDetails.at(static_cast<size_t>(detail));
}

std::optional<Detail> parse_detail(std::string_view text) {
  return find_name<Detail>(kDetails, text);
}

const char* to_string(PictureUse use) {
  return kPictureUses.at(static_cast<size_t>(use));
}

std::optional<PictureUse> parse_picture_use(std::string_view text) {
  return find_name<PictureUse>(kPictureUses, text);
}

}  // namespace saccade
