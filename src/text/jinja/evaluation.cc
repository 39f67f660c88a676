// The expressions of the interpreter.
#include <cmath>

#include "base/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/text_functions.h"

namespace saccade::jinja {
namespace {

constexpr int kMaxDepth = 800;

Status wrong_operands(std::string_view name, const Value& left, const Value& right) {
  return unsupported(format("the operator %s has no meaning between a %s and a %s", std::string(name).c_str(),
                            std::string(left.type_name()).c_str(), std::string(right.type_name()).c_str()));
}

// Python's floor division and modulo: the result of % has the sign of the divisor.
int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

Expected<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  int64_t result = 1;
  if (base == 0 || base == 1) return Value(exponent == 0 ? 1 : base);
  if (base == -1) return Value(int64_t{exponent % 2 == 0 ? 1 : -1});
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return unsupported("an integer is too large");
  }
  return Value(result);
}

Expected<Value> integer_arithmetic(std::string_view name, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflows = false;
  if (name == "**") return integer_power(a, b);
  if (name == "+") {
    overflows = __builtin_add_overflow(a, b, &result);
  } else if (name == "-") {
    overflows = __builtin_sub_overflow(a, b, &result);
  } else if (name == "*") {
    overflows = __builtin_mul_overflow(a, b, &result);
  } else if (b == 0) {
    return unsupported("a division by zero");
  } else if (name == "/") {
    return Value(static_cast<double>(a) / static_cast<double>(b));
  } else if (b == -1) {  // the one division that overflows
    overflows = name == "//" && __builtin_sub_overflow(int64_t{0}, a, &result);
  } else {
    result = name == "//" ? floor_divide(a, b) : a - b * floor_divide(a, b);
  }
  if (overflows) return unsupported("an integer is too large");
  return Value(result);
}

Expected<Value> arithmetic(std::string_view name, const Value& left, const Value& right) {
  if (!left.is_float() && !right.is_float()) return integer_arithmetic(name, left.as_int(), right.as_int());
  const double a = left.as_float(), b = right.as_float();
  if (name == "+") return Value(a + b);
  if (name == "-") return Value(a - b);
  if (name == "*") return Value(a * b);
  if (name == "**") return Value(std::pow(a, b));
  if (b == 0) return unsupported("a division by zero");
  if (name == "/") return Value(a / b);
  if (name == "//") return Value(std::floor(a / b));
  return Value(a - b * std::floor(a / b));
}

// "ab" * 3 and [1] * 3.
Expected<Value> repeat(const Value& value, int64_t count, Budget& budget) {
  const auto size = static_cast<int64_t>(value.is_string() ? value.as_marked().size() : value.as_list()->size());
  const auto max_size = static_cast<int64_t>(value.is_string() ? Budget::kMaxTextBytes : Budget::kMaxListItems);
  if (size > 0 && count > max_size / size) return resource_exhausted("the template repeats a value too often");
  if (size == 0) count = 0;
  if (value.is_string()) {
    MarkedText text;
    for (int64_t i = 0; i < count; ++i) text.append(value.as_marked());
    return Value(std::move(text));
  }
  List list;
  for (int64_t i = 0; i < count; ++i) list.insert(list.end(), value.as_list()->begin(), value.as_list()->end());
  SACCADE_RETURN_IF_ERROR(budget.spend_list(list.size()));
  return Value(std::move(list));
}

// One end of a slice as Python's slice.indices() has it: clamped to what steps of this sign can reach.
int64_t clamp_bound(const Value& bound, int64_t fallback, int64_t length, bool is_forward) {
  if (!bound.is_int()) return fallback;
  const int64_t lowest = is_forward ? 0 : -1, highest = is_forward ? length : length - 1;
  int64_t idx = bound.as_int();
  if (idx < 0) idx = idx < -length ? -1 : idx + length;
  return std::min(std::max(idx, lowest), highest);
}

}  // namespace

Expected<Value> Interpreter::evaluate(const Expression& expression) {
  const Nesting nesting(depth_);
  if (depth_ > kMaxDepth) return resource_exhausted("the template nests expressions too deeply");
  SACCADE_RETURN_IF_ERROR(budget_.spend(1));
  Expected<Value> value = evaluate_node(expression);
  if (value.is_ok() && value->depth() > kMaxValueDepth) {
    return resource_exhausted("the template nests values too deeply");
  }
  if (value.is_ok() && value->is_string() && expression.kind != Expression::Kind::kName &&
      expression.kind != Expression::Kind::kAttribute && expression.kind != Expression::Kind::kIndex) {
    SACCADE_RETURN_IF_ERROR(budget_.spend_text(value->as_marked().size()));
  }
  return value;
}

