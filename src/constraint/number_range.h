// Numbers between bounds, as grammar over their digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "constraint/json_text.h"
#include "saccade/status.h"

namespace saccade {

/// A decimal number, digit by digit.
struct Decimal {
  bool is_negative = false;
  std::string integer;   // without leading zeros but for "0" itself
  std::string fraction;  // without trailing zeros; may be empty

  bool is_zero() const { return integer == "0" && fraction.empty(); }
  /// Of a JSON number; nothing where it has over kMaxDigits before or behind the point.
  static std::optional<Decimal> parse(std::string_view json);
  static constexpr size_t kMaxDigits = 18;
};

struct NumberBound {
  Decimal at;
  bool is_exclusive = false;
};

struct NumberBounds {
  std::optional<NumberBound> min;
  std::optional<NumberBound> max;
};

/// Whole numbers of up to 18 digits, or decimal ones of up to 15 digits without exponent: so many that no two of them
/// are the same double, and what keeps a bound here keeps it for whoever reads doubles. Leads nowhere where there is no
/// such number.
NodeId bounded_number(GrammarBuilder& builder, const NumberBounds& bounds, bool is_integer, NodeId next);

}  // namespace saccade
