// The values that a template computes with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "saccade/status.h"
#include "text/jinja/marked_text.h"

namespace saccade::jinja {

class Value;
struct Macro;  // ast.h

using List = std::vector<Value>;

/// Insertion-ordered, with string keys; conversations have a handful of them.
class Dict {
 public:
  const Value* find(std::string_view key) const;
  void set(std::string_view key, Value value);
  const std::vector<std::pair<std::string, Value>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, Value>> items_;
};

struct Undefined {};
struct None {};
/// A function of the language itself, by name ("range", "namespace", ...).
struct Builtin {
  std::string name;
};

/// Lists and dictionaries are shared when copied, as in Python; strings can't be changed.
class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(None none) : data_(none) {}       // NOLINT: implicit on purpose, like those below
  Value(bool value) : data_(value) {}     // NOLINT
  Value(int64_t value) : data_(value) {}  // NOLINT
  Value(double value) : data_(value) {}   // NOLINT
  Value(MarkedText text) : data_(std::make_shared<const MarkedText>(std::move(text))) {}  // NOLINT
  Value(List list);                                                                       // NOLINT
  Value(Dict dict);                                                                       // NOLINT
  Value(Builtin builtin) : data_(std::make_shared<const Builtin>(std::move(builtin))) {}  // NOLINT
  Value(const Macro* macro) : data_(macro) {}                                             // NOLINT
  static Value text(std::string_view text, Origin origin = Origin::kTemplate) { return MarkedText(text, origin); }
  static Value make_namespace(Dict dict) {
    Value value(std::move(dict));
    value.is_namespace_ = true;
    return value;
  }

  bool is_undefined() const { return holds<Undefined>(); }
  bool is_none() const { return holds<None>(); }
  bool is_bool() const { return holds<bool>(); }
  bool is_int() const { return holds<int64_t>(); }
  bool is_float() const { return holds<double>(); }
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_string() const { return holds<std::shared_ptr<const MarkedText>>(); }
  bool is_list() const { return holds<std::shared_ptr<List>>(); }
  bool is_dict() const { return holds<std::shared_ptr<Dict>>(); }
  bool is_namespace() const { return is_namespace_; }
  bool is_builtin() const { return holds<std::shared_ptr<const Builtin>>(); }
  bool is_macro() const { return holds<const Macro*>(); }

  bool as_bool() const { return std::get<bool>(data_); }
  /// An integer or a boolean, as an integer.
  int64_t as_int() const { return is_bool() ? static_cast<int64_t>(as_bool()) : std::get<int64_t>(data_); }
  /// Any number.
  double as_float() const { return is_float() ? std::get<double>(data_) : static_cast<double>(as_int()); }
  const MarkedText& as_marked() const { return *std::get<std::shared_ptr<const MarkedText>>(data_); }
  const std::string& as_text() const { return as_marked().text(); }
  const std::shared_ptr<List>& as_list() const { return std::get<std::shared_ptr<List>>(data_); }
  const std::shared_ptr<Dict>& as_dict() const { return std::get<std::shared_ptr<Dict>>(data_); }
  const std::string& builtin_name() const { return std::get<std::shared_ptr<const Builtin>>(data_)->name; }
  const Macro* as_macro() const { return std::get<const Macro*>(data_); }

  /// How many lists and dictionaries lay in one another when this one was made; 0 for anything else. Values are
  /// destroyed by recursion, so the interpreter refuses to make one deeper than kMaxValueDepth.
  int depth() const { return depth_; }

  bool is_truthy() const;
  /// "undefined", "string", ...: for error messages.
  std::string_view type_name() const;

 private:
  template <typename T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }

  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const MarkedText>, std::shared_ptr<List>,
               std::shared_ptr<Dict>, std::shared_ptr<const Builtin>, const Macro*>
      data_;
  bool is_namespace_ = false;
  int depth_ = 0;
};

/// Deeper values are not made, and not written out (a list can contain itself).
constexpr int kMaxValueDepth = 64;

/// As Python's ==. Values too deep, or with more than some 100,000 parts, count as different.
bool are_equal(const Value& a, const Value& b);

/// -1, 0 or 1 for two numbers or two strings. Errors: kUnsupported for others.
Expected<int> compare(const Value& a, const Value& b);

/// What {{ value }} prints: Python's str(), with nothing for undefined.
Expected<MarkedText> to_text(const Value& value);

/// Python's json.dumps(value, ensure_ascii=False, indent=indent); `indent` below 0 for one line.
Expected<MarkedText> to_json(const Value& value, int64_t indent);

}  // namespace saccade::jinja
