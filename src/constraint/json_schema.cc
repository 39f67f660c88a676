#include "constraint/json_schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "constraint/json_text.h"
#include "constraint/number_range.h"
#include "constraint/schema_algebra.h"
#include "constraint/string_pattern.h"

namespace saccade {
namespace {

using Json = SchemaJson;

constexpr int kMaxJsonDepth = 256;
constexpr size_t kMaxNameBytes = 512;  // of a property
constexpr size_t kMaxProperties = 2000;
constexpr size_t kMaxReferences = 20'000;  // that name one another

// Days that every year has: no 29th of February.
constexpr const char* kDate =
    "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))";
constexpr const char* kTime =
    "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";

std::optional<std::string> pattern_of_format(std::string_view name) {
  if (name == "date") return format("^%s$", kDate);
  if (name == "time") return format("^%s$", kTime);
  if (name == "date-time") return format("^%sT%s$", kDate, kTime);
  if (name == "uuid") return "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
  if (name == "ipv4") {
    const std::string part = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    return format("^%s(\\.%s){3}$", part.c_str(), part.c_str());
  }
  if (name == "email") {
    const std::string label = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?";
    return format("^[A-Za-z0-9_+-]{1,20}(\\.[A-Za-z0-9_+-]{1,20}){0,2}@%s(\\.%s){1,3}$", label.c_str(), label.c_str());
  }
  return std::nullopt;
}

// How deep brackets are nested, outside of strings.
int depth_of(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  bool is_in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (is_in_string) {
      if (c == '\\') ++i;
      if (c == '"') is_in_string = false;
    } else if (c == '"') {
      is_in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

Expected<Json> parse_schema(std::string_view text) {
  if (text.size() > kMaxSchemaBytes) {
    return resource_exhausted("it has " + format_bytes(text.size()) + "; at most " + format_bytes(kMaxSchemaBytes) +
                              " may be");
  }
  if (depth_of(text) > kMaxJsonDepth) {  // what follows is recursive
    return invalid_argument(format("it is nested more than %d deep", kMaxJsonDepth));
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    return invalid_argument(std::string("it is not JSON: ") + error.what());
  }
}

struct Property {
  std::string name;
  const Json* schema = nullptr;
  bool is_required = false;
};

class SchemaCompiler {
 public:
  SchemaCompiler(const Json& root, const JsonSchemaOptions& options) : root_(root), options_(options), algebra_(root) {}

  Expected<Grammar> compile() && {
    SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile(root_, "", builder_.end(), 0));
    while (!pending_.empty()) {
      const Pending rule = pending_.back();
      pending_.pop_back();
      SACCADE_ASSIGN_OR_RETURN(const NodeId body, compile(*rule.schema, rule.pointer, builder_.end(), 0));
      builder_.define(rule.node, {body});
    }
    // A model may begin with a space or a line break, as it would after a prompt.
    const NodeId begin = builder_.any_of({start, builder_.bytes({{' ', ' ', start}, {'\n', '\n', start}})});
    return std::move(builder_).build(begin);
  }

 private:
  struct Pending {
    const Json* schema;
    std::string pointer;
    NodeId node;
  };

  Expected<NodeId> compile(const Json& schema, const std::string& pointer, NodeId next, int depth) {
    if (builder_.is_full()) return builder_.never();  // build() says so
    if (depth > SchemaAlgebra::kMaxDepth) {
      return invalid_argument(format("schemas are nested more than %d deep", SchemaAlgebra::kMaxDepth) +
                              at_pointer(pointer) + "; put the inner ones under $defs");
    }
    if (schema.is_boolean()) return schema.get<bool>() ? text_.value(next) : builder_.never();
    if (!schema.is_object())
      return invalid_argument("what is" + at_pointer(pointer) + " must be an object, true or false");
    SACCADE_RETURN_IF_ERROR(check_keywords(schema, pointer));
    if (schema.contains("allOf") || (schema.contains("$ref") && has_more_than(schema, "$ref"))) {
      SACCADE_ASSIGN_OR_RETURN(const Json merged, algebra_.flatten(schema, pointer));
      return compile(merged, pointer, next, depth + 1);
    }
    if (const auto ref = schema.find("$ref"); ref != schema.end()) return compile_ref(*ref, pointer, next);
    for (const char* key : {"oneOf", "anyOf"}) {
      if (schema.contains(key)) return compile_union(schema, key, pointer, next, depth);
    }
    if (const auto constants = constants_of(schema)) return compile_constants(schema, *constants, pointer, next);
    return compile_types(schema, pointer, next, depth);
  }

  static bool has_more_than(const Json& schema, std::string_view key) {
    return std::ranges::any_of(schema.items(), [&](const auto& item) {
      return item.key() != key && keyword_use(item.key()) != KeywordUse::kAnnotation;
    });
  }

  Status check_keywords(const Json& schema, const std::string& pointer) const {
    for (const auto& [key, value] : schema.items()) {
      const KeywordUse use = keyword_use(key);
      if (use == KeywordUse::kEnforced || use == KeywordUse::kAnnotation) continue;
      if (key == "uniqueItems" && value == Json(false)) continue;
      const std::string what = quote(key) + at_pointer(pointer);
      if (use == KeywordUse::kRefused) {
        return unsupported("the keyword " + what + " can't be enforced; say it in another way, or leave it out");
      }
      return unsupported("the keyword " + what + " is not known; keywords of your own begin with x-");
    }
    const auto choices = schema.find("enum");
    if (choices != schema.end() && (!choices->is_array() || choices->empty())) {
      return invalid_argument("the enum" + at_pointer(pointer) + " must be a list of values");
    }
    return {};
  }

  Expected<NodeId> compile_ref(const Json& ref, const std::string& pointer, NodeId next) {
    SACCADE_ASSIGN_OR_RETURN(const Json* named, algebra_.resolve(ref, pointer));
    const Json* last = &ref;
    // References to references, which may come back to where they began.
    for (size_t steps = 0; named->is_object() && named->contains("$ref") && !has_more_than(*named, "$ref"); ++steps) {
      if (steps > kMaxReferences) return builder_.never();
      last = &named->at("$ref");
      SACCADE_ASSIGN_OR_RETURN(named, algebra_.resolve(*last, pointer));
    }
    const auto [found, is_new] = rules_.try_emplace(named, builder_.never());
    if (is_new) {
      found->second = builder_.reserve();
      pending_.push_back({named, last->get<std::string>().substr(1), found->second});
    }
    return builder_.call(found->second, next);
  }

  Expected<NodeId> compile_union(const Json& schema, const char* key, const std::string& pointer, NodeId next,
                                 int depth) {
    const Json& branches = schema.at(key);
    const std::string place = child_pointer(pointer, key);
    if (!branches.is_array() || branches.empty()) {
      return invalid_argument(format("the %s", key) + at_pointer(pointer) + " must be a list of schemas");
    }
    if (std::string_view(key) == "oneOf") SACCADE_RETURN_IF_ERROR(check_disjoint(branches, place));
    Json rest = schema;
    rest.erase(key);
    const bool is_alone = !has_more_than(rest, "");
    std::vector<NodeId> starts;
    for (size_t i = 0; i < branches.size() && !builder_.is_full(); ++i) {
      const std::string at = child_pointer(place, std::to_string(i));
      if (is_alone) {
        SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile(branches[i], at, next, depth + 1));
        starts.push_back(start);
      } else {
        SACCADE_ASSIGN_OR_RETURN(const Json merged, algebra_.merge(rest, branches[i], at));
        SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile(merged, at, next, depth + 1));
        starts.push_back(start);
      }
    }
    return builder_.any_of(std::move(starts));
  }