Expected<Value> Interpreter::evaluate_node(const Expression& expression) {
  switch (expression.kind) {
    case Expression::Kind::kLiteral:
      return expression.value;
    case Expression::Kind::kName: {
      const Value* found = find_variable(expression.name);
      return found == nullptr ? Value() : *found;
    }
    case Expression::Kind::kList:
      return evaluate_list(expression);
    case Expression::Kind::kDict:
      return evaluate_dict(expression);
    case Expression::Kind::kAttribute:
    case Expression::Kind::kIndex:
      return evaluate_index(expression);
    case Expression::Kind::kSlice:
      return evaluate_slice(expression);
    case Expression::Kind::kCall:
      return evaluate_call(expression);
    case Expression::Kind::kFilter:
    case Expression::Kind::kTest:
      return evaluate_filter_or_test(expression);
    case Expression::Kind::kNegate:
    case Expression::Kind::kPlus:
      return evaluate_sign(expression);
    case Expression::Kind::kNot:
    case Expression::Kind::kAnd:
    case Expression::Kind::kOr:
      return evaluate_logic(expression);
    case Expression::Kind::kBinary:
      return evaluate_binary(expression);
    case Expression::Kind::kCompare:
      return evaluate_compare(expression);
    case Expression::Kind::kTernary:
      return evaluate_ternary(expression);
  }
  return Value();
}

Expected<Value> Interpreter::evaluate_logic(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(Value first, evaluate(*expression.operands[0]));
  if (expression.kind == Expression::Kind::kNot) return Value(!first.is_truthy());
  const bool needs_second = first.is_truthy() == (expression.kind == Expression::Kind::kAnd);
  return needs_second ? evaluate(*expression.operands[1]) : Expected<Value>(std::move(first));
}

Expected<Value> Interpreter::evaluate_ternary(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(const Value condition, evaluate(*expression.operands[1]));
  if (condition.is_truthy()) return evaluate(*expression.operands[0]);
  return expression.operands[2] ? evaluate(*expression.operands[2]) : Value();
}

Expected<Value> Interpreter::evaluate_index(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(const Value object, evaluate(*expression.operands[0]));
  if (expression.kind == Expression::Kind::kAttribute) return find_attribute(object, expression.name, budget_);
  SACCADE_ASSIGN_OR_RETURN(const Value key, evaluate(*expression.operands[1]));
  return find_item(object, key, budget_);
}

Expected<Value> Interpreter::evaluate_filter_or_test(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.operands[0]));
  SACCADE_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression));
  if (expression.kind == Expression::Kind::kFilter) return apply_filter(expression.name, value, arguments, budget_);
  SACCADE_ASSIGN_OR_RETURN(const bool passes, apply_test(expression.name, value, arguments, budget_));
  return Value(passes);
}

Expected<Value> Interpreter::evaluate_list(const Expression& expression) {
  List list;
  for (const ExpressionPtr& operand : expression.operands) {
    SACCADE_ASSIGN_OR_RETURN(Value item, evaluate(*operand));
    list.push_back(std::move(item));
  }
  return Value(std::move(list));
}

Expected<Value> Interpreter::evaluate_dict(const Expression& expression) {
  Dict dict;
  for (size_t i = 0; i + 1 < expression.operands.size(); i += 2) {
    SACCADE_ASSIGN_OR_RETURN(const Value key, evaluate(*expression.operands[i]));
    if (!key.is_string()) return unsupported("a dictionary with a key that is no string");
    SACCADE_ASSIGN_OR_RETURN(Value value, evaluate(*expression.operands[i + 1]));
    SACCADE_RETURN_IF_ERROR(budget_.spend(dict.items().size()));
    dict.set(key.as_text(), std::move(value));
  }
  return Value(std::move(dict));
}

