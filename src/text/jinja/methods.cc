// Methods: "value.name(arguments)", as Python's types have them.
#include <algorithm>
#include <array>
#include <map>

#include "base/format.h"
#include "text/jinja/functions.h"
#include "text/jinja/text_functions.h"

namespace saccade::jinja {
namespace {

using TextMethod = Expected<Value> (*)(const MarkedText&, const Arguments&);

Value list_of(std::vector<MarkedText> parts) {
  List list;
  list.reserve(parts.size());
  for (MarkedText& part : parts) list.emplace_back(std::move(part));
  return list;
}

Expected<Value> strip_method(const MarkedText& text, const Arguments& arguments, bool at_start, bool at_end) {
  const Value* set = arguments.find(0, "chars");
  if (set == nullptr || !set->is_string()) return Value(strip(text, std::nullopt, at_start, at_end));
  return Value(strip(text, set->as_text(), at_start, at_end));
}

Expected<Value> split_method(const MarkedText& text, const Arguments& arguments) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t max_splits, arguments.integer_or(1, "maxsplit", -1));
  const Value* separator = arguments.find(0, "sep");
  if (separator == nullptr || !separator->is_string()) return list_of(split(text, std::nullopt, max_splits));
  if (separator->as_text().empty()) return unsupported("split() with an empty separator");
  return list_of(split(text, separator->as_text(), max_splits));
}

// Whether the text has one of the arguments (a string, or several in a list) at one of its ends.
Expected<Value> affix_method(const MarkedText& text, const Arguments& arguments, bool at_start) {
  const Value* affix = arguments.find(0, "");
  if (affix == nullptr) return unsupported("startswith() or endswith() lacks its argument");
  const List one = {*affix};
  for (const Value& each : affix->is_list() ? *affix->as_list() : one) {
    if (!each.is_string()) return unsupported("startswith() or endswith() of something that is no string");
    if (at_start ? text.text().starts_with(each.as_text()) : text.text().ends_with(each.as_text())) return Value(true);
  }
  return Value(false);
}

Expected<Value> remove_affix(const MarkedText& text, const Arguments& arguments, bool at_start) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText affix, arguments.text_or(0, "", ""));
  if (at_start && text.text().starts_with(affix.text())) return Value(text.substr(affix.size()));
  if (!at_start && text.text().ends_with(affix.text())) return Value(text.substr(0, text.size() - affix.size()));
  return Value(text);
}

Expected<Value> replace_method(const MarkedText& text, const Arguments& arguments) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText from, arguments.text_or(0, "old", ""));
  SACCADE_ASSIGN_OR_RETURN(const MarkedText to, arguments.text_or(1, "new", ""));
  SACCADE_ASSIGN_OR_RETURN(const int64_t count, arguments.integer_or(2, "count", -1));
  if (from.empty()) return unsupported("replace() of an empty string");
  if (to.size() > from.size() && text.size() / from.size() * to.size() > Budget::kMaxTextBytes) {
    return resource_exhausted("replace() could make a text that is too long");
  }
  return Value(replace(text, from.text(), to, count));
}

Expected<Value> find_method(const MarkedText& text, const Arguments& arguments) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText part, arguments.text_or(0, "", ""));
  const size_t found = text.text().find(part.text());
  if (found == std::string::npos) return Value(int64_t{-1});
  return Value(static_cast<int64_t>(count_characters(text.substr(0, found))));
}

Expected<Value> join_method(const MarkedText& text, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.positional[0].is_list()) return unsupported("join() wants a list");
  std::vector<MarkedText> parts;
  size_t num_bytes = 0;
  for (const Value& item : *arguments.positional[0].as_list()) {
    if (!item.is_string()) return unsupported("join() of something that is no string");
    num_bytes += item.as_marked().size() + text.size();
    if (num_bytes > Budget::kMaxTextBytes) return resource_exhausted("join() makes a text that is too long");
    parts.push_back(item.as_marked());
  }
  return Value(join(parts, text));
}

