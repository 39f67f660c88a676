// Whether a value satisfies a JSON schema, written from the specification (2020-12) and from nothing else: what the
// grammar's texts are held to.
#pragma once

#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace saccade::testing {

class SchemaChecker {
 public:
  using Json = nlohmann::json;

  explicit SchemaChecker(Json root) : root_(std::move(root)) {}

  bool holds(const Json& value) const { return holds(root_, value); }

 private:
  static std::wstring wide(const std::string& text) {
    std::wstring result;
    for (size_t position = 0; position < text.size();) {
      result += static_cast<wchar_t>(next_code_point(text, position).code_point);
    }
    return result;
  }

  static bool has_type(const Json& value, const std::string& type) {
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_boolean();
    if (type == "string") return value.is_string();
    if (type == "array") return value.is_array();
    if (type == "object") return value.is_object();
    if (type == "number") return value.is_number();
    return value.is_number_integer() || (value.is_number() && value.get<double>() == std::floor(value.get<double>()));
  }

  bool holds(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    for (const auto& [keyword, wanted] : schema.items()) {
      if (!keyword_holds(schema, keyword, wanted, value)) return false;
    }
    return true;
  }

  bool keyword_holds(const Json& schema, const std::string& keyword, const Json& wanted, const Json& value) const {
    if (keyword == "$ref") return holds(root_.at(Json::json_pointer(wanted.get<std::string>().substr(1))), value);
    if (keyword == "type") {
      if (wanted.is_string()) return has_type(value, wanted);
      for (const Json& type : wanted) {
        if (has_type(value, type)) return true;
      }
      return false;
    }
    if (keyword == "const") return value == wanted;
    if (keyword == "enum") return std::count(wanted.begin(), wanted.end(), value) > 0;
    if (keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf") {
      size_t num_holding = 0;
      for (const Json& one : wanted) num_holding += holds(one, value) ? 1 : 0;
      if (keyword == "allOf") return num_holding == wanted.size();
      return keyword == "anyOf" ? num_holding > 0 : num_holding == 1;
    }
    if (value.is_string()) return string_holds(keyword, wanted, value);
    if (value.is_number()) return number_holds(keyword, wanted, value);
    if (value.is_array()) return array_holds(schema, keyword, wanted, value);
    if (value.is_object()) return object_holds(schema, keyword, wanted, value);
    return true;
  }

  static bool string_holds(const std::string& keyword, const Json& wanted, const Json& value) {
    const std::wstring text = wide(value.get<std::string>());
    if (keyword == "minLength") return text.size() >= wanted.get<size_t>();
    if (keyword == "maxLength") return text.size() <= wanted.get<size_t>();
    if (keyword == "pattern") return std::regex_search(text, std::wregex(wide(wanted.get<std::string>())));
    return true;
  }

  static bool number_holds(const std::string& keyword, const Json& wanted, const Json& value) {
    if (keyword == "minimum") return value >= wanted;
    if (keyword == "maximum") return value <= wanted;
    if (keyword == "exclusiveMinimum") return value > wanted;
    if (keyword == "exclusiveMaximum") return value < wanted;
    return true;
  }

  bool array_holds(const Json& schema, const std::string& keyword, const Json& wanted, const Json& value) const {
    if (keyword == "minItems") return value.size() >= wanted.get<size_t>();
    if (keyword == "maxItems") return value.size() <= wanted.get<size_t>();
    if (keyword == "prefixItems") {
      for (size_t i = 0; i < std::min(wanted.size(), value.size()); ++i) {
        if (!holds(wanted[i], value[i])) return false;
      }
    }
    if (keyword == "items") {
      for (size_t i = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0; i < value.size(); ++i) {
        if (!holds(wanted, value[i])) return false;
      }
    }
    return true;
  }

  bool object_holds(const Json& schema, const std::string& keyword, const Json& wanted, const Json& value) const {
    if (keyword == "minProperties") return value.size() >= wanted.get<size_t>();
    if (keyword == "maxProperties") return value.size() <= wanted.get<size_t>();
    if (keyword == "required") {
      for (const Json& name : wanted) {
        if (!value.contains(name.get<std::string>())) return false;
      }
    }
    for (const auto& [name, member] : value.items()) {
      const bool is_named = schema.contains("properties") && schema["properties"].contains(name);
      if (keyword == "properties" && is_named && !holds(wanted[name], member)) return false;
      if (keyword == "additionalProperties" && !is_named && !holds(wanted, member)) return false;
    }
    return true;
  }

  const Json root_;
};

}  // namespace saccade::testing
