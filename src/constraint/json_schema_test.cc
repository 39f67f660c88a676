#include "constraint/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "constraint/automaton.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Whether the text belongs to the grammar.
bool takes(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  ConstraintState state(grammar);
  for (const char c : text) {
    if (!state.advance(static_cast<uint8_t>(c))) return false;
  }
  return state.may_end();
}

std::shared_ptr<const Grammar> compile(std::string_view schema, bool is_strict = false) {
  auto grammar = compile_json_schema(schema, {is_strict});
  EXPECT_TRUE(grammar) << schema << "\n" << grammar.status().message();
  return grammar ? std::make_shared<const Grammar>(*std::move(grammar)) : nullptr;
}

void expect(std::string_view schema, const std::vector<std::string_view>& taken,
            const std::vector<std::string_view>& refused, bool is_strict = false) {
  SCOPED_TRACE(schema.substr(0, 200));
  const auto grammar = compile(schema, is_strict);
  if (grammar == nullptr) return;
  for (const std::string_view text : taken) EXPECT_TRUE(takes(grammar, text)) << text;
  for (const std::string_view text : refused) EXPECT_FALSE(takes(grammar, text)) << text;
}

void expect_error(std::string_view schema, StatusCode code, const std::vector<std::string>& words) {
  SCOPED_TRACE(schema.substr(0, 200));
  const auto grammar = compile_json_schema(schema);
  ASSERT_FALSE(grammar);
  EXPECT_EQ(grammar.status().code(), code) << grammar.status().message();
  for (const std::string& word : words) EXPECT_THAT(grammar.status().message(), HasSubstr(word));
}

TEST(JsonSchemaTest, Types) {
  expect(R"({"type":"null"})", {"null"}, {"nul", "nulll", "NULL", "", "0"});
  expect(R"({"type":["boolean","string"]})", {"true", "false", "\"\""}, {"null", "1"});
  expect(R"({"type":"integer"})", {"0", "-1", "123456789012345678"}, {"-0", "01", "1.0", "1e3", "1234567890123456789"});
  expect(R"({"type":"number"})", {"0", "-0.5", "1e9", "1.25E-07", "12.5e+3"},
         {"01", ".5", "1.", "1e", "1e999", "+1", "NaN", "0x1"});
  expect("true", {"{}", "[]", "[1, {\"a\": null}]", "\"x\"", "-2"}, {"", "{,}", "[1,]", "{\"a\"}"});
  expect("{}", {"{}", "3"}, {"}"});
}

TEST(JsonSchemaTest, Strings) {
  expect(R"({"type":"string"})",
         {R"("")", R"("a b")", R"("\n\"\\\/")", R"("é漢😀")", R"("\u00e9\uD83D\uDE00")", "\"\x7F\""},
         {R"(")", R"("\x")", R"("\u12")", R"("\uD83D")", R"("\uDE00")", R"("\uD83Dx")", "\"\n\"", "\"\xFF\"",
          "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xC3\"", "\"\xF4\x90\x80\x80\""});
  expect(R"({"type":"string","minLength":2,"maxLength":3})", {R"("ab")", R"("漢😀\n")", R"("\uD83D\uDE00x")"},
         {R"("a")", R"("abcd")", R"("\uD83D\uDE00")"});
  expect(R"({"type":"string","format":"date"})", {R"("2024-12-31")"}, {R"("2023-02-29")", R"("2024-13-01")", R"("x")"});
  expect(R"({"type":"string","format":"date-time"})", {R"("2024-12-31T23:59:59Z")", R"("2024-01-01T00:00:00.5+02:00")"},
         {R"("2024-12-31 23:59:59Z")", R"("2024-12-31T24:00:00Z")"});
  expect(R"({"type":"string","format":"email"})", {R"("a.b@example.org")"},
         {R"("a@b")", R"("@b.c")", R"("a..b@c.de")"});
  expect(R"({"type":"string","format":"uuid"})", {R"("01234567-89ab-cdef-0123-456789abcdef")"}, {R"("0123")"});
  expect(R"({"type":"string","format":"ipv4"})", {R"("127.0.0.1")"}, {R"("256.0.0.1")", R"("1.2.3")"});
  expect(R"({"type":"string","format":"something"})", {R"("any")"}, {});
}