Expected<Value> is_digit_method(const MarkedText& text, const Arguments&) {
  const std::string& bytes = text.text();
  return Value(!bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

const std::map<std::string_view, TextMethod>& text_methods() {
  using T = const MarkedText&;
  using A = const Arguments&;
  static const std::map<std::string_view, TextMethod> kMethods = {
      {"strip", [](T t, A a) { return strip_method(t, a, true, true); }},
      {"lstrip", [](T t, A a) { return strip_method(t, a, true, false); }},
      {"rstrip", [](T t, A a) { return strip_method(t, a, false, true); }},
      {"split", split_method},
      {"splitlines", [](T t, A) { return Expected<Value>(list_of(split_lines(t))); }},
      {"startswith", [](T t, A a) { return affix_method(t, a, true); }},
      {"endswith", [](T t, A a) { return affix_method(t, a, false); }},
      {"removeprefix", [](T t, A a) { return remove_affix(t, a, true); }},
      {"removesuffix", [](T t, A a) { return remove_affix(t, a, false); }},
      {"replace", replace_method},
      {"find", find_method},
      {"join", join_method},
      {"isdigit", is_digit_method},
      {"upper", [](T t, A) { return Expected<Value>(change_case(t, LetterCase::kUpper)); }},
      {"lower", [](T t, A) { return Expected<Value>(change_case(t, LetterCase::kLower)); }},
      {"title", [](T t, A) { return Expected<Value>(change_case(t, LetterCase::kTitle)); }},
      {"capitalize", [](T t, A) { return Expected<Value>(change_case(t, LetterCase::kCapitalized)); }},
  };
  return kMethods;
}

constexpr std::array<std::string_view, 4> kListMethods = {"append", "pop", "index", "count"};
constexpr std::array<std::string_view, 5> kDictMethods = {"items", "keys", "values", "get", "update"};

Expected<Value> call_list_method(const Value& object, std::string_view name, const Arguments& arguments,
                                 Budget& budget) {
  List& list = *object.as_list();
  if (name == "pop") {
    SACCADE_ASSIGN_OR_RETURN(int64_t idx, arguments.integer_or(0, "", -1));
    const auto size = static_cast<int64_t>(list.size());
    if (idx < 0) idx += size;
    if (idx < 0 || idx >= size) return unsupported("pop() from outside a list");
    const Value value = list[static_cast<size_t>(idx)];
    list.erase(list.begin() + idx);
    return value;
  }
  if (arguments.positional.size() != 1) return unsupported("a method of a list wants one argument");
  const Value argument = arguments.positional[0];
  if (name == "append") {
    SACCADE_RETURN_IF_ERROR(list.size() < Budget::kMaxListItems ? budget.spend(1)
                                                                : resource_exhausted("append() to a list too long"));
    budget.watch(object.as_list());
    list.push_back(argument);
    return Value(None{});
  }
  SACCADE_RETURN_IF_ERROR(budget.spend(list.size()));
  int64_t count = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    if (!are_equal(list[i], argument)) continue;
    if (name == "index") return Value(static_cast<int64_t>(i));
    ++count;
  }
  if (name == "index") return unsupported("index() of something that is not in the list");
  return Value(count);
}

Expected<Value> call_dict_method(const Value& object, std::string_view name, const Arguments& arguments,
                                 Budget& budget) {
  Dict& dict = *object.as_dict();
  SACCADE_RETURN_IF_ERROR(budget.spend(dict.items().size()));
  if (name == "get") {
    const Value* key = arguments.find(0, "");
    if (key == nullptr) return unsupported("get() lacks a key");
    const Value* found = key->is_string() ? dict.find(key->as_text()) : nullptr;
    if (found != nullptr) return *found;
    const Value* fallback = arguments.find(1, "default");
    return fallback == nullptr ? Value(None{}) : *fallback;
  }
  if (name == "update") {
    budget.watch(object.as_dict());
    if (!arguments.positional.empty() && arguments.positional[0].is_dict()) {
      const Dict other = *arguments.positional[0].as_dict();
      SACCADE_RETURN_IF_ERROR(budget.spend(other.items().size() * (dict.items().size() + other.items().size())));
      for (const auto& [key, value] : other.items()) dict.set(key, value);
    }
    for (const auto& [key, value] : arguments.keywords) dict.set(key, value);
    return Value(None{});
  }
  List list;
  for (const auto& [key, value] : dict.items()) {
    const Value key_text = Value::text(key, Origin::kUser);
    if (name == "items") {
      list.emplace_back(List{key_text, value});
    } else {
      list.push_back(name == "keys" ? key_text : value);
    }
  }
  return Value(std::move(list));
}

template <typename Names>
bool is_among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool has_method(const Value& object, std::string_view name) {
  if (object.is_string()) return text_methods().contains(name);
  if (object.is_list()) return is_among(kListMethods, name);
  return object.is_dict() && !object.is_namespace() && is_among(kDictMethods, name);
}

Expected<Value> call_method(const Value& object, std::string_view name, const Arguments& arguments, Budget& budget) {
  if (!has_method(object, name)) {
    return unsupported(format("the method %s of a value of type %s is not known", quote(name).c_str(),
                              std::string(object.type_name()).c_str()));
  }
  if (object.is_list()) return call_list_method(object, name, arguments, budget);
  if (object.is_dict()) return call_dict_method(object, name, arguments, budget);
  SACCADE_RETURN_IF_ERROR(budget.spend(object.as_marked().size() / 4));
  return text_methods().find(name)->second(object.as_marked(), arguments);
}

}  // namespace saccade::jinja
