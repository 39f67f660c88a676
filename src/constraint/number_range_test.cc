#include "constraint/number_range.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "base/format.h"
#include "constraint/automaton.h"

namespace saccade {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kNumRanges = 30;
#else
constexpr int kNumRanges = 300;
#endif

// Absent where there is no such number.
std::shared_ptr<const Grammar> compile(const NumberBounds& bounds, bool is_integer) {
  GrammarBuilder builder;
  const NodeId start = bounded_number(builder, bounds, is_integer, builder.end());
  auto grammar = std::move(builder).build(start);
  return grammar ? std::make_shared<const Grammar>(*std::move(grammar)) : nullptr;
}

bool takes(const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
  if (grammar == nullptr) return false;
  ConstraintState state(grammar);
  for (const char c : text) {
    if (!state.advance(static_cast<uint8_t>(c))) return false;
  }
  return state.may_end();
}

std::optional<NumberBound> bound(const std::string& text, bool is_exclusive) {
  const auto decimal = Decimal::parse(text);
  EXPECT_TRUE(decimal) << text;
  return NumberBound{*decimal, is_exclusive};
}

TEST(NumberRangeTest, WholeNumbersOneByOne) {
  std::mt19937 random(1);
  for (int i = 0; i < kNumRanges && !HasFailure(); ++i) {
    const int scale = i % 3 == 0 ? 12 : 1200;
    const int low = static_cast<int>(random() % (2 * scale)) - scale;
    const int high = low + static_cast<int>(random() % scale) - 2;
    const bool is_open = random() % 2 == 0;
    const NumberBounds bounds = {bound(std::to_string(low), is_open), bound(std::to_string(high), is_open)};
    const auto grammar = compile(bounds, true);
    for (int value = -1300; value <= 2500; value += (value > -20 && value < 20) || scale == 12 ? 1 : 7) {
      const bool is_inside = is_open ? low < value && value < high : low <= value && value <= high;
      EXPECT_EQ(takes(grammar, std::to_string(value)), is_inside) << value << " in " << low << " to " << high;
    }
    EXPECT_FALSE(takes(grammar, "-0"));
  }
}

TEST(NumberRangeTest, DecimalNumbers) {
  std::mt19937 random(2);
  for (int i = 0; i < 300 && !HasFailure(); ++i) {
    double low = (static_cast<int>(random() % 4000) - 2000) / (i % 2 == 0 ? 100.0 : 8.0);
    double high = low + static_cast<int>(random() % 500) / 100.0;
    const bool is_open = random() % 2 == 0;
    const NumberBounds bounds = {bound(format("%.15g", low), is_open), bound(format("%.15g", high), is_open)};
    const auto grammar = compile(bounds, false);
    low = std::strtod(format("%.15g", low).c_str(), nullptr);
    high = std::strtod(format("%.15g", high).c_str(), nullptr);
    for (int k = 0; k < 40; ++k) {
      std::string text = format("%.*f", static_cast<int>(random() % 6),
                                low + (high - low) * (static_cast<int>(random() % 140) - 20) / 100.0);
      if (k == 0) text = format("%.15g", low);
      if (k == 1) text = format("%.15g", high) + (format("%.15g", high).find('.') == std::string::npos ? ".00" : "00");
      if (text.starts_with("-0") && text.find_first_of("123456789") == std::string::npos) continue;  // as it likes
      const double value = std::strtod(text.c_str(), nullptr);
      const bool is_inside = is_open ? low < value && value < high : low <= value && value <= high;
      EXPECT_EQ(takes(grammar, text), is_inside) << text << " in " << low << " to " << high << " open " << is_open;
    }
  }
}

TEST(NumberRangeTest, OneSided) {
  const auto at_least = compile({bound("-3", false), std::nullopt}, true);
  EXPECT_TRUE(takes(at_least, "-3"));
  EXPECT_TRUE(takes(at_least, "0"));
  EXPECT_TRUE(takes(at_least, "999999999999999999"));
  EXPECT_FALSE(takes(at_least, "-4"));
  const auto below = compile({std::nullopt, bound("0", true)}, false);
  EXPECT_TRUE(takes(below, "-0.1"));
  EXPECT_TRUE(takes(below, "-999999999999999"));
  EXPECT_FALSE(takes(below, "0"));
  EXPECT_FALSE(takes(below, "-0"));
  EXPECT_FALSE(takes(below, "-0.00"));
}

TEST(NumberRangeTest, ReadsDecimals) {
  const auto parts = [](const char* text) {
    const auto decimal = Decimal::parse(text);
    return decimal ? (decimal->is_negative ? "-" : "") + decimal->integer + "." + decimal->fraction : "none";
  };
  EXPECT_EQ(parts("1e-07"), "0.0000001");
  EXPECT_EQ(parts("-1.50"), "-1.5");
  EXPECT_EQ(parts("1.5e+3"), "1500.");
  EXPECT_EQ(parts("-0.0"), "0.");
  EXPECT_EQ(parts("0"), "0.");
  EXPECT_EQ(parts("1e30"), "none");
  EXPECT_EQ(parts("1e-30"), "none");
  EXPECT_EQ(parts("1e999999999"), "none");
}

}  // namespace
}  // namespace saccade
