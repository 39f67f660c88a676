// Filters: "value | name(arguments)".
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/format.h"
#include "text/jinja/functions.h"
#include "text/jinja/text_functions.h"

namespace saccade::jinja {
namespace {

using Filter = Expected<Value> (*)(const Value&, const Arguments&, Budget&);

Status wrong_input(const char* filter, const Value& input) {
  return unsupported(
      format("the filter %s has no meaning for a value of type %s", filter, std::string(input.type_name()).c_str()));
}

// Text filters take the text of anything, as Jinja's do.
template <LetterCase kCase>
Expected<Value> case_filter(const Value& input, const Arguments&, Budget&) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText text, to_text(input));
  return Value(change_case(text, kCase));
}

Expected<Value> text_method_filter(const char* method, const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(MarkedText text, to_text(input));
  return call_method(Value(std::move(text)), method, arguments, budget);
}

Expected<Value> string_filter(const Value& input, const Arguments&, Budget&) {
  SACCADE_ASSIGN_OR_RETURN(MarkedText text, to_text(input));
  return Value(std::move(text));
}

Expected<Value> length_filter(const Value& input, const Arguments&, Budget&) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t length, length_of(input));
  return Value(length);
}

Expected<Value> default_filter(const Value& input, const Arguments& arguments, Budget&) {
  const bool also_false = arguments.truth_or(1, "boolean", false);
  if (!input.is_undefined() && (!also_false || input.is_truthy())) return input;
  const Value* fallback = arguments.find(0, "default_value");
  return fallback == nullptr ? Value::text("") : *fallback;
}

template <bool kFirst>
Expected<Value> end_filter(const Value& input, const Arguments&, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(const List items, iterate(input, budget));
  if (items.empty()) return Value();
  return kFirst ? items.front() : items.back();
}

Expected<Value> list_filter(const Value& input, const Arguments&, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(List items, iterate(input, budget));
  return Value(std::move(items));
}

Expected<Value> items_filter(const Value& input, const Arguments&, Budget& budget) {
  if (input.is_undefined()) return Value(List());
  if (!input.is_dict()) return wrong_input("items", input);
  return call_method(input, "items", {}, budget);
}

Expected<Value> to_json_filter(const Value& input, const Arguments& arguments, Budget&) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t indent, arguments.integer_or(0, "indent", -1));
  if (indent > 32) return unsupported("tojson with an indent over 32");
  SACCADE_ASSIGN_OR_RETURN(MarkedText text, to_json(input, indent));
  return Value(std::move(text));
}

Expected<Value> indent_filter(const Value& input, const Arguments& arguments, Budget&) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText text, to_text(input));
  SACCADE_ASSIGN_OR_RETURN(const int64_t width, arguments.integer_or(0, "width", 4));
  if (width < 0 || width > 32) return unsupported("indent by less than 0 or more than 32");
  return Value(indent(text, static_cast<size_t>(width), arguments.truth_or(1, "first", false),
                      arguments.truth_or(2, "blank", false)));
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Expected<Value> int_filter(const Value& input, const Arguments& arguments, Budget&) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t fallback, arguments.integer_or(0, "default", 0));
  if (input.is_int() || input.is_bool()) return Value(input.as_int());
  double number = std::numeric_limits<double>::quiet_NaN();
  if (input.is_float()) number = input.as_float();
  if (input.is_string()) {
    const std::string text = strip(input.as_marked(), std::nullopt, true, true).text();
    if (const auto whole = parse_number<int64_t>(text)) return Value(*whole);
    number = parse_number<double>(text).value_or(number);
  }
  if (!(std::fabs(number) < 9e18)) return Value(fallback);
  return Value(static_cast<int64_t>(number));
}

Expected<Value> float_filter(const Value& input, const Arguments& arguments, Budget&) {
  if (input.is_number()) return Value(input.as_float());
  if (input.is_string()) {
    const auto number = parse_number<double>(strip(input.as_marked(), std::nullopt, true, true).text());
    if (number) return Value(*number);
  }
  const Value* fallback = arguments.find(0, "default");
  return fallback == nullptr ? Value(0.0) : *fallback;
}

