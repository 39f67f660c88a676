// Random JSON schemas, each with a way to write documents that satisfy it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade::testing {

/// Thread safety: none.
class RandomSchemas {
 public:
  using Json = nlohmann::ordered_json;
  struct Shape {
    Json schema;
    std::function<std::string(int depth)> write;  // a document; the deeper, the shorter
  };

  explicit RandomSchemas(uint32_t seed) : random_(seed) {}

  std::mt19937& random() { return random_; }

  /// With $defs, one of which may contain itself.
  Shape draw() {
    defs_ = Json::object();
    writers_.clear();
    num_names_ = 0;
    if (below(3) == 0) add_recursive();
    Shape shape = draw_shape(0);
    if (!defs_.empty()) {
      if (!shape.schema.is_object()) shape.schema = {{"allOf", Json::array({shape.schema})}};
      shape.schema["$defs"] = defs_;
    }
    return shape;
  }

 private:
  int below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }

  // What may stand between tokens of a formatted text.
  std::string space() {
    if (below(2) == 0) return "";
    return below(2) == 0 ? " " : "\n" + std::string(static_cast<size_t>(below(33)), ' ');
  }
  std::string colon() { return below(2) == 0 ? ":" : ": "; }

  std::string join(char open, const std::vector<std::string>& parts, char close) {
    if (parts.empty()) return std::string() + open + close;
    std::string text(1, open);
    for (size_t i = 0; i < parts.size(); ++i) text += (i > 0 ? "," : "") + space() + parts[i];
    return text + space() + close;
  }

  std::string characters(int count) {
    static const std::vector<std::string> kOdd = {"\\\"",
                                                  "\\\\",
                                                  "\\/",
                                                  "\\b",
                                                  "\\f",
                                                  "\\n",
                                                  "\\r",
                                                  "\\t",
                                                  "é",
                                                  "漢",
                                                  "😀",
                                                  "\x7F",
                                                  "\\u0001",
                                                  "\\u00e9",
                                                  "\\uD83d\\uDE00",
                                                  "\\uFFFF",
                                                  "\xEF\xBF\xBF",
                                                  "\xF4\x8F\xBF\xBF"};
    std::string text;
    for (int i = 0; i < count; ++i) {
      if (below(4) == 0) {
        text += kOdd[static_cast<size_t>(below(static_cast<int>(kOdd.size())))];
      } else {
        char c = static_cast<char>(' ' + below(95));
        text += c == '"' || c == '\\' ? 'q' : c;
      }
    }
    return text;
  }

  Shape string_shape() {
    Json schema = {{"type", "string"}};
    const int least = below(2) * below(5);
    const int most = below(2) == 0 ? -1 : least + below(6);
    if (least > 0) schema["minLength"] = least;
    if (most >= 0) schema["maxLength"] = most;
    return {schema, [=, this](int) {
              return '"' + characters(most >= 0 ? least + below(most - least + 1) : least + below(12)) + '"';
            }};
  }

  Shape pattern_shape() {
    struct Known {
      const char* pattern;
      std::function<std::string()> write;
    };
    const auto digits = [this](int count) {
      std::string text;
      for (int i = 0; i < count; ++i) text += static_cast<char>('0' + below(10));
      return text;
    };
    const std::vector<Known> known = {
        {"^\\d{3}-\\d{4}$", [=] { return digits(3) + "-" + digits(4); }},
        {"^[a-z]+(_[a-z]+)*$", [=, this] { return std::string(1 + below(3), 'k') + (below(2) == 0 ? "_ab" : ""); }},
        {"^(red|green|b.ue)?$",
         [=, this] {
           return std::vector<std::string>{"red", "green", "", "blue", "béue"}[static_cast<size_t>(below(5))];
         }},
        {"x\\d", [=, this] { return std::string(static_cast<size_t>(below(4)), 'y') + "x" + digits(1) + "z"; }},
        {"^[^\"\\\\a-y]{2,4}$",
         [=, this] {
           return std::vector<std::string>{"zz", "漢漢漢", "ZzZ1"}[static_cast<size_t>(below(3))];
         }},
        {"^a|b$", [=, this] { return std::string(below(2) == 0 ? "axyz" : "xyzb"); }},
        {"^(?:[A-F\\d]{2}:){3}\\w$", [=] { return "A1:" + digits(2) + ":FF:_"; }},
    };
    const Known one = known[static_cast<size_t>(below(static_cast<int>(known.size())))];
    return {{{"type", "string"}, {"pattern", one.pattern}}, [one](int) { return '"' + one.write() + '"'; }};
  }

  Shape integer_shape() {
    Json schema = {{"type", "integer"}};
    int64_t least = -1'000'000'000;
    int64_t most = 1'000'000'000;
    static const std::vector<int> kScales = {3, 30, 500, 100'000};
    const auto any = [&] {
      const int scale = kScales[static_cast<size_t>(below(4))];
      return below(2 * scale + 1) - scale;
    };
    if (below(2) == 0) {
      least = any();
      schema["minimum"] = least;
    }
    if (below(2) == 0) {
      most = std::max<int64_t>(any(), least);
      if (below(2) == 0) {
        schema["maximum"] = most;
      } else {
        schema["exclusiveMaximum"] = most + 1;
      }
    }
    return {schema,
            [=, this](int) { return std::to_string(std::uniform_int_distribution<int64_t>(least, most)(random_)); }};
  }

  Shape number_shape() {
    Json schema = {{"type", "number"}};
    if (below(3) == 0) {
      return {schema, [this](int) {
                static const std::vector<std::string> kNumbers = {"0",      "-0",     "1.5",   "-12.25",      "1e5",
                                                                  "-2E-07", "0.0010", "99e+3", "123456789012"};
                return kNumbers[static_cast<size_t>(below(static_cast<int>(kNumbers.size())))];
              }};
    }
    const int least = below(2001) - 1000;  // hundredths
    const int most = least + 1 + below(1000);
    schema["minimum"] = least / 100.0;
    schema[below(2) == 0 ? "maximum" : "exclusiveMaximum"] = most / 100.0;
    return {schema, [=, this](int) {
              const int value = least + below(most - least);
              const std::string text =
                  format("%s%d.%02d", value < 0 ? "-" : "", std::abs(value) / 100, std::abs(value) % 100);
              return text;
            }};
  }

  Shape constant_shape() {
    std::vector<Json> values;
    for (int i = 1 + below(4); i > 0; --i) {
      static const std::vector<Json> kValues = {"red",
                                                "re",
                                                "green \"x\"",
                                                "",
                                                1,
                                                -7,
                                                2.5,
                                                true,
                                                false,
                                                nullptr,
                                                Json::array({1, "a"}),
                                                {{"a", 1}, {"b", {true}}},
                                                Json::object(),
                                                Json::array(),
                                                "é\n"};
      values.push_back(kValues[static_cast<size_t>(below(static_cast<int>(kValues.size())))]);
    }
    const Json schema = values.size() == 1 ? Json{{"const", values[0]}} : Json{{"enum", values}};
    return {schema,
            [=, this](int) { return values[static_cast<size_t>(below(static_cast<int>(values.size())))].dump(); }};
  }

  Shape array_shape(int depth) {
    Json schema = {{"type", "array"}};
    std::vector<Shape> first;
    for (int i = below(3) == 0 ? 1 + below(2) : 0; i > 0; --i) first.push_back(draw_shape(depth + 1));
    const Shape rest = draw_shape(depth + 1);
    const bool is_closed = !first.empty() && below(2) == 0;
    if (!first.empty()) {
      schema["prefixItems"] = Json::array();
      for (const Shape& shape : first) schema["prefixItems"].push_back(shape.schema);
    }
    schema["items"] = is_closed ? Json(false) : rest.schema;
    const int num_first = static_cast<int>(first.size());
    int least = below(2) * below(4);
    if (is_closed) least = std::min(least, num_first);
    const int most = below(2) == 0 ? -1 : least + below(4);
    if (least > 0) schema["minItems"] = least;
    if (most >= 0) schema["maxItems"] = most;
    return {schema, [=, this](int level) {
              int count = least + (level > 4 ? 0 : below(3));
              if (most >= 0) count = std::min(count, most);
              if (is_closed) count = std::min(count, num_first);
              std::vector<std::string> parts;
              for (int i = 0; i < count; ++i) {
                parts.push_back((i < num_first ? first[static_cast<size_t>(i)] : rest).write(level + 1));
              }
              return join('[', parts, ']');
            }};
  }

  struct Member {
    std::string name;
    Shape shape;
    bool is_required;
  };

  std::vector<Member> draw_members(int depth) {
    std::vector<Member> members;
    for (int i = below(4); i > 0; --i) {
      static const std::vector<std::string> kNames = {"name", "id", "é", "a\"b", "n"};
      std::string name = below(2) == 0 ? kNames[static_cast<size_t>(below(5))] : "k";
      name += std::to_string(num_names_++);
      members.push_back({name, draw_shape(depth + 1), below(2) == 0});
    }
    return members;
  }

  static Json object_of(const std::vector<Member>& members) {
    Json schema = {{"type", "object"}, {"properties", Json::object()}};
    Json required = Json::array();
    for (const Member& member : members) {
      schema["properties"][member.name] = member.shape.schema;
      if (member.is_required) required.push_back(member.name);
    }
    if (!required.empty()) schema["required"] = required;
    return schema;
  }

  std::string write_members(const std::vector<Member>& members, const Shape* rest, int level) {
    std::vector<std::string> parts;
    for (const Member& member : members) {
      if (!member.is_required && (level > 4 || below(2) == 0)) continue;
      parts.push_back(Json(member.name).dump() + colon() + member.shape.write(level + 1));
    }
    for (int i = rest == nullptr || level > 4 ? 0 : below(3); i > 0; --i) {
      static const std::vector<std::string> kMore = {"\"\"", "\"na\"", "\"é\"", "\"other\"", "\"k\"", "\"漢\\u0041\""};
      parts.push_back(kMore[static_cast<size_t>(below(6))] + colon() + rest->write(level + 1));
    }
    return join('{', parts, '}');
  }

  Shape object_shape(int depth) {
    const std::vector<Member> members = draw_members(depth);
    Json schema = object_of(members);
    if (below(3) > 0) {
      schema["additionalProperties"] = false;
      return {schema, [=, this](int level) { return write_members(members, nullptr, level); }};
    }
    const Shape rest = draw_shape(depth + 1);
    schema["additionalProperties"] = rest.schema;
    return {schema, [=, this](int level) { return write_members(members, &rest, level); }};
  }

  // Of two halves.
  Shape merged_shape(int depth) {
    std::vector<Member> members = draw_members(depth);
    const std::vector<Member> more = draw_members(depth);
    Json schema = {{"allOf", Json::array({object_of(members), object_of(more)})}};
    members.insert(members.end(), more.begin(), more.end());
    return {schema, [=, this](int level) { return write_members(members, nullptr, level); }};
  }

  Shape union_shape(int depth) {
    std::vector<Shape> shapes;
    Json schemas = Json::array();
    for (int i = 1 + below(3); i > 0; --i) {
      shapes.push_back(draw_shape(depth + 1));
      schemas.push_back(shapes.back().schema);
    }
    return {{{"anyOf", schemas}}, [=, this](int level) {
              return shapes[static_cast<size_t>(below(static_cast<int>(shapes.size())))].write(level);
            }};
  }

  // Told apart by a constant.
  Shape tagged_shape(int depth) {
    std::vector<std::vector<Member>> all;
    Json schemas = Json::array();
    for (int i = 0; i < 2; ++i) {
      const std::string tag = i == 0 ? "left" : "lefter";
      std::vector<Member> members = draw_members(depth);
      members.insert(members.begin(), {"tag", {{{"const", tag}}, [tag](int) { return '"' + tag + '"'; }}, true});
      schemas.push_back(object_of(members));
      all.push_back(std::move(members));
    }
    return {{{"oneOf", schemas}},
            [=, this](int level) { return write_members(all[static_cast<size_t>(below(2))], nullptr, level); }};
  }

  void add_recursive() {
    const std::string name = "node";
    defs_[name] = {{"type", "object"},
                   {"properties",
                    {{"value", {{"type", "integer"}}},
                     {"next", {{"$ref", "#/$defs/node"}}},
                     {"children", {{"type", "array"}, {"items", {{"$ref", "#/$defs/node"}}}}}}},
                   {"required", {"value"}},
                   {"additionalProperties", false}};
    writers_[name] = [this](int level) -> std::string {
      std::vector<std::string> parts = {"\"value\"" + colon() + std::to_string(below(100))};
      if (level < 4 && below(2) == 0) parts.push_back("\"next\"" + colon() + writers_["node"](level + 1));
      if (level < 4 && below(2) == 0) {
        std::vector<std::string> children;
        for (int i = below(3); i > 0; --i) children.push_back(writers_["node"](level + 1));
        parts.push_back("\"children\"" + colon() + join('[', children, ']'));
      }
      return join('{', parts, '}');
    };
  }

  Shape draw_shape(int depth) {
    if (!writers_.empty() && below(5) == 0) return {{{"$ref", "#/$defs/node"}}, writers_["node"]};
    const int kind = below(depth < 3 ? 14 : 9);
    switch (kind) {
      case 0:
        return {{{"type", "null"}}, [](int) { return std::string("null"); }};
      case 1:
        return {{{"type", {"boolean", "null"}}}, [this](int) {
                  return std::vector<std::string>{"true", "false", "null"}[static_cast<size_t>(below(3))];
                }};
      case 2:
      case 3:
        return string_shape();
      case 4:
        return pattern_shape();
      case 5:
        return integer_shape();
      case 6:
        return number_shape();
      case 7:
        return constant_shape();
      case 8:
        return {
            Json(true), [this](int) {
              static const std::vector<std::string> kAny = {"{\"a\":[1,{}]}", "[[], \"\"]", "null", "\"x\"", "-1.5"};
              return kAny[static_cast<size_t>(below(5))];
            }};
      case 9:
        return array_shape(depth);
      case 10:
        return merged_shape(depth);
      case 11:
        return union_shape(depth);
      case 12:
        return tagged_shape(depth);
      default:
        return object_shape(depth);
    }
  }

  std::mt19937 random_;
  Json defs_;
  std::map<std::string, std::function<std::string(int)>> writers_;
  int num_names_ = 0;
};

}  // namespace saccade::testing
