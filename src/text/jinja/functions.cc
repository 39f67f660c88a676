#include "text/jinja/functions.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "base/format.h"
#include "text/jinja/text_functions.h"

namespace saccade::jinja {
namespace {

Status wrong_type(const char* what, const Value& value) {
  return unsupported(format("%s of type %s", what, std::string(value.type_name()).c_str()));
}

Expected<Value> range(const Arguments& arguments, Budget& budget) {
  const bool has_start = arguments.positional.size() > 1;
  SACCADE_ASSIGN_OR_RETURN(int64_t begin, arguments.integer_or(0, "", 0));
  int64_t end = begin;
  if (has_start) {
    SACCADE_ASSIGN_OR_RETURN(end, arguments.integer_or(1, "", 0));
  } else {
    begin = 0;
  }
  SACCADE_ASSIGN_OR_RETURN(const int64_t step, arguments.integer_or(2, "", 1));
  if (step == 0) return unsupported("range() with a step of zero");
  List list;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    list.emplace_back(i);
    if (list.size() > Budget::kMaxListItems) return resource_exhausted("range() has too many items");
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  SACCADE_RETURN_IF_ERROR(budget.spend_list(list.size()));
  return Value(std::move(list));
}

Expected<Dict> dict_from_keywords(const Arguments& arguments) {
  Dict dict;
  if (!arguments.positional.empty()) {
    if (!arguments.positional[0].is_dict())
      return wrong_type("a dictionary is wanted, not a value", arguments.positional[0]);
    dict = *arguments.positional[0].as_dict();
  }
  for (const auto& [key, value] : arguments.keywords) dict.set(key, value);
  return dict;
}

Expected<Value> now(const Arguments& arguments) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText pattern, arguments.text_or(0, "format", "%Y-%m-%d"));
  const std::time_t time = std::time(nullptr);
  std::tm local{};
  localtime_r(&time, &local);
  std::array<char, 256> text;
  const size_t size = std::strftime(text.data(), text.size(), pattern.text().c_str(), &local);
  return Value::text(std::string_view(text.data(), size));
}

}  // namespace

Status Budget::spend(size_t num_steps) {
  if (num_steps > num_left_) return resource_exhausted("the template takes too many steps");
  num_left_ -= num_steps;
  return {};
}

Status Budget::spend_text(size_t num_bytes) {
  if (num_bytes > kMaxTextBytes) return resource_exhausted("the template makes a text that is too long");
  return spend(num_bytes / 8);
}

Status Budget::spend_list(size_t num_items) {
  if (num_items > kMaxListItems) return resource_exhausted("the template makes a list that is too long");
  return spend(num_items);
}

void Budget::release() {
  for (const auto& list : changed_lists_) list->clear();
  for (const auto& dict : changed_dicts_) *dict = Dict();
}

const Value* Arguments::find(size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : keywords) {
    if (key == name) return &value;
  }
  return nullptr;
}

Expected<int64_t> Arguments::integer_or(size_t position, std::string_view name, int64_t fallback) const {
  const Value* value = find(position, name);
  if (value == nullptr || value->is_none()) return fallback;
  if (!value->is_int() && !value->is_bool()) return wrong_type("an integer is wanted, not a value", *value);
  return value->as_int();
}

Expected<MarkedText> Arguments::text_or(size_t position, std::string_view name, std::string_view fallback) const {
  const Value* value = find(position, name);
  if (value == nullptr || value->is_none()) return MarkedText(fallback);
  if (!value->is_string()) return wrong_type("a string is wanted, not a value", *value);
  return value->as_marked();
}

bool Arguments::truth_or(size_t position, std::string_view name, bool fallback) const {
  const Value* value = find(position, name);
  return value == nullptr ? fallback : value->is_truthy();
}

