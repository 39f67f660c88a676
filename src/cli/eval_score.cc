#include "cli/eval_score.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/format.h"

namespace saccade {
namespace {

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// Absolute slack for numbers that were written in decimal: 0.1 and 0.2 are 0.1 apart.
constexpr double kRounding = 1e-9;

}  // namespace

Expected<EvalItem> parse_eval_item(std::string_view json, std::string_view where) {
  const auto fail = [&](const std::string& what) { return corrupt_data(std::string(where) + ": " + what); };
  const auto line = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return fail("is not a JSON object");
  EvalItem item;
  item.where = where;
  for (const auto& [name, target] :
       {std::pair{"image", &item.image}, {"question", &item.question}, {"answer", &item.answer}}) {
    if (!line.contains(name) || !line[name].is_string()) return fail(std::string("needs the string ") + name);
    *target = line[name].get<std::string>();
  }
  item.kind = "unnamed";
  if (line.contains("kind")) {
    if (!line["kind"].is_string()) return fail("kind is not a string");
    item.kind = line["kind"].get<std::string>();
  }
  if (line.contains("tolerance")) {
    if (!line["tolerance"].is_number()) return fail("tolerance is not a number");
    item.tolerance = line["tolerance"].get<double>();
    if (!leading_number(item.answer)) return fail("has a tolerance, but its answer is not a number");
  }
  if (line.contains("accept")) {
    if (!line["accept"].is_array()) return fail("accept is not a list");
    for (const auto& other : line["accept"]) {
      if (!other.is_string()) return fail("accept holds something that is not a string");
      item.accept.push_back(other.get<std::string>());
    }
  }
  return item;
}

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
  if (normal == normalize_answer(item.answer)) return true;
  const auto equals = [&](const std::string& other) { return normal == normalize_answer(other); };
  if (std::ranges::any_of(item.accept, equals)) return true;
  if (!item.tolerance) return false;
  const auto value = leading_number(normal);
  return value && std::abs(*value - *leading_number(item.answer)) <= *item.tolerance + kRounding;
}

}  // namespace saccade