Expected<Value> Interpreter::evaluate_slice(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(const Value object, evaluate(*expression.operands[0]));
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (!expression.operands[i + 1]) continue;
    SACCADE_ASSIGN_OR_RETURN(bounds[i], evaluate(*expression.operands[i + 1]));
    if (!bounds[i].is_int() && !bounds[i].is_none()) return unsupported("a slice with a bound that is no integer");
  }
  if (!object.is_list() && !object.is_string()) {
    return unsupported(format("a slice of a value of type %s", std::string(object.type_name()).c_str()));
  }
  const int64_t step = bounds[2].is_int() ? bounds[2].as_int() : 1;
  if (step == 0) return unsupported("a slice with a step of zero");
  List items;
  if (object.is_list()) {
    SACCADE_ASSIGN_OR_RETURN(items, iterate(object, budget_));
  } else {
    SACCADE_RETURN_IF_ERROR(budget_.spend(object.as_marked().size() * 4));
    for (MarkedText& character : characters(object.as_marked())) items.emplace_back(std::move(character));
  }
  const auto length = static_cast<int64_t>(items.size());
  const bool is_forward = step > 0;
  const int64_t begin = clamp_bound(bounds[0], is_forward ? 0 : length - 1, length, is_forward);
  const int64_t end = clamp_bound(bounds[1], is_forward ? length : -1, length, is_forward);
  List list;
  for (int64_t i = begin; is_forward ? i < end : i > end;) {
    list.push_back(items[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  if (object.is_list()) return Value(std::move(list));
  MarkedText text;
  for (const Value& character : list) text.append(character.as_marked());
  return Value(std::move(text));
}

Expected<Arguments> Interpreter::evaluate_arguments(const Expression& expression) {
  Arguments arguments;
  for (size_t i = 1; i < expression.operands.size(); ++i) {
    SACCADE_ASSIGN_OR_RETURN(Value value, evaluate(*expression.operands[i]));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, operand] : expression.keywords) {
    SACCADE_ASSIGN_OR_RETURN(Value value, evaluate(*operand));
    arguments.keywords.emplace_back(name, std::move(value));
  }
  return arguments;
}

Expected<Value> Interpreter::evaluate_call(const Expression& expression, const Macro* caller) {
  const Expression& callee = *expression.operands[0];
  Value function;
  if (callee.kind == Expression::Kind::kAttribute) {
    SACCADE_ASSIGN_OR_RETURN(const Value object, evaluate(*callee.operands[0]));
    SACCADE_ASSIGN_OR_RETURN(function, find_attribute(object, callee.name, budget_));
    if (has_method(object, callee.name) || !(function.is_macro() || function.is_builtin())) {
      SACCADE_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression));
      return call_method(object, callee.name, arguments, budget_);
    }
  } else {
    SACCADE_ASSIGN_OR_RETURN(function, evaluate(callee));
  }
  SACCADE_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression));
  if (function.is_builtin()) return call_builtin(function.builtin_name(), arguments, budget_);
  if (function.is_macro()) return execute_macro(*function.as_macro(), arguments, caller);
  return unsupported(format("%s is called, but is no function", quote(callee.name).c_str()));
}

Expected<Value> Interpreter::evaluate_compare(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(Value left, evaluate(*expression.operands[0]));
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    const std::string& name = expression.operators[i];
    SACCADE_ASSIGN_OR_RETURN(Value right, evaluate(*expression.operands[i + 1]));
    bool holds = false;
    if (left.is_list() || left.is_dict()) SACCADE_RETURN_IF_ERROR(budget_.spend(1000));
    if (left.is_string()) SACCADE_RETURN_IF_ERROR(budget_.spend(left.as_marked().size() / 64));
    if (name == "==" || name == "!=") {
      holds = are_equal(left, right) == (name == "==");
    } else if (name == "in" || name == "not in") {
      SACCADE_ASSIGN_OR_RETURN(const bool is_in, contains(right, left, budget_));
      holds = is_in == (name == "in");
    } else {
      SACCADE_ASSIGN_OR_RETURN(const int order, compare(left, right));
      holds = name == "<" ? order < 0 : name == "<=" ? order <= 0 : name == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Expected<Value> Interpreter::evaluate_binary(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(const Value left, evaluate(*expression.operands[0]));
  SACCADE_ASSIGN_OR_RETURN(const Value right, evaluate(*expression.operands[1]));
  const std::string& name = expression.name;
  if (name == "~" || (name == "+" && left.is_string() && right.is_string())) {
    SACCADE_ASSIGN_OR_RETURN(MarkedText text, to_text(left));
    SACCADE_ASSIGN_OR_RETURN(const MarkedText tail, to_text(right));
    text.append(tail);
    return Value(std::move(text));
  }
  if (left.is_number() && right.is_number()) return arithmetic(name, left, right);
  if (name == "+" && left.is_list() && right.is_list()) {
    List list = *left.as_list();
    list.insert(list.end(), right.as_list()->begin(), right.as_list()->end());
    SACCADE_RETURN_IF_ERROR(budget_.spend_list(list.size()));
    return Value(std::move(list));
  }
  if (name == "*" && right.is_int() && (left.is_string() || left.is_list())) {
    return repeat(left, right.as_int(), budget_);
  }
  return wrong_operands(name, left, right);
}

Expected<Value> Interpreter::evaluate_sign(const Expression& expression) {
  SACCADE_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.operands[0]));
  if (!value.is_number()) return unsupported("a sign before something that is no number");
  if (expression.kind == Expression::Kind::kPlus) return value;
  if (value.is_float()) return Value(-value.as_float());
  return integer_arithmetic("-", 0, value.as_int());
}

}  // namespace saccade::jinja
