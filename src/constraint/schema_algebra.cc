#include "constraint/schema_algebra.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/format.h"

namespace saccade {
namespace {

using Json = SchemaJson;

constexpr std::array<std::string_view, 23> kEnforced = {"$ref",
                                                        "additionalProperties",
                                                        "allOf",
                                                        "anyOf",
                                                        "const",
                                                        "enum",
                                                        "exclusiveMaximum",
                                                        "exclusiveMinimum",
                                                        "items",
                                                        "maxItems",
                                                        "maxLength",
                                                        "maxProperties",
                                                        "maximum",
                                                        "minItems",
                                                        "minLength",
                                                        "minProperties",
                                                        "minimum",
                                                        "multipleOf",
                                                        "oneOf",
                                                        "pattern",
                                                        "prefixItems",
                                                        "properties",
                                                        "required"};

// "format" is an annotation to JSON Schema 2020-12; some formats are kept to (json_schema.h).
constexpr std::array<std::string_view, 19> kAnnotations = {
    "$anchor",          "$comment",      "$defs",    "$id",         "$schema",    "$vocabulary", "contentEncoding",
    "contentMediaType", "contentSchema", "default",  "definitions", "deprecated", "description", "example",
    "examples",         "format",        "readOnly", "title",       "writeOnly"};

constexpr std::array<std::string_view, 21> kRefused = {"$dynamicAnchor",
                                                       "$dynamicRef",
                                                       "$recursiveAnchor",
                                                       "$recursiveRef",
                                                       "additionalItems",
                                                       "contains",
                                                       "dependencies",
                                                       "dependentRequired",
                                                       "dependentSchemas",
                                                       "else",
                                                       "if",
                                                       "maxContains",
                                                       "minContains",
                                                       "not",
                                                       "nullable",
                                                       "patternProperties",
                                                       "propertyNames",
                                                       "then",
                                                       "unevaluatedItems",
                                                       "unevaluatedProperties",
                                                       "uniqueItems"};

// Keywords of which the larger, or the smaller, value says more.
constexpr std::array<std::string_view, 5> kLowerBounds = {"exclusiveMinimum", "minItems", "minLength", "minProperties",
                                                          "minimum"};
constexpr std::array<std::string_view, 5> kUpperBounds = {"exclusiveMaximum", "maxItems", "maxLength", "maxProperties",
                                                          "maximum"};

// Merged as a whole: what one of them says depends on the others.
constexpr std::array<std::string_view, 4> kStructure = {"additionalProperties", "items", "prefixItems", "properties"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::ranges::end(names);
}

// As JSON Schema has it: members in any order.
bool are_equal(const Json& a, const Json& b) {
  if (!a.is_structured() || a.type() != b.type()) return a == b;
  if (a.size() != b.size()) return false;
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), are_equal);
  return std::ranges::all_of(a.items(), [&](const auto& member) {
    const auto other = b.find(member.key());
    return other != b.end() && are_equal(member.value(), *other);
  });
}

bool has_value(const std::vector<Json>& values, const Json& value) {
  return std::ranges::any_of(values, [&](const Json& one) { return are_equal(one, value); });
}

// Whether every value of type `a` is one of type `b`.
bool is_kind_of(std::string_view a, std::string_view b) {
  return a == b || (a == "integer" && b == "number");
}

Json intersect_types(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  Json both = Json::array();
  for (const std::string& name : a) {
    if (std::ranges::any_of(b, [&](const std::string& other) { return is_kind_of(name, other); })) both.push_back(name);
  }
  for (const std::string& name : b) {
    if (std::ranges::find(both, Json(name)) != both.end()) continue;
    if (std::ranges::any_of(a, [&](const std::string& other) { return is_kind_of(name, other); })) both.push_back(name);
  }
  return both;
}

// "a%20b" to "a b".
std::string without_percents(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      result += static_cast<char>(byte);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

const Json& member_or(const Json& object, const char* key, const Json& otherwise) {
  const auto found = object.find(key);
  return found == object.end() ? otherwise : *found;
}

const Json& anything() {
  static const Json kAnything = true;
  return kAnything;
}

bool says_nothing(const Json& schema) {
  if (schema == anything()) return true;
  if (!schema.is_object()) return false;
  return std::ranges::all_of(schema.items(),
                             [](const auto& item) { return keyword_use(item.key()) == KeywordUse::kAnnotation; });
}

const Json& no_members() {
  static const Json kNone = Json::object();
  return kNone;
}

const Json& no_elements() {
  static const Json kNone = Json::array();
  return kNone;
}

}  // namespace