TEST(JsonSchemaTest, SpacesAreBounded) {
  const std::string indent(32, ' ');
  expect(R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"null"}}}})",
         {"{}", R"({"a": []})", "{\n  \"a\": [\n    null,\n    null\n  ]\n}", R"({ "a":[ null, null ] })", "\n{}",
          " {}", "{\n" + indent + "\"a\":[]}"},
         {"{ }", R"({"a" :[]})", R"({"a":  []})", "{\n\n\"a\":[]}", R"({  "a":[]})", "{}\n", "  {}",
          R"({"a":[null ,null]})", "{\n" + indent + " \"a\":[]}", "{\t\"a\":[]}"});
}

TEST(JsonSchemaTest, Objects) {
  const char* const closed =
      R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},
          "required":["b"],"additionalProperties":false})";
  expect(closed,
         {R"({"b":null})", R"({"a":null,"b":null})", R"({"b":null,"c":null})", R"({"a":null,"b":null,"c":null})"},
         {"{}", R"({"a":null})", R"({"b":null,"a":null})", R"({"b":null,"b":null})", R"({"b":null,"d":null})",
          R"({,"b":null})", R"({"b":null,})"});
  const char* const open = R"({"type":"object","properties":{"ab":{"type":"null"},"é":{"type":"null"}},
                              "additionalProperties":{"type":"integer"}})";
  expect(open, {"{}", R"({"x":1})", R"({"ab":null,"x":1,"abc":2,"a":3,"":4})", R"({"x\u0061":1})", R"({"è":1})"},
         {R"({"ab":1})", R"({"x":1,"ab":2})", R"({"\u0061b":1})", R"({"a\u0062":1})", R"({"x":null})", R"({"é":1})"});
  expect(R"({"type":"object"})", {R"({"x":[{}]})"}, {"[]"});
  expect(R"({"type":"object","properties":{"a":true}})", {R"({"a":1})"}, {R"({"x":1})"}, /*is_strict=*/true);
  expect(R"({"type":"object","additionalProperties":{"type":"null"},"maxProperties":2})",
         {"{}", R"({"x":null,"y":null})"}, {R"({"x":null,"y":null,"z":null})"});
  expect(R"({"required":["k"]})", {R"({"k":1})", R"({"k":[],"l":1})"}, {"{}", "3"});
}

TEST(JsonSchemaTest, Arrays) {
  expect(R"({"type":"array","items":{"type":"null"},"minItems":1,"maxItems":3})",
         {"[null]", "[null,null,null]", "[ null, null ]"}, {"[]", "[null,null,null,null]", "[null,]", "[,null]"});
  expect(R"({"type":"array","items":{"type":"null"},"minItems":2})", {"[null,null]", "[null,null,null,null,null]"},
         {"[null]", "[]"});
  expect(R"({"type":"array","prefixItems":[{"type":"null"},{"const":1}],"items":false})", {"[]", "[null]", "[null,1]"},
         {"[null,1,1]", "[1]"});
  expect(R"({"type":"array","prefixItems":[{"const":1}],"items":{"const":2},"minItems":2,"maxItems":3})",
         {"[1,2]", "[1,2,2]"}, {"[1]", "[]", "[1,2,2,2]", "[2,2]"});
  expect(R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"});
}

TEST(JsonSchemaTest, Constants) {
  expect(R"({"enum":["a","ab","b\"",1,null,{"x":[1,2]}]})",
         {R"("a")", R"("ab")", R"("b\"")", "1", "null", R"({"x":[1,2]})", R"({ "x": [ 1, 2 ] })"},
         {R"("b")", "2", R"({"x":[2,1]})", R"("\u0061")"});
  expect(R"({"type":"string","enum":["a",1]})", {R"("a")"}, {"1"});
  expect(R"({"const":{}})", {"{}"}, {"[]", "{\"a\":1}"});
}

TEST(JsonSchemaTest, Unions) {
  expect(R"({"anyOf":[{"type":"integer"},{"type":"array","items":{"$ref":"#"}}]})", {"1", "[]", "[1,[2,[]]]"},
         {"null", "[null]"});
  expect(R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"additionalProperties":false,
             "anyOf":[{"required":["a"]},{"required":["b"]}]})",
         {R"({"a":null})", R"({"b":null})", R"({"a":null,"b":null})"}, {"{}"});
  expect(R"({"oneOf":[{"type":"string"},{"type":"null"}]})", {"null", R"("x")"}, {"1"});
  expect(R"({"oneOf":[{"type":"object","properties":{"t":{"const":"a"}},"required":["t"],"additionalProperties":false},
                      {"type":"object","properties":{"t":{"const":"b"},"n":{"type":"null"}},"required":["t"],
                       "additionalProperties":false}]})",
         {R"({"t":"a"})", R"({"t":"b"})", R"({"t":"b","n":null})"}, {R"({"t":"a","n":null})", "{}"});
}