  Status check_disjoint(const Json& branches, const std::string& pointer) const {
    static constexpr size_t kMaxCompared = 256;
    if (branches.size() > kMaxCompared) {
      return resource_exhausted(format("the oneOf at %s has %zu schemas; at most %zu may be, anyOf may have more",
                                       pointer.c_str(), branches.size(), kMaxCompared));
    }
    for (size_t i = 0; i < branches.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (algebra_.are_disjoint(branches[j], branches[i])) continue;
        return unsupported(
            format("%zu and %zu of the oneOf at %s may both hold; use anyOf, or tell them apart by type or by "
                   "a required property with different constants",
                   j, i, pointer.c_str()));
      }
    }
    return {};
  }

  Expected<NodeId> compile_constants(const Json& schema, const std::vector<Json>& constants, const std::string& pointer,
                                     NodeId next) {
    for (const auto& [key, value] : schema.items()) {
      if (key == "enum" || key == "const" || key == "type" || keyword_use(key) == KeywordUse::kAnnotation) continue;
      return unsupported("the keyword " + quote(key) + at_pointer(pointer) +
                         " stands beside enum or const; leave it out, and the values that it forbids");
    }
    SACCADE_ASSIGN_OR_RETURN(const auto types, types_of(schema, pointer));
    std::vector<std::string> texts;
    std::vector<NodeId> starts;
    for (const Json& value : constants) {
      const std::string_view type = type_of_value(value);
      const bool is_wanted = !types || std::ranges::any_of(*types, [&](const std::string& wanted) {
        return wanted == type || (wanted == "number" && type == "integer");
      });
      if (!is_wanted) continue;
      if (value.is_structured()) {
        starts.push_back(constant(value, next));
      } else {
        texts.push_back(value.dump());
      }
    }
    std::vector<std::pair<std::string_view, NodeId>> scalars;
    for (const std::string& text : texts) scalars.emplace_back(text, next);
    starts.push_back(builder_.one_of(std::move(scalars)));
    return builder_.any_of(std::move(starts));
  }