Expected<Value> call_builtin(std::string_view name, const Arguments& arguments, Budget& budget) {
  if (name == "range") return range(arguments, budget);
  if (name == "strftime_now") return now(arguments);
  if (name == "raise_exception") {
    SACCADE_ASSIGN_OR_RETURN(const MarkedText message, arguments.text_or(0, "message", "it gives no reason"));
    return invalid_argument("the chat template refuses this conversation: " + message.text());
  }
  if (name == "namespace" || name == "dict") {
    SACCADE_ASSIGN_OR_RETURN(Dict dict, dict_from_keywords(arguments));
    return name == "dict" ? Value(std::move(dict)) : Value::make_namespace(std::move(dict));
  }
  return unsupported(format("the function %s is not known", quote(name).c_str()));
}

Expected<Value> find_attribute(const Value& object, std::string_view name, Budget& budget) {
  if (object.is_undefined()) return unsupported(format("%s is asked of an undefined value", quote(name).c_str()));
  if (!object.is_dict()) return Value();
  SACCADE_RETURN_IF_ERROR(budget.spend(object.as_dict()->items().size() / 16));
  const Value* found = object.as_dict()->find(name);
  return found == nullptr ? Value() : *found;
}

Expected<Value> find_item(const Value& object, const Value& key, Budget& budget) {
  if (object.is_undefined()) return unsupported("an item is asked of an undefined value");
  if (object.is_dict()) return key.is_string() ? find_attribute(object, key.as_text(), budget) : Value();
  if (!key.is_int() || (!object.is_list() && !object.is_string())) return Value();
  SACCADE_ASSIGN_OR_RETURN(const int64_t length, length_of(object));
  const int64_t idx = key.as_int() < 0 ? key.as_int() + length : key.as_int();
  if (idx < 0 || idx >= length) return Value();
  if (object.is_list()) return (*object.as_list())[static_cast<size_t>(idx)];
  SACCADE_RETURN_IF_ERROR(budget.spend(object.as_marked().size()));
  return Value(characters(object.as_marked())[static_cast<size_t>(idx)]);
}

Expected<List> iterate(const Value& value, Budget& budget) {
  List items;
  if (value.is_list()) {
    SACCADE_RETURN_IF_ERROR(budget.spend_list(value.as_list()->size()));
    items = *value.as_list();
  } else if (value.is_dict() && !value.is_namespace()) {
    SACCADE_RETURN_IF_ERROR(budget.spend_list(value.as_dict()->items().size()));
    for (const auto& item : value.as_dict()->items()) items.push_back(Value::text(item.first, Origin::kUser));
  } else if (value.is_string()) {
    SACCADE_RETURN_IF_ERROR(budget.spend_list(value.as_marked().size()));
    for (MarkedText& character : characters(value.as_marked())) items.emplace_back(std::move(character));
  } else if (!value.is_undefined()) {
    return wrong_type("there is nothing to go through in a value", value);
  }
  return items;
}

Expected<bool> contains(const Value& haystack, const Value& needle, Budget& budget) {
  if (haystack.is_string()) {
    if (!needle.is_string()) return wrong_type("a string contains no value", needle);
    SACCADE_RETURN_IF_ERROR(budget.spend(haystack.as_marked().size() / 8));
    return haystack.as_text().find(needle.as_text()) != std::string::npos;
  }
  if (haystack.is_dict()) {
    SACCADE_RETURN_IF_ERROR(budget.spend(haystack.as_dict()->items().size()));
    return needle.is_string() && haystack.as_dict()->find(needle.as_text()) != nullptr;
  }
  if (haystack.is_undefined()) return false;
  if (!haystack.is_list()) return wrong_type("nothing can be in a value", haystack);
  for (const Value& item : *haystack.as_list()) {
    SACCADE_RETURN_IF_ERROR(budget.spend(item.is_list() || item.is_dict() ? 1000 : 1));
    if (are_equal(item, needle)) return true;
  }
  return false;
}

Expected<int64_t> length_of(const Value& value) {
  if (value.is_string()) return static_cast<int64_t>(count_characters(value.as_marked()));
  if (value.is_list()) return static_cast<int64_t>(value.as_list()->size());
  if (value.is_dict()) return static_cast<int64_t>(value.as_dict()->items().size());
  if (value.is_undefined()) return int64_t{0};
  return wrong_type("there is no length to a value", value);
}

}  // namespace saccade::jinja