KeywordUse keyword_use(std::string_view keyword) {
  if (keyword == "type" || has(kEnforced, keyword)) return KeywordUse::kEnforced;
  if (has(kAnnotations, keyword) || keyword.starts_with("x-")) return KeywordUse::kAnnotation;
  return has(kRefused, keyword) ? KeywordUse::kRefused : KeywordUse::kUnknown;
}

std::string at_pointer(const std::string& pointer) {
  return pointer.empty() ? " at its root" : " at " + quote(pointer, 200).substr(1, quote(pointer, 200).size() - 2);
}

std::string child_pointer(const std::string& pointer, std::string_view key) {
  std::string result = pointer + "/";
  for (const char c : key) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

std::string_view type_of_value(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "boolean";
  if (value.is_string()) return "string";
  if (value.is_array()) return "array";
  if (value.is_object()) return "object";
  if (value.is_number_integer()) return "integer";
  const auto number = value.get<double>();
  return std::trunc(number) == number ? "integer" : "number";
}

std::optional<std::vector<Json>> constants_of(const Json& schema) {
  if (!schema.is_object()) return std::nullopt;
  const auto constant = schema.find("const");
  const auto choices = schema.find("enum");
  if (choices != schema.end() && choices->is_array()) {
    std::vector<Json> values(choices->begin(), choices->end());
    if (constant != schema.end())
      std::erase_if(values, [&](const Json& value) { return !are_equal(value, *constant); });
    return values;
  }
  if (constant != schema.end()) return std::vector<Json>{*constant};
  return std::nullopt;
}

Expected<std::optional<std::vector<std::string>>> types_of(const Json& schema, const std::string& pointer) {
  static constexpr std::array<std::string_view, 7> kTypes = {"null",   "boolean", "integer", "number",
                                                             "string", "array",   "object"};
  const auto type = schema.find("type");
  if (type == schema.end()) return std::optional<std::vector<std::string>>();
  std::vector<std::string> names;
  const Json list = type->is_array() ? *type : Json::array({*type});
  for (const Json& name : list) {
    if (!name.is_string() || !has(kTypes, name.get_ref<const std::string&>())) {
      return invalid_argument("the type" + at_pointer(pointer) +
                              " must be null, boolean, integer, number, string, array, object or a list of these");
    }
    names.push_back(name.get<std::string>());
  }
  return std::optional(std::move(names));
}

Expected<const Json*> SchemaAlgebra::resolve(const Json& ref, const std::string& pointer) const {
  if (!ref.is_string()) return invalid_argument("the $ref" + at_pointer(pointer) + " must be a string");
  const auto& text = ref.get_ref<const std::string&>();
  if (text != "#" && !text.starts_with("#/")) {
    return unsupported("the $ref" + at_pointer(pointer) + " is " + quote(text) +
                       "; only places in the same schema can be named, as in #/$defs/name");
  }
  try {
    const Json::json_pointer place(without_percents(std::string_view(text).substr(1)));
    if (root_.contains(place)) return &root_.at(place);
  } catch (const Json::exception&) {  // not a pointer
  }
  return invalid_argument("the $ref" + at_pointer(pointer) + " names " + quote(text) + ", and there is nothing there");
}

Expected<Json> SchemaAlgebra::flatten(const Json& schema, const std::string& pointer, int depth) {
  if (depth > kMaxDepth) {
    return invalid_argument("what is put together" + at_pointer(pointer) +
                            " contains itself, or is nested too deep; take the $ref out of the allOf");
  }
  if (!schema.is_object() || (!schema.contains("$ref") && !schema.contains("allOf"))) return schema;
  Json own = schema;
  std::vector<Json> parts;
  if (const auto ref = schema.find("$ref"); ref != schema.end()) {
    SACCADE_ASSIGN_OR_RETURN(const Json* named, resolve(*ref, pointer));
    parts.push_back(*named);
    own.erase("$ref");
  }
  if (const auto all = schema.find("allOf"); all != schema.end()) {
    if (!all->is_array() || all->empty()) {
      return invalid_argument("the allOf" + at_pointer(pointer) + " must be a list of schemas");
    }
    parts.insert(parts.end(), all->begin(), all->end());
    own.erase("allOf");
  }
  for (const Json& part : parts) {
    SACCADE_ASSIGN_OR_RETURN(const Json flat, flatten(part, pointer, depth + 1));
    SACCADE_ASSIGN_OR_RETURN(own, merge_flat(own, flat, pointer, depth));
  }
  return own;
}

// What says nothing leaves the other as it is: its references may go on for ever.
Expected<Json> SchemaAlgebra::merge(const Json& first, const Json& second, const std::string& pointer, int depth) {
  if (says_nothing(first)) return second;
  if (says_nothing(second)) return first;
  SACCADE_ASSIGN_OR_RETURN(const Json a, flatten(first, pointer, depth));
  SACCADE_ASSIGN_OR_RETURN(const Json b, flatten(second, pointer, depth));
  return merge_flat(a, b, pointer, depth);
}

Expected<Json> SchemaAlgebra::merge_flat(const Json& a, const Json& b, const std::string& pointer, int depth) {
  for (const Json* schema : {&a, &b}) {
    if (!schema->is_object() && !schema->is_boolean()) {
      return invalid_argument("what" + at_pointer(pointer) +
                              " is put together must be schemas: objects, true or false");
    }
  }
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  num_merged_ += a.size() + b.size();
  if (num_merged_ > kMaxMerged) {
    return resource_exhausted("what is put together" + at_pointer(pointer) +
                              " is too much; use fewer allOf, or fewer alternatives in them");
  }
  Json merged = a;
  for (const auto& [key, value] : b.items()) {
    if (!has(kStructure, key)) SACCADE_RETURN_IF_ERROR(merge_keyword(key, value, merged, pointer));
  }
  SACCADE_RETURN_IF_ERROR(merge_members(a, b, merged, pointer, depth));
  SACCADE_RETURN_IF_ERROR(merge_items(a, b, merged, pointer, depth));
  return merged;
}

Status SchemaAlgebra::merge_keyword(const std::string& key, const Json& value, Json& into, const std::string& pointer) {
  if (key == "const" || key == "enum") {
    Json kept = Json::array();
    const auto known = constants_of(into);
    const std::vector<Json> more =
        key == "const" ? std::vector<Json>{value} : std::vector<Json>(value.begin(), value.end());
    for (const Json& one : more) {
      if (!known || has_value(*known, one)) kept.push_back(one);
    }
    into.erase("const");
    into["enum"] = std::move(kept);
    return {};
  }
  const auto present = into.find(key);
  if (present == into.end()) {
    into[key] = value;
    return {};
  }
  if (keyword_use(key) == KeywordUse::kAnnotation || *present == value) return {};
  if (key == "type") {
    SACCADE_ASSIGN_OR_RETURN(const auto ours, types_of(into, pointer));
    SACCADE_ASSIGN_OR_RETURN(const auto theirs, types_of(Json{{"type", value}}, pointer));
    *present = intersect_types(*ours, *theirs);
    return {};
  }
  if (key == "required" && present->is_array() && value.is_array()) {
    for (const Json& name : value) {
      if (std::ranges::find(*present, name) == present->end()) present->push_back(name);
    }
    return {};
  }
  if (present->is_number() && value.is_number()) {
    if (has(kLowerBounds, key)) {
      *present = std::max(*present, value);
      return {};
    }
    if (has(kUpperBounds, key)) {
      *present = std::min(*present, value);
      return {};
    }
  }
  return unsupported("two different " + quote(key) + " are put together" + at_pointer(pointer) +
                     "; write what they say together into one schema");
}

// What each says of a property it does not name is what it says of additional ones.
Status SchemaAlgebra::merge_members(const Json& a, const Json& b, Json& into, const std::string& pointer, int depth) {
  const Json& ours = member_or(a, "properties", no_members());
  const Json& theirs = member_or(b, "properties", no_members());
  if (!ours.is_object() || !theirs.is_object()) {
    return invalid_argument("the properties" + at_pointer(pointer) + " must be an object");
  }
  const Json& our_rest = member_or(a, "additionalProperties", anything());
  const Json& their_rest = member_or(b, "additionalProperties", anything());
  Json merged = Json::object();
  for (const auto& [name, schema] : ours.items()) {
    const std::string place = child_pointer(pointer, name);
    SACCADE_ASSIGN_OR_RETURN(merged[name],
                             merge(schema, member_or(theirs, name.c_str(), their_rest), place, depth + 1));
  }
  for (const auto& [name, schema] : theirs.items()) {
    if (ours.contains(name)) continue;
    SACCADE_ASSIGN_OR_RETURN(merged[name], merge(our_rest, schema, child_pointer(pointer, name), depth + 1));
  }
  if (!merged.empty()) into["properties"] = std::move(merged);
  if (b.contains("additionalProperties")) {
    SACCADE_ASSIGN_OR_RETURN(into["additionalProperties"], merge(our_rest, their_rest, pointer, depth + 1));
  }
  return {};
}

Status SchemaAlgebra::merge_items(const Json& a, const Json& b, Json& into, const std::string& pointer, int depth) {
  const Json& ours = member_or(a, "prefixItems", no_elements());
  const Json& theirs = member_or(b, "prefixItems", no_elements());
  if (!ours.is_array() || !theirs.is_array()) {
    return invalid_argument("the prefixItems" + at_pointer(pointer) + " must be a list");
  }
  const Json& our_rest = member_or(a, "items", anything());
  const Json& their_rest = member_or(b, "items", anything());
  Json merged = Json::array();
  for (size_t i = 0; i < std::max(ours.size(), theirs.size()); ++i) {
    SACCADE_ASSIGN_OR_RETURN(Json item, merge(i < ours.size() ? ours[i] : our_rest,
                                              i < theirs.size() ? theirs[i] : their_rest, pointer, depth + 1));
    merged.push_back(std::move(item));
  }
  if (!merged.empty()) into["prefixItems"] = std::move(merged);
  if (b.contains("items")) {
    SACCADE_ASSIGN_OR_RETURN(into["items"], merge(our_rest, their_rest, pointer, depth + 1));
  }
  return {};
}

bool SchemaAlgebra::are_disjoint(const Json& a, const Json& b, int depth) const {
  if (depth > 8) return false;
  if (a.is_boolean() && b.is_boolean()) return !a.get<bool>() || !b.get<bool>();
  if (!a.is_object() || !b.is_object()) return false;
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const auto ref = one->find("$ref");
    if (ref == one->end()) continue;
    const auto named = resolve(*ref, "");
    if (named && are_disjoint(**named, *other, depth + 1)) return true;
  }
  const auto our_types = types_of(a, "");
  const auto their_types = types_of(b, "");
  if (!our_types || !their_types) return false;  // an error of whoever compiles them
  const auto ours = constants_of(a);
  const auto theirs = constants_of(b);
  const auto is_theirs = [&](const Json& value) { return has_value(*theirs, value); };
  if (ours && theirs && std::none_of(ours->begin(), ours->end(), is_theirs)) return true;
  if (*our_types && *their_types && intersect_types(**our_types, **their_types).empty()) return true;
  const auto has_none_of = [](const std::vector<Json>& values, const std::vector<std::string>& types) {
    return std::ranges::none_of(values, [&](const Json& value) {
      return std::ranges::any_of(types,
                                 [&](const std::string& type) { return is_kind_of(type_of_value(value), type); });
    });
  };
  if ((ours && *their_types && has_none_of(*ours, **their_types)) ||
      (theirs && *our_types && has_none_of(*theirs, **our_types))) {
    return true;
  }
  // Both of objects: a property that one of them requires, and that can't be as both want it.
  const auto is_object = [](const std::optional<std::vector<std::string>>& types) {
    return types && types->size() == 1 && types->front() == "object";
  };
  if (!is_object(*our_types) && !is_object(*their_types)) return false;
  const auto schema_of = [](const Json& schema, const std::string& name) -> const Json& {
    const Json& properties = member_or(schema, "properties", no_members());
    const Json& rest = member_or(schema, "additionalProperties", anything());
    return properties.is_object() ? member_or(properties, name.c_str(), rest) : anything();
  };
  static const Json kNothing = false;
  for (const Json* one : {&a, &b}) {
    const Json& required = member_or(*one, "required", no_elements());
    for (const Json& name : required.is_array() ? required : no_elements()) {
      if (!name.is_string()) continue;
      const Json& our = schema_of(a, name.get_ref<const std::string&>());
      const Json& their = schema_of(b, name.get_ref<const std::string&>());
      if (our == kNothing || their == kNothing || are_disjoint(our, their, depth + 1)) return true;
    }
  }
  return false;
}

}  // namespace saccade
