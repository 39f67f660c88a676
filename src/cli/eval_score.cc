#include "cli/eval_score.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace saccade {
namespace {

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// Absolute slack for numbers that were written in decimal: 0.1 and 0.2 are 0.1 apart.
constexpr double kRounding = 1e-9;

}  // namespace

std::string normalize_answer(std::string_view text) {
  std::string normal;
  for (const char c : text) {
    if (!is_space(c)) {
      normal += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!normal.empty() && normal.back() != ' ') {
      normal += ' ';
    }
  }
  if (normal.ends_with(' ')) normal.pop_back();
  if (normal.ends_with('.')) normal.pop_back();
  return normal;
}

std::optional<double> leading_number(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    const bool is_number_part =
        std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.' || (c == '-' && digits.empty());
    if (is_number_part) {
      digits += c;
    } else if (!(c == ',' && !digits.empty()) && !(digits.empty() && (is_space(c) || c == '$'))) {
      break;
    }
  }
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end == digits.c_str() || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_right(const EvalItem& item, std::string_view answer) {
  const std::string normal = normalize_answer(answer);
  if (normal == normalize_answer(*item.answer)) return true;
  const auto equals = [&](const std::string& other) { return normal == normalize_answer(other); };
  if (std::ranges::any_of(item.accept, equals)) return true;
  if (!item.tolerance) return false;
  const auto value = leading_number(normal);
  return value && std::abs(*value - *leading_number(*item.answer)) <= *item.tolerance + kRounding;
}

}  // namespace saccade
