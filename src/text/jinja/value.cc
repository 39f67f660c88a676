#include "text/jinja/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/format.h"

namespace saccade::jinja {
namespace {

// The shortest digits that read back as the same number, as Python writes them.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> digits;
  const double magnitude = std::fabs(value);
  const bool is_plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                 is_plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(digits.data(), end.ptr);
  if (is_plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

/// Writes a value in one of the two notations; JSON and Python's repr differ in little.
class Writer {
 public:
  Writer(bool is_json, int64_t indent) : is_json_(is_json), indent_(indent) {}

  Status write(const Value& value, int depth) {
    if (depth > kMaxValueDepth) return unsupported("a value is nested too deeply to be printed");
    if (out.size() > kMaxBytes) return resource_exhausted("a printed value is too long");
    if (value.is_string()) {
      write_string(value.as_marked());
    } else if (value.is_list()) {
      return write_list(*value.as_list(), depth);
    } else if (value.is_dict()) {
      return write_dict(*value.as_dict(), depth);
    } else if (value.is_bool()) {
      out.append(is_json_ ? (value.as_bool() ? "true" : "false") : (value.as_bool() ? "True" : "False"));
    } else if (value.is_int()) {
      out.append(std::to_string(value.as_int()));
    } else if (value.is_float()) {
      out.append(float_text(value.as_float()));
    } else if (value.is_none()) {
      out.append(is_json_ ? "null" : "None");
    } else if (is_json_) {
      return unsupported(format("tojson cannot write a value of type %s", std::string(value.type_name()).c_str()));
    } else {
      out.append(value.is_undefined() ? "Undefined" : "<function>");
    }
    return {};
  }

  MarkedText out;

 private:
  static constexpr size_t kMaxBytes = size_t{16} << 20;

  void break_line(int depth) {
    if (indent_ < 0) return;
    out.append("\n" + std::string(static_cast<size_t>(indent_ * depth), ' '));
  }
  void separate(bool is_first) {
    if (!is_first) out.append(indent_ < 0 ? ", " : ",");
  }

  Status write_list(const List& list, int depth) {
    out.append("[");
    for (size_t i = 0; i < list.size(); ++i) {
      separate(i == 0);
      break_line(depth + 1);
      SACCADE_RETURN_IF_ERROR(write(list[i], depth + 1));
    }
    if (!list.empty()) break_line(depth);
    out.append("]");
    return {};
  }

  Status write_dict(const Dict& dict, int depth) {
    out.append("{");
    bool is_first = true;
    for (const auto& [key, value] : dict.items()) {
      separate(is_first);
      is_first = false;
      break_line(depth + 1);
      write_string(MarkedText(key, Origin::kUser));
      out.append(": ");
      SACCADE_RETURN_IF_ERROR(write(value, depth + 1));
    }
    if (!is_first) break_line(depth);
    out.append("}");
    return {};
  }

  void write_string(const MarkedText& text) {
    const bool has_single = text.text().find('\'') != std::string::npos;
    const bool has_double = text.text().find('"') != std::string::npos;
    const char quote = is_json_ || (has_single && !has_double) ? '"' : '\'';
    out.append(std::string_view(&quote, 1));
    for (size_t i = 0; i < text.size(); ++i) write_byte(text.text()[i], text.origin(i), quote);
    out.append(std::string_view(&quote, 1));
  }

  void write_byte(char byte, Origin origin, char quote) {
    switch (byte) {
      case '\n':
        return out.append("\\n", origin);
      case '\r':
        return out.append("\\r", origin);
      case '\t':
        return out.append("\\t", origin);
      case '\b':
        return out.append(is_json_ ? "\\b" : "\\x08", origin);
      case '\f':
        return out.append(is_json_ ? "\\f" : "\\x0c", origin);
      default:
        break;
    }
    if (byte == quote || byte == '\\') {
      out.append(std::string("\\") + byte, origin);
    } else if (static_cast<unsigned char>(byte) < 0x20) {
      out.append(format(is_json_ ? "\\u%04x" : "\\x%02x", static_cast<unsigned>(byte)), origin);
    } else {
      out.append(std::string_view(&byte, 1), origin);
    }
  }

  bool is_json_;
  int64_t indent_;
};

/// Equality with a limit on the parts looked at: shared lists can unfold to exponentially many.
class Comparison {
 public:
  bool is_equal(const Value& a, const Value& b, int depth) {
    if (depth > kMaxValueDepth || --num_left_ < 0) return false;
    if (a.is_number() && b.is_number()) {
      if (!a.is_float() && !b.is_float()) return a.as_int() == b.as_int();
      return a.as_float() == b.as_float();
    }
    if (a.is_string() && b.is_string()) return a.as_text() == b.as_text();
    if (a.is_list() && b.is_list()) return is_equal(*a.as_list(), *b.as_list(), depth);
    if (a.is_dict() && b.is_dict()) return is_equal(*a.as_dict(), *b.as_dict(), depth);
    if (a.is_macro() && b.is_macro()) return a.as_macro() == b.as_macro();
    return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
  }

 private:
  bool is_equal(const List& a, const List& b, int depth) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!is_equal(a[i], b[i], depth + 1)) return false;
    }
    return true;
  }
  bool is_equal(const Dict& a, const Dict& b, int depth) {
    if (a.items().size() != b.items().size()) return false;
    for (const auto& [key, value] : a.items()) {
      const Value* other = b.find(key);
      if (other == nullptr || !is_equal(value, *other, depth + 1)) return false;
    }
    return true;
  }

