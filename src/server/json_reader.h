// JSON read front to back by simdjson, into plain values, with the path of the field that is wrong. For the parsers of
// requests alone: it brings all of simdjson along.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/format.h"
#include "server/api_error.h"

namespace saccade {

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;

/// Functions return false where something was wrong: then error() says what. The first error stays.
class JsonReader {
 public:
  const std::optional<ApiError>& error() const { return error_; }

  bool fail(std::string param, std::string message, std::string code = "invalid_value") {
    if (!error_) error_ = {.message = std::move(message), .param = std::move(param), .code = std::move(code)};
    return false;
  }
  bool unsupported(const std::string& param, const std::string& why) {
    return fail(param, param + ": " + why, "unsupported");
  }
  /// `error`: what reading it as expected came to. JSON that is damaged there is told as that.
  bool wrong_type(const std::string& param, const char* expected,
                  simdjson::error_code error = simdjson::INCORRECT_TYPE) {
    if (error != simdjson::INCORRECT_TYPE && error != simdjson::NUMBER_ERROR) return broken(error);
    return fail(param, param + " must be " + expected, "invalid_type");
  }

  bool string(JsonValue value, const std::string& param, std::string& target) {
    std::string_view text;
    if (const auto error = value.get_string().get(text)) return wrong_type(param, "a string", error);
    target = text;
    return true;
  }

  bool boolean(JsonValue value, const std::string& param, bool& target) {
    if (const auto error = value.get_bool().get(target)) return wrong_type(param, "true or false", error);
    return true;
  }

  bool number(JsonValue value, const std::string& param, double min, double max, double& target) {
    double number = 0;
    if (const auto error = value.get_double().get(number)) return wrong_type(param, "a number", error);
    if (!(number >= min && number <= max)) {
      return fail(param, format("%s is %g; it must be from %g to %g", param.c_str(), number, min, max));
    }
    target = number;
    return true;
  }

  bool integer(JsonValue value, const std::string& param, int64_t min, int64_t max, int64_t& target) {
    int64_t number = 0;
    if (value.get_int64().get(number) != simdjson::SUCCESS) {
      double real = 0;  // 16.0 is a whole number to JavaScript
      if (value.get_double().get(real) != simdjson::SUCCESS || !(real >= -kMaxReal && real <= kMaxReal) ||
          static_cast<double>(static_cast<int64_t>(real)) != real) {
        return wrong_type(param, "a whole number");
      }
      number = static_cast<int64_t>(real);
    }
    if (number < min || number > max) {
      const std::string range =
          max == std::numeric_limits<int64_t>::max()
              ? format("%lld or more", static_cast<long long>(min))
              : format("from %lld to %lld", static_cast<long long>(min), static_cast<long long>(max));
      return fail(param,
                  format("%s is %lld; it must be %s", param.c_str(), static_cast<long long>(number), range.c_str()));
    }
    target = number;
    return true;
  }

  /// Calls read(name, value) for each field that is not null, in order, until it returns false.
  template <typename Read>
  bool fields(JsonObject object, const Read& read) {
    for (auto field : object) {
      std::string_view name;
      JsonValue value;
      if (field.unescaped_key().get(name) != simdjson::SUCCESS || field.value().get(value) != simdjson::SUCCESS) {
        return broken();
      }
      bool is_null = false;
      if (value.is_null().get(is_null) != simdjson::SUCCESS) return broken();
      if (!is_null && !read(std::string(name), value)) return error_ ? false : broken();
    }
    return true;
  }
  template <typename Read>
  bool object(JsonValue value, const std::string& param, const Read& read) {
    JsonObject object;
    if (const auto error = value.get_object().get(object)) return wrong_type(param, "an object", error);
    return fields(object, read);
  }

  /// Calls read(value, param[index]) for each element.
  template <typename Read>
  bool elements(JsonValue value, const std::string& param, const Read& read) {
    simdjson::ondemand::array array;
    if (const auto error = value.get_array().get(array)) return wrong_type(param, "a list", error);
    size_t idx = 0;
    for (auto element : array) {
      JsonValue item;
      if (element.get(item) != simdjson::SUCCESS) return broken();
      if (!read(item, format("%s[%zu]", param.c_str(), idx++))) return error_ ? false : broken();
    }
    return true;
  }

  /// Reads a body that is one object.
  template <typename Read>
  bool body(const BodyBuffer& buffer, const Read& read) {
    static_assert(BodyBuffer::kPadding >= simdjson::SIMDJSON_PADDING);
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    const simdjson::padded_string_view text(buffer.text().data(), buffer.text().size(), buffer.capacity());
    if (buffer.text().empty()) return fail("", "the request has no body; it must be a JSON object", "invalid_json");
    if (const auto error = parser.iterate(text).get(document); error != simdjson::SUCCESS) return broken(error);
    JsonObject object;
    if (const auto error = document.get_object().get(object)) {
      return error == simdjson::INCORRECT_TYPE ? fail("", "the request's body must be a JSON object", "invalid_json")
                                               : broken(error);
    }
    if (!fields(object, read)) return false;
    const char* rest = nullptr;
    if (document.current_location().get(rest) == simdjson::SUCCESS) {
      return fail("", "something follows the JSON object of the request's body", "invalid_json");
    }
    return true;
  }

 private:
  static constexpr double kMaxReal = 9e15;

  bool broken(simdjson::error_code error = simdjson::TAPE_ERROR) {
    const bool is_known = error != simdjson::TAPE_ERROR;
    return fail("",
                std::string("the request's body is not valid JSON") +
                    (is_known ? std::string(": ") + simdjson::error_message(error) : ""),
                "invalid_json");
  }

  std::optional<ApiError> error_;
};

}  // namespace saccade
