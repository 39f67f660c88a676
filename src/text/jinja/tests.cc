// Tests: "value is name(arguments)".
#include <map>
#include <optional>

#include "base/format.h"
#include "text/jinja/functions.h"
#include "text/jinja/text_functions.h"

namespace saccade::jinja {
namespace {

using Predicate = bool (*)(const Value&);

const std::map<std::string_view, Predicate>& predicates() {
  static const std::map<std::string_view, Predicate> kTests = {
      {"defined", [](const Value& v) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v) { return v.is_undefined(); }},
      {"none", [](const Value& v) { return v.is_none(); }},
      {"string", [](const Value& v) { return v.is_string(); }},
      {"mapping", [](const Value& v) { return v.is_dict() && !v.is_namespace(); }},
      {"sequence", [](const Value& v) { return v.is_list() || v.is_string() || (v.is_dict() && !v.is_namespace()); }},
      {"iterable",
       [](const Value& v) {
         return v.is_list() || v.is_string() || v.is_undefined() || (v.is_dict() && !v.is_namespace());
       }},
      {"number", [](const Value& v) { return v.is_number(); }},
      {"integer", [](const Value& v) { return v.is_int(); }},
      {"float", [](const Value& v) { return v.is_float(); }},
      {"boolean", [](const Value& v) { return v.is_bool(); }},
      {"true", [](const Value& v) { return v.is_bool() && v.as_bool(); }},
      {"false", [](const Value& v) { return v.is_bool() && !v.as_bool(); }},
      {"callable", [](const Value& v) { return v.is_builtin() || v.is_macro(); }},
      {"odd", [](const Value& v) { return v.is_int() && v.as_int() % 2 != 0; }},
      {"even", [](const Value& v) { return v.is_int() && v.as_int() % 2 == 0; }},
      {"lower",
       [](const Value& v) {
         return v.is_string() && change_case(v.as_marked(), LetterCase::kLower).text() == v.as_text();
       }},
      {"upper",
       [](const Value& v) {
         return v.is_string() && change_case(v.as_marked(), LetterCase::kUpper).text() == v.as_text();
       }},
  };
  return kTests;
}

// The tests of order, of the sign that compare() gives; nothing if the name is none of theirs.
std::optional<bool> test_order(std::string_view name, int order) {
  if (name == "lt" || name == "lessthan" || name == "<") return order < 0;
  if (name == "gt" || name == "greaterthan" || name == ">") return order > 0;
  if (name == "le" || name == "<=") return order <= 0;
  if (name == "ge" || name == ">=") return order >= 0;
  return std::nullopt;
}

}  // namespace

Expected<bool> apply_test(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_RETURN_IF_ERROR(budget.spend(1 + (input.is_string() ? input.as_marked().size() / 8 : 0)));
  if (const auto found = predicates().find(name); found != predicates().end()) return found->second(input);
  const Value* other = arguments.find(0, "");
  if (other != nullptr) {
    if (input.is_list() || input.is_dict()) SACCADE_RETURN_IF_ERROR(budget.spend(1000));
    if (name == "equalto" || name == "eq" || name == "==" || name == "sameas") return are_equal(input, *other);
    if (name == "ne" || name == "!=") return !are_equal(input, *other);
    if (name == "in") return contains(*other, input, budget);
    if (name == "divisibleby") {
      return input.is_int() && other->is_int() && other->as_int() > 0 && input.as_int() % other->as_int() == 0;
    }
    if (test_order(name, 0)) {
      SACCADE_ASSIGN_OR_RETURN(const int order, compare(input, *other));
      return *test_order(name, order);
    }
  }
  return unsupported(format("the test %s is not known, or lacks its argument", quote(name).c_str()));
}

}  // namespace saccade::jinja