  // This value, with room for spaces.
  NodeId constant(const Json& value, NodeId next) {
    if (!value.is_structured()) return builder_.literal(value.dump(), next);
    const bool is_object = value.is_object();
    if (value.empty()) return builder_.literal(is_object ? "{}" : "[]", next);
    NodeId node = text_.close(is_object ? '}' : ']', next);
    std::vector<std::pair<std::string, const Json*>> members;
    if (is_object) {
      for (const auto& [name, member] : value.items()) members.emplace_back(name, &member);
    } else {
      for (const Json& item : value) members.emplace_back("", &item);
    }
    for (size_t i = members.size(); i-- > 0;) {
      node = constant(*members[i].second, node);
      if (is_object) node = key(members[i].first, node);
      node = i > 0 ? text_.comma(node) : text_.space(node);
    }
    return builder_.literal(is_object ? "{" : "[", node);
  }

  NodeId key(const std::string& name, NodeId value) { return builder_.literal(Json(name).dump(), text_.colon(value)); }

  Expected<NodeId> compile_types(const Json& schema, const std::string& pointer, NodeId next, int depth) {
    SACCADE_ASSIGN_OR_RETURN(std::optional<std::vector<std::string>> types, types_of(schema, pointer));
    if (!types) types = implied_types(schema);
    if (types->empty() && !schema.contains("type")) return text_.value(next);
    const auto has_type = [&](std::string_view name) { return std::ranges::find(*types, name) != types->end(); };
    std::vector<NodeId> starts;
    if (has_type("null")) starts.push_back(text_.null(next));
    if (has_type("boolean")) starts.push_back(text_.boolean(next));
    if (has_type("string")) {
      SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile_string(schema, pointer, next));
      starts.push_back(start);
    }
    if (has_type("number") || has_type("integer")) {
      SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile_number(schema, !has_type("number"), pointer, next));
      starts.push_back(start);
    }
    if (has_type("array")) {
      SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile_array(schema, pointer, next, depth));
      starts.push_back(start);
    }
    if (has_type("object")) {
      SACCADE_ASSIGN_OR_RETURN(const NodeId start, compile_object(schema, pointer, next, depth));
      starts.push_back(start);
    }
    return builder_.any_of(std::move(starts));
  }

  // By JSON Schema, {"properties": ...} holds for every number; whoever writes it means objects.
  static std::vector<std::string> implied_types(const Json& schema) {
    static const std::vector<std::pair<const char*, std::vector<const char*>>> kKeywords = {
        {"object", {"properties", "required", "additionalProperties", "minProperties", "maxProperties"}},
        {"array", {"items", "prefixItems", "minItems", "maxItems"}},
        {"string", {"minLength", "maxLength", "pattern"}},
        {"number", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}}};
    std::vector<std::string> types;
    for (const auto& [type, keywords] : kKeywords) {
      if (std::ranges::any_of(keywords, [&](const char* keyword) { return schema.contains(keyword); })) {
        types.emplace_back(type);
      }
    }
    return types;
  }

  // A whole number of 0 or more.
  static Expected<std::optional<uint32_t>> count_of(const Json& schema, const char* keyword,
                                                    const std::string& pointer) {
    const auto found = schema.find(keyword);
    if (found == schema.end()) return std::optional<uint32_t>();
    const bool is_count = found->is_number() && found->get<double>() >= 0 && type_of_value(*found) == "integer";
    if (!is_count)
      return invalid_argument(format("%s", keyword) + at_pointer(pointer) + " must be a whole number, 0 or more");
    const double most = Grammar::kUnlimited - 1;
    return std::optional(static_cast<uint32_t>(std::min(found->get<double>(), most)));
  }

  Expected<NodeId> compile_string(const Json& schema, const std::string& pointer, NodeId next) {
    SACCADE_ASSIGN_OR_RETURN(const auto min, count_of(schema, "minLength", pointer));
    SACCADE_ASSIGN_OR_RETURN(const auto max, count_of(schema, "maxLength", pointer));
    const uint32_t least = min.value_or(0);
    const uint32_t most = max.value_or(Grammar::kUnlimited);
    if (const auto pattern = schema.find("pattern"); pattern != schema.end()) {
      const std::string place = child_pointer(pointer, "pattern");
      if (!pattern->is_string()) return invalid_argument("the pattern" + at_pointer(pointer) + " must be a string");
      auto parsed = StringPattern::parse(pattern->get_ref<const std::string&>());
      if (!parsed) return parsed.status().with_context("the pattern" + at_pointer(pointer));
      if (parsed->min_length() < least || parsed->max_length() > most) {
        return unsupported(
            "minLength and maxLength are beside a pattern" + at_pointer(pointer) +
            " that does not keep them by itself; write the length into the pattern, as in ^[a-z]{1,10}$");
      }
      return parsed->build(text_, next);
    }
    const auto named = schema.find("format");
    if (named != schema.end() && named->is_string() && !min && !max) {
      if (const auto pattern = pattern_of_format(named->get_ref<const std::string&>())) {
        SACCADE_ASSIGN_OR_RETURN(const StringPattern parsed, StringPattern::parse(*pattern));
        return parsed.build(text_, next);
      }
    }
    if (least > most) return builder_.never();
    return text_.string(least, most, next);
  }

  static Expected<std::optional<NumberBound>> bound_of(const Json& schema, const char* inclusive, const char* exclusive,
                                                       bool is_minimum, const std::string& pointer) {
    std::optional<NumberBound> bound;
    double tightest = 0;
    for (const char* keyword : {inclusive, exclusive}) {
      const auto found = schema.find(keyword);
      if (found == schema.end()) continue;
      if (!found->is_number())
        return invalid_argument(format("%s", keyword) + at_pointer(pointer) + " must be a number");
      const auto value = found->get<double>();
      if (bound && (is_minimum ? value < tightest : value > tightest)) continue;
      const auto decimal = Decimal::parse(found->dump());
      if (!decimal) {
        return unsupported(format("%s", keyword) + at_pointer(pointer) +
                           format(" has more than %zu digits before or behind the point", Decimal::kMaxDigits));
      }
      tightest = value;
      bound = NumberBound{*decimal, keyword == exclusive};
    }
    return bound;
  }

  Expected<NodeId> compile_number(const Json& schema, bool is_integer, const std::string& pointer, NodeId next) {
    if (const auto factor = schema.find("multipleOf"); factor != schema.end()) {
      if (!is_integer || *factor != Json(1)) {
        return unsupported("the keyword \"multipleOf\"" + at_pointer(pointer) +
                           " can't be enforced, but for integers and 1; leave it out");
      }
    }
    NumberBounds bounds;
    SACCADE_ASSIGN_OR_RETURN(bounds.min, bound_of(schema, "minimum", "exclusiveMinimum", true, pointer));
    SACCADE_ASSIGN_OR_RETURN(bounds.max, bound_of(schema, "maximum", "exclusiveMaximum", false, pointer));
    if (bounds.min || bounds.max) return bounded_number(builder_, bounds, is_integer, next);
    return is_integer ? text_.integer(next) : text_.number(next);
  }

  Expected<NodeId> compile_array(const Json& schema, const std::string& pointer, NodeId next, int depth) {
    SACCADE_ASSIGN_OR_RETURN(const auto min, count_of(schema, "minItems", pointer));
    SACCADE_ASSIGN_OR_RETURN(const auto max, count_of(schema, "maxItems", pointer));
    const uint32_t least = min.value_or(0);
    const uint32_t most = max.value_or(Grammar::kUnlimited);
    static const Json kNone = Json::array();
    static const Json kAnything = true;
    const Json& first = schema.contains("prefixItems") ? schema["prefixItems"] : kNone;
    const Json& items = schema.contains("items") ? schema["items"] : kAnything;
    if (!first.is_array())
      return invalid_argument("the prefixItems" + at_pointer(pointer) + " must be a list of schemas");
    if (items.is_array()) {
      return unsupported("the items" + at_pointer(pointer) +
                         " are a list; name the schemas of the first items prefixItems");
    }
    if (least > most) return builder_.never();
    const auto num_first = static_cast<uint32_t>(std::min<size_t>(first.size(), most));
    const NodeId close = text_.close(']', next);
    // What follows so many of the first items; at the end, what follows all of them.
    NodeId rest = num_first == 0 ? builder_.literal("]", next) : close;
    if (least > num_first) rest = builder_.never();
    if (most > num_first) {
      SACCADE_ASSIGN_OR_RETURN(const NodeId item,
                               compile(items, child_pointer(pointer, "items"), builder_.end(), depth + 1));
      SACCADE_ASSIGN_OR_RETURN(rest, compile_rest(item, num_first, least, most, close, rest));
    }
    for (uint32_t i = num_first; i-- > 0;) {
      const std::string place = child_pointer(child_pointer(pointer, "prefixItems"), std::to_string(i));
      SACCADE_ASSIGN_OR_RETURN(const NodeId item, compile(first[i], place, rest, depth + 1));
      std::vector<NodeId> starts = {i == 0 ? text_.space(item) : text_.comma(item)};
      if (i >= least) starts.push_back(i == 0 ? builder_.literal("]", next) : close);
      rest = builder_.any_of(std::move(starts));
    }
    return builder_.literal("[", rest);
  }

  // Items behind the first ones. `none`: what follows where there are none.
  Expected<NodeId> compile_rest(NodeId item, uint32_t num_first, uint32_t min, uint32_t max, NodeId close,
                                NodeId none) {
    const auto behind = [&](uint32_t num_items) {
      const uint32_t least = min > num_items ? min - num_items : 0;
      const uint32_t most = max == Grammar::kUnlimited ? max : max - num_items;
      if (least == 0 && most == Grammar::kUnlimited) {
        const NodeId more = builder_.reserve();
        builder_.define(more, {text_.comma(builder_.call(item, more)), close});
        return more;
      }
      return builder_.repeat(text_.comma(item), least, most, close);
    };
    if (num_first > 0) return behind(num_first);
    return builder_.any_of({text_.space(builder_.call(item, behind(1))), none});
  }

  Expected<std::vector<Property>> properties_of(const Json& schema, const Json& rest,
                                                const std::string& pointer) const {
    static const Json kNone = Json::object();
    static const Json kNoNames = Json::array();
    const Json& properties = schema.contains("properties") ? schema["properties"] : kNone;
    const Json& required = schema.contains("required") ? schema["required"] : kNoNames;
    if (!properties.is_object()) return invalid_argument("the properties" + at_pointer(pointer) + " must be an object");
    const auto is_name = [](const Json& name) { return name.is_string(); };
    if (!required.is_array() || !std::ranges::all_of(required, is_name)) {
      return invalid_argument("the required" + at_pointer(pointer) + " must be a list of names");
    }
    std::map<std::string, size_t> places;
    std::vector<Property> all;
    for (const auto& [name, property] : properties.items()) {
      places[name] = all.size();
      all.push_back({name, &property, false});
    }
    for (const Json& one : required) {
      const auto [place, is_new] = places.try_emplace(one.get<std::string>(), all.size());
      if (is_new) all.push_back({one.get<std::string>(), &rest, false});
      all[place->second].is_required = true;
    }
    if (all.size() > kMaxProperties) {
      return resource_exhausted(format("there are %zu properties", all.size()) + at_pointer(pointer) +
                                format("; at most %zu may be", kMaxProperties));
    }
    for (const Property& property : all) {
      if (property.name.size() <= kMaxNameBytes) continue;
      return resource_exhausted("the name of a property" + at_pointer(pointer) +
                                format(" has %zu bytes; at most %zu may be", property.name.size(), kMaxNameBytes));
    }
    return all;
  }

  Expected<NodeId> compile_object(const Json& schema, const std::string& pointer, NodeId next, int depth) {
    const Json rest =
        schema.contains("additionalProperties") ? schema["additionalProperties"] : Json(!options_.is_strict);
    const std::string rest_pointer = child_pointer(pointer, "additionalProperties");
    SACCADE_ASSIGN_OR_RETURN(const std::vector<Property> properties, properties_of(schema, rest, pointer));
    SACCADE_ASSIGN_OR_RETURN(const uint32_t num_more, num_additional(schema, properties, rest, pointer));
    const NodeId close = text_.close('}', next);
    NodeId member = builder_.never();  // the next one, of those that may still come
    if (num_more > 0) {
      std::vector<std::u32string> names;
      for (const Property& property : properties) names.push_back(code_points(property.name));
      SACCADE_ASSIGN_OR_RETURN(const NodeId value, compile(rest, rest_pointer, builder_.end(), depth + 1));
      const NodeId additional = text_.string_but(std::move(names), text_.colon(value));
      NodeId more = close;
      if (num_more == Grammar::kUnlimited) {
        more = builder_.reserve();
        builder_.define(more, {text_.comma(builder_.call(additional, more)), close});
      } else {
        more = builder_.repeat(text_.comma(additional), 0, num_more - 1, close);
      }
      member = builder_.call(additional, more);
    }
    bool may_close = true;
    for (size_t i = properties.size(); i-- > 0;) {
      const Property& property = properties[i];
      const std::string place =
          property.schema == &rest ? rest_pointer : child_pointer(child_pointer(pointer, "properties"), property.name);
      const NodeId behind = builder_.any_of({text_.comma(member), may_close ? close : builder_.never()});
      SACCADE_ASSIGN_OR_RETURN(const NodeId value, compile(*property.schema, place, behind, depth + 1));
      if (value == builder_.never() && property.is_required && !builder_.is_full()) {
        return invalid_argument("the property " + quote(property.name) + at_pointer(pointer) +
                                " is required, and nothing may stand there");
      }
      const NodeId named = value == builder_.never() ? value : key(property.name, value);
      member = builder_.any_of({named, property.is_required ? builder_.never() : member});
      may_close = may_close && !property.is_required;
    }
    const NodeId none = may_close ? builder_.literal("}", next) : builder_.never();
    return builder_.literal("{", builder_.any_of({text_.space(member), none}));
  }

  // How many properties that are not named there may be.
  static Expected<uint32_t> num_additional(const Json& schema, const std::vector<Property>& properties,
                                           const Json& rest, const std::string& pointer) {
    SACCADE_ASSIGN_OR_RETURN(const auto min, count_of(schema, "minProperties", pointer));
    SACCADE_ASSIGN_OR_RETURN(const auto max, count_of(schema, "maxProperties", pointer));
    const auto num_required = std::ranges::count(properties, true, &Property::is_required);
    if (min && *min > num_required) {
      return unsupported("minProperties" + at_pointer(pointer) +
                         " is over the number of required properties; name those that there must be under required");
    }
    if (max && *max < properties.size()) {
      return unsupported("maxProperties" + at_pointer(pointer) +
                         " is under the number of properties that are named; leave it out, or use anyOf");
    }
    if (rest == Json(false)) return 0U;
    return max ? *max - static_cast<uint32_t>(properties.size()) : Grammar::kUnlimited;
  }

  static std::u32string code_points(std::string_view text) {
    std::u32string result;
    for (size_t position = 0; position < text.size();) result += next_code_point(text, position).code_point;
    return result;
  }

  const Json& root_;
  const JsonSchemaOptions options_;
  SchemaAlgebra algebra_;
  GrammarBuilder builder_;
  JsonText text_{builder_};
  std::map<const Json*, NodeId> rules_;  // of what a $ref named
  std::vector<Pending> pending_;
};

}  // namespace

Expected<Grammar> compile_json_schema(std::string_view schema, const JsonSchemaOptions& options) {
  const auto compile = [&]() -> Expected<Grammar> {
    SACCADE_ASSIGN_OR_RETURN(const Json root, parse_schema(schema));
    return SchemaCompiler(root, options).compile();
  };
  auto grammar = compile();
  if (!grammar) return grammar.status().with_context("the JSON schema");
  return grammar;
}

Grammar json_object_grammar() {
  GrammarBuilder builder;
  JsonText text(builder);
  const NodeId start = text.object(builder.end());
  const NodeId begin = builder.any_of({start, builder.bytes({{' ', ' ', start}, {'\n', '\n', start}})});
  auto grammar = std::move(builder).build(begin);
  return *std::move(grammar);  // it is always the same
}

}  // namespace saccade
