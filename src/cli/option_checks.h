// Checks of option values whose messages say what may be given.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <limits>
#include <string>
#include <system_error>
#include <type_traits>

#include "base/format.h"

namespace saccade {

/// A number from `min` to `max`; a whole one for integer types.
template <typename Number>
CLI::Validator between(Number min, Number max) {
  const auto text_of = [](Number number) {
    if constexpr (std::is_integral_v<Number>) {
      return std::to_string(number);
    } else {
      return format("%g", static_cast<double>(number));
    }
  };
  const std::string range =
      max == std::numeric_limits<Number>::max() ? text_of(min) + " or more" : text_of(min) + " to " + text_of(max);
  const auto check = [min, max, range](const std::string& input) -> std::string {
    Number number = {};
    const auto [end, error] = std::from_chars(input.data(), input.data() + input.size(), number);
    const bool is_number = error == std::errc() && end == input.data() + input.size();
    if (is_number && number >= min && number <= max) return "";  // false for NaN
    return quote(input) + " is not a " + (std::is_integral_v<Number> ? "whole number, " : "number, ") + range;
  };
  return CLI::Validator(check, range);
}

/// A whole number, `min` or more.
template <typename Number>
CLI::Validator at_least(Number min) {
  return between(min, std::numeric_limits<Number>::max());
}

}  // namespace saccade