Expected<Value> abs_filter(const Value& input, const Arguments&, Budget&) {
  if (input.is_float()) return Value(std::fabs(input.as_float()));
  if (!input.is_number() || input.as_int() == std::numeric_limits<int64_t>::min()) return wrong_input("abs", input);
  return Value(std::abs(input.as_int()));
}

// An item's attribute by a path such as "function.name"; the item itself for an empty path.
Expected<Value> find_path(Value item, std::string_view path, Budget& budget) {
  while (!path.empty()) {
    const size_t dot = path.find('.');
    SACCADE_ASSIGN_OR_RETURN(item, find_attribute(item, path.substr(0, dot), budget));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return item;
}

Arguments arguments_from(const Arguments& arguments, size_t first) {
  Arguments rest;
  for (size_t i = first; i < arguments.positional.size(); ++i) rest.positional.push_back(arguments.positional[i]);
  return rest;
}

Expected<Value> join_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(const List items, iterate(input, budget));
  SACCADE_ASSIGN_OR_RETURN(const MarkedText separator, arguments.text_or(0, "d", ""));
  SACCADE_ASSIGN_OR_RETURN(const MarkedText path, arguments.text_or(1, "attribute", ""));
  MarkedText out;
  for (size_t i = 0; i < items.size(); ++i) {
    SACCADE_ASSIGN_OR_RETURN(const Value item, find_path(items[i], path.text(), budget));
    SACCADE_ASSIGN_OR_RETURN(const MarkedText text, to_text(item));
    if (i > 0) out.append(separator);
    out.append(text);
    if (out.size() > Budget::kMaxTextBytes) return resource_exhausted("join makes a text that is too long");
  }
  return Value(std::move(out));
}

Expected<Value> map_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(List items, iterate(input, budget));
  const Value* attribute = arguments.positional.empty() ? arguments.find(0, "attribute") : nullptr;
  const Value* fallback = arguments.positional.empty() ? arguments.find(1, "default") : nullptr;
  SACCADE_ASSIGN_OR_RETURN(const MarkedText name,
                           attribute ? arguments.text_or(0, "attribute", "") : arguments.text_or(0, "", ""));
  // A map of maps would recurse as deep as its list of arguments is long.
  if (attribute == nullptr && name.text() == "map") return unsupported("map of the filter map");
  for (Value& item : items) {
    if (attribute == nullptr) {
      SACCADE_ASSIGN_OR_RETURN(item, apply_filter(name.text(), item, arguments_from(arguments, 1), budget));
    } else {
      SACCADE_ASSIGN_OR_RETURN(item, find_path(item, name.text(), budget));
      if (item.is_undefined() && fallback != nullptr) item = *fallback;
    }
  }
  return Value(std::move(items));
}

// select, reject, selectattr, rejectattr.
template <bool kKeeps, bool kByAttribute>
Expected<Value> select_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(const List items, iterate(input, budget));
  const size_t test_position = kByAttribute ? 1 : 0;
  MarkedText path;
  if (kByAttribute) {
    SACCADE_ASSIGN_OR_RETURN(path, arguments.text_or(0, "", ""));
  }
  SACCADE_ASSIGN_OR_RETURN(const MarkedText test, arguments.text_or(test_position, "", ""));
  const Arguments test_arguments = arguments_from(arguments, test_position + 1);
  List selected;
  for (const Value& item : items) {
    SACCADE_ASSIGN_OR_RETURN(const Value value, find_path(item, path.text(), budget));
    bool passes = value.is_truthy();
    if (!test.empty()) {
      SACCADE_ASSIGN_OR_RETURN(passes, apply_test(test.text(), value, test_arguments, budget));
    }
    if (passes == kKeeps) selected.push_back(item);
  }
  return Value(std::move(selected));
}

Expected<Value> unique_filter(const Value& input, const Arguments&, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(const List items, iterate(input, budget));
  const Value kept(List{});
  for (const Value& item : items) {
    SACCADE_ASSIGN_OR_RETURN(const bool is_known, contains(kept, item, budget));
    if (!is_known) kept.as_list()->push_back(item);
  }
  return kept;
}

Expected<Value> reverse_filter(const Value& input, const Arguments&, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(List items, iterate(input, budget));
  std::reverse(items.begin(), items.end());
  if (!input.is_string()) return Value(std::move(items));
  MarkedText text;
  for (const Value& character : items) text.append(character.as_marked());
  return Value(std::move(text));
}