  int num_left_ = 100'000;
};

}  // namespace

const Value* Dict::find(std::string_view key) const {
  for (const auto& item : items_) {
    if (item.first == key) return &item.second;
  }
  return nullptr;
}

void Dict::set(std::string_view key, Value value) {
  for (auto& item : items_) {
    if (item.first == key) {
      item.second = std::move(value);
      return;
    }
  }
  items_.emplace_back(std::string(key), std::move(value));
}

Value::Value(List list) {
  for (const Value& item : list) depth_ = std::max(depth_, item.depth_);
  ++depth_;
  data_ = std::make_shared<List>(std::move(list));
}

Value::Value(Dict dict) {
  for (const auto& [key, item] : dict.items()) depth_ = std::max(depth_, item.depth_);
  ++depth_;
  data_ = std::make_shared<Dict>(std::move(dict));
}

bool Value::is_truthy() const {
  if (is_number()) return as_float() != 0;
  if (is_string()) return !as_marked().empty();
  if (is_list()) return !as_list()->empty();
  if (is_dict()) return is_namespace() || !as_dict()->items().empty();
  return is_builtin() || is_macro();
}

std::string_view Value::type_name() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "none";
  if (is_bool()) return "boolean";
  if (is_int()) return "integer";
  if (is_float()) return "float";
  if (is_string()) return "string";
  if (is_list()) return "list";
  if (is_dict()) return is_namespace() ? "namespace" : "dict";
  return "function";
}

bool are_equal(const Value& a, const Value& b) {
  return Comparison().is_equal(a, b, 0);
}

Expected<int> compare(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (!a.is_float() && !b.is_float()) return (a.as_int() > b.as_int()) - (a.as_int() < b.as_int());
    return (a.as_float() > b.as_float()) - (a.as_float() < b.as_float());
  }
  if (a.is_string() && b.is_string()) {
    const int order = a.as_text().compare(b.as_text());
    return (order > 0) - (order < 0);
  }
  return unsupported(
      format("a %s and a %s have no order", std::string(a.type_name()).c_str(), std::string(b.type_name()).c_str()));
}

Expected<MarkedText> to_text(const Value& value) {
  if (value.is_string()) return value.as_marked();
  if (value.is_undefined()) return MarkedText();
  Writer writer(/*is_json=*/false, /*indent=*/-1);
  SACCADE_RETURN_IF_ERROR(writer.write(value, 0));
  return std::move(writer.out);
}

Expected<MarkedText> to_json(const Value& value, int64_t indent) {
  Writer writer(/*is_json=*/true, indent);
  SACCADE_RETURN_IF_ERROR(writer.write(value, 0));
  return std::move(writer.out);
}

}  // namespace saccade::jinja