TEST(JsonSchemaTest, MergesWhatAllHold) {
  expect(R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},
                      {"properties":{"a":{"maximum":5},"b":{"type":"null"}},"additionalProperties":false}]})",
         {R"({"a":3})", R"({"a":5,"b":null})"}, {"{}", R"({"a":6})", R"({"a":2})", R"({"a":3,"c":1})"});
  expect(R"({"$defs":{"n":{"type":"integer"}},"$ref":"#/$defs/n","minimum":0,"maximum":1})", {"0", "1"}, {"2", "-1"});
  expect(R"({"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]},{"type":"integer"}]})", {"2", "3"}, {"1", "4"});
  expect(R"({"allOf":[{"type":["integer","string"]},{"type":"number"}]})", {"1"}, {"1.5", R"("")"});
  // A property that one of them forbids is not an additional one either.
  expect(R"({"allOf":[{"type":"object","properties":{"a":false}},{"additionalProperties":{"type":"null"}}]})",
         {"{}", R"({"b":null})"}, {R"({"a":null})"});
}

TEST(JsonSchemaTest, References) {
  const char* const list = R"({"$ref":"#/$defs/list","$defs":{"list":{"type":"object","properties":{
      "next":{"anyOf":[{"$ref":"#/$defs/list"},{"type":"null"}]}},"required":["next"],"additionalProperties":false}}})";
  expect(list, {R"({"next":null})", R"({"next":{"next":{"next":null}}})"},
         {"{}", R"({"next":{}})", R"({"next":{"next":null})"});
  expect(R"({"definitions":{"a b/c":{"type":"null"}},"$ref":"#/definitions/a%20b~1c"})", {"null"}, {"1"});
  // It names itself beside something else: that is all there is.
  expect(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})", {"null"}, {"1"});
}

TEST(JsonSchemaTest, Bounds) {
  expect(R"({"type":"integer","minimum":-12,"maximum":105})", {"-12", "-1", "0", "99", "105", "100"},
         {"-13", "106", "-0", "1000", "-20"});
  expect(R"({"type":"integer","exclusiveMinimum":0})", {"1", "999999999999999999"}, {"0", "-1"});
  expect(R"({"type":"integer","minimum":1.5,"maximum":3.5})", {"2", "3"}, {"1", "4"});
  expect(R"({"type":"number","minimum":0,"maximum":1})", {"0", "1", "0.5", "1.000", "0.99999"},
         {"1.001", "2", "-0.1", "1e0"});
  expect(R"({"type":"number","exclusiveMinimum":-2.5,"exclusiveMaximum":0})", {"-2.4999", "-1", "-0.001"},
         {"-2.5", "-2.500", "0", "-0", "-0.0", "-3"});
  expect(R"({"type":"number","minimum":1e-7})", {"0.0000001", "1", "123456789012345"}, {"0.00000009", "0", "-1"});
}

TEST(JsonSchemaTest, Patterns) {
  expect(R"({"type":"string","pattern":"^[a-z]{2,3}$"})", {R"("ab")", R"("abc")"}, {R"("a")", R"("abcd")", R"("aB")"});
  expect(R"({"type":"string","pattern":"b"})", {R"("abc")", R"("b")", R"("\nbé")"}, {R"("ac")", R"("")"});
  expect(R"({"pattern":"^\"\\\\$"})", {R"("\"\\")"}, {R"("")"});
  expect(R"({"type":"string","pattern":"^[ab]{2,9}$","minLength":1,"maxLength":9})", {R"("ab")"}, {R"("a")"});
}