// Sorts `items` by `keys`, which must all be numbers or all strings.
Expected<Value> sort_by(const List& items, const List& keys, bool reverse, bool case_sensitive, Budget& budget) {
  SACCADE_RETURN_IF_ERROR(budget.spend(items.size() * 20));
  List folded;
  for (const Value& key : keys) {
    SACCADE_ASSIGN_OR_RETURN([[maybe_unused]] const int order, compare(keys[0], key));
    const bool folds = key.is_string() && !case_sensitive;
    folded.push_back(folds ? Value(change_case(key.as_marked(), LetterCase::kLower)) : key);
  }
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Expected<int> sign = compare(folded[reverse ? b : a], folded[reverse ? a : b]);
    return sign.is_ok() && *sign < 0;
  });
  List sorted;
  for (const size_t i : order) sorted.push_back(items[i]);
  return Value(std::move(sorted));
}

Expected<Value> sort_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(const List items, iterate(input, budget));
  SACCADE_ASSIGN_OR_RETURN(const MarkedText path, arguments.text_or(2, "attribute", ""));
  List keys;
  for (const Value& item : items) {
    SACCADE_ASSIGN_OR_RETURN(Value key, find_path(item, path.text(), budget));
    keys.push_back(std::move(key));
  }
  return sort_by(items, keys, arguments.truth_or(0, "reverse", false), arguments.truth_or(1, "case_sensitive", false),
                 budget);
}

Expected<Value> dictsort_filter(const Value& input, const Arguments& arguments, Budget& budget) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText by, arguments.text_or(1, "by", "key"));
  SACCADE_ASSIGN_OR_RETURN(const Value pairs, items_filter(input, {}, budget));
  List keys;
  for (const Value& pair : *pairs.as_list()) keys.push_back((*pair.as_list())[by.text() == "value" ? 1 : 0]);
  return sort_by(*pairs.as_list(), keys, arguments.truth_or(2, "reverse", false),
                 arguments.truth_or(0, "case_sensitive", false), budget);
}

const std::map<std::string_view, Filter>& filters() {
  using V = const Value&;
  using A = const Arguments&;
  static const std::map<std::string_view, Filter> kFilters = {
      {"upper", case_filter<LetterCase::kUpper>},
      {"lower", case_filter<LetterCase::kLower>},
      {"capitalize", case_filter<LetterCase::kCapitalized>},
      {"title", case_filter<LetterCase::kTitleFilter>},
      {"trim", [](V v, A a, Budget& b) { return text_method_filter("strip", v, a, b); }},
      {"replace", [](V v, A a, Budget& b) { return text_method_filter("replace", v, a, b); }},
      {"string", string_filter},
      {"safe", string_filter},
      {"length", length_filter},
      {"count", length_filter},
      {"default", default_filter},
      {"d", default_filter},
      {"first", end_filter<true>},
      {"last", end_filter<false>},
      {"list", list_filter},
      {"items", items_filter},
      {"tojson", to_json_filter},
      {"indent", indent_filter},
      {"int", int_filter},
      {"float", float_filter},
      {"abs", abs_filter},
      {"join", join_filter},
      {"map", map_filter},
      {"select", select_filter<true, false>},
      {"reject", select_filter<false, false>},
      {"selectattr", select_filter<true, true>},
      {"rejectattr", select_filter<false, true>},
      {"unique", unique_filter},
      {"reverse", reverse_filter},
      {"sort", sort_filter},
      {"dictsort", dictsort_filter},
  };
  return kFilters;
}

}  // namespace

Expected<Value> apply_filter(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget) {
  const auto found = filters().find(name);
  if (found == filters().end()) return unsupported(format("the filter %s is not known", quote(name).c_str()));
  SACCADE_RETURN_IF_ERROR(budget.spend(1 + (input.is_string() ? input.as_marked().size() / 4 : 0)));
  SACCADE_ASSIGN_OR_RETURN(Value result, found->second(input, arguments, budget));
  if (result.is_string()) SACCADE_RETURN_IF_ERROR(budget.spend_text(result.as_marked().size()));
  return result;
}

}  // namespace saccade::jinja