TEST(JsonSchemaTest, RefusesWhatItCannotEnforce) {
  expect_error(R"({"type":"object","properties":{"a/b":{"not":{}}}})", StatusCode::kUnsupported,
               {"\"not\"", "/properties/a~1b"});
  for (const char* keyword : {"if", "patternProperties", "propertyNames", "dependentRequired", "contains",
                              "unevaluatedProperties", "uniqueItems", "nullable"}) {
    expect_error(std::string("{\"items\":{\"") + keyword + "\":true}}", StatusCode::kUnsupported, {keyword, "/items"});
  }
  expect_error(R"({"minLenght":3})", StatusCode::kUnsupported, {"minLenght", "root", "x-"});
  expect_error(R"({"type":"number","multipleOf":0.1})", StatusCode::kUnsupported, {"multipleOf"});
  expect_error(R"s({"type":"string","pattern":"a(?=b)"})s", StatusCode::kUnsupported,
               {"look-around", "byte 3", "root"});
  expect_error(R"({"type":"string","pattern":"a+","maxLength":5})", StatusCode::kUnsupported, {"maxLength", "pattern"});
  expect_error(R"({"$ref":"https://example.org/s.json"})", StatusCode::kUnsupported, {"example.org", "#/$defs"});
  expect_error(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", StatusCode::kUnsupported, {"/oneOf", "anyOf"});
  expect_error(R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", StatusCode::kUnsupported, {"pattern"});
  expect_error(R"({"type":"object","minProperties":1})", StatusCode::kUnsupported, {"minProperties", "required"});
  expect_error(R"({"enum":[1,2],"minimum":2})", StatusCode::kUnsupported, {"minimum", "enum"});
  expect_error(R"({"type":"array","items":[{}]})", StatusCode::kUnsupported, {"prefixItems"});
}

TEST(JsonSchemaTest, RefusesWhatIsNoSchema) {
  expect_error("{", StatusCode::kInvalidArgument, {"the JSON schema: it is not JSON"});
  expect_error("3", StatusCode::kInvalidArgument, {"root"});
  expect_error(R"({"type":"text"})", StatusCode::kInvalidArgument, {"type", "integer"});
  expect_error(R"({"properties":{"a":{"type":3}}})", StatusCode::kInvalidArgument, {"/properties/a"});
  expect_error(R"({"type":"string","minLength":-1})", StatusCode::kInvalidArgument, {"minLength"});
  expect_error(R"({"type":"integer","minimum":"1"})", StatusCode::kInvalidArgument, {"minimum"});
  expect_error(R"({"enum":[]})", StatusCode::kInvalidArgument, {"enum"});
  expect_error(R"({"anyOf":{}})", StatusCode::kInvalidArgument, {"anyOf"});
  expect_error(R"({"required":[1]})", StatusCode::kInvalidArgument, {"required"});
  expect_error(R"({"$ref":"#/$defs/none"})", StatusCode::kInvalidArgument, {"#/$defs/none", "nothing"});
  expect_error(R"({"type":"string","pattern":"[a"})", StatusCode::kInvalidArgument, {"no ]"});
}

TEST(JsonSchemaTest, RefusesWhatNothingSatisfies) {
  for (const char* schema :
       {"false", R"({"$ref":"#"})", R"({"type":"integer","minimum":3,"maximum":2})",
        R"({"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":4})", R"({"type":"string","enum":[1]})",
        R"({"type":"string","minLength":3,"maxLength":2})", R"({"type":"array","minItems":2,"maxItems":1})",
        R"({"type":"array","items":false,"minItems":1})",
        R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
        R"({"allOf":[{"type":"string"},{"type":"null"}]})"}) {
    expect_error(schema, StatusCode::kInvalidArgument, {"satisfies"});
  }
  expect_error(R"({"type":"object","required":["a"],"additionalProperties":false})", StatusCode::kInvalidArgument,
               {"\"a\"", "required"});
  // Where there is another way, the impossible one is not taken.
  expect(R"({"type":"array","items":{"type":"object","properties":{"a":{"$ref":"#/items"}},"required":["a"]}})", {"[]"},
         {"[{", "[{}]"});
}

std::string repeated(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

TEST(JsonSchemaTest, HostileSchemasEndInErrors) {
  expect_error(std::string(300 << 10, ' ') + "{}", StatusCode::kResourceExhausted, {"at most"});
  expect_error(repeated("[", 100'000), StatusCode::kInvalidArgument, {"nested"});
  expect_error(repeated(R"({"items":)", 100) + "{}" + repeated("}", 100), StatusCode::kInvalidArgument,
               {"nested", "$defs"});
  expect_error(repeated(R"({"allOf":[)", 50) + R"({"$ref":"#"})" + repeated("]}", 50), StatusCode::kInvalidArgument,
               {"itself"});
  // Each of 30 names the one before twice.
  std::string doubling = R"({"$ref":"#/$defs/a30","$defs":{"a0":{"type":"object","properties":{"x":{}}})";
  for (int i = 1; i <= 30; ++i) {
    const std::string below = "{\"$ref\":\"#/$defs/a" + std::to_string(i - 1) + "\"}";
    doubling += ",\"a" + std::to_string(i) + "\":{\"allOf\":[" + below + "," + below + "]}";
  }
  expect_error(doubling + "}}", StatusCode::kResourceExhausted, {"allOf"});
  // Alternatives of alternatives, each with something beside them.
  std::string unions = R"({"type":"object"})";
  for (int i = 0; i < 20; ++i)
    unions = R"({"required":["a"],"anyOf":[)" + unions + "," + unions.substr(0, 100'000) + "]}";
  EXPECT_FALSE(compile_json_schema(unions.substr(0, 250'000)));
  std::string properties;
  for (int i = 0; i < 3000; ++i) properties += (i > 0 ? ",\"p" : "\"p") + std::to_string(i) + "\":{}";
  expect_error(R"({"type":"object","properties":{)" + properties + "}}", StatusCode::kResourceExhausted,
               {"at most 2000"});
  expect_error(R"({"type":"object","properties":{")" + std::string(1000, 'n') + R"(":{}}})",
               StatusCode::kResourceExhausted, {"name"});
}

TEST(JsonSchemaTest, HostilePatternsEndInErrors) {
  for (const std::string pattern : {"((a{100}){100}){100}", "a{10001}", "(((((a{9}){9}){9}){9}){9})"}) {
    expect_error(R"({"type":"string","pattern":")" + pattern + "\"}", StatusCode::kResourceExhausted, {"counts"});
  }
  expect_error(R"({"type":"string","pattern":")" + std::string(5000, 'a') + "\"}", StatusCode::kResourceExhausted,
               {"bytes"});
  expect_error(R"({"type":"string","pattern":")" + repeated("(", 100) + "a" + repeated(")", 100) + "\"}",
               StatusCode::kResourceExhausted, {"nested"});
}

TEST(JsonSchemaTest, LargeSchemasThatAreWellFormed) {
  std::string values;
  for (int i = 0; i < 8000; ++i) values += (i > 0 ? ",\"value" : "\"value") + std::to_string(i) + "\"";
  expect(R"({"enum":[)" + values + "]}", {R"("value0")", R"("value7999")"}, {R"("value8000")", R"("value")"});
  std::string properties;
  for (int i = 0; i < 1000; ++i) properties += (i > 0 ? ",\"p" : "\"p") + std::to_string(i) + "\":{\"type\":\"null\"}";
  expect(R"({"type":"object","properties":{)" + properties + R"(},"additionalProperties":false})",
         {"{}", R"({"p999":null})", R"({"p0":null,"p500":null})"}, {R"({"p500":null,"p0":null})", R"({"q":null})"});
  std::string chain = R"({"$ref":"#/$defs/c0","$defs":{)";
  for (int i = 0; i < 5000; ++i) {
    chain += "\"c" + std::to_string(i) + "\":{\"$ref\":\"#/$defs/c" + std::to_string(i + 1) + "\"},";
  }
  expect(chain + R"("c5000":{"type":"null"}}})", {"null"}, {"1"});
}

TEST(JsonSchemaTest, AnyObject) {
  const auto grammar = std::make_shared<const Grammar>(json_object_grammar());
  for (const char* text : {"{}", R"({"a":1})", "{\n  \"a\": [1, {\"b\": null}],\n  \"c\": \"x\"\n}"}) {
    EXPECT_TRUE(takes(grammar, text)) << text;
  }
  for (const char* text : {"[]", "1", "", "{", R"({"a"})", R"({"a":})", R"({1:2})", "{}{}", R"({"a":1,})"}) {
    EXPECT_FALSE(takes(grammar, text)) << text;
  }
  std::string deep = "{\"a\":";
  for (int i = 0; i < 5000; ++i) deep += "[";
  ConstraintState state(grammar);
  for (const char c : deep) ASSERT_TRUE(state.advance(static_cast<uint8_t>(c)));
  EXPECT_FALSE(state.may_end());
}

}  // namespace
}  // namespace saccade
