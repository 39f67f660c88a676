#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "base/format.h"

namespace saccade::jinja {

using Kind = Expression::Kind;

bool ExpressionParser::take_operator(std::string_view text) {
  if (!at_operator(text)) return false;
  take();
  return true;
}

bool ExpressionParser::take_name(std::string_view text) {
  if (!at_name(text)) return false;
  take();
  return true;
}

Status ExpressionParser::expect_operator(std::string_view text) {
  if (take_operator(text)) return {};
  return error("expected " + quote(text));
}

Expected<std::string> ExpressionParser::expect_name() {
  if (current().kind != Token::Kind::kName) return error("expected a name");
  return take().text;
}

Status ExpressionParser::error(const std::string& what) const {
  const std::string found = current().text.empty() ? std::string("the end of a tag") : quote(current().text);
  return unsupported(format("line %d: %s before %s", current().line, what.c_str(), found.c_str()));
}

ExpressionPtr ExpressionParser::make(Kind kind, std::string name) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->name = std::move(name);
  node->line = current().line;
  return node;
}

// Checks the depth of a tree whose operands are all in place.
Expected<ExpressionPtr> ExpressionParser::finish(ExpressionPtr node) const {
  for (const ExpressionPtr& operand : node->operands) {
    if (operand) node->depth = std::max(node->depth, operand->depth + 1);
  }
  for (const auto& keyword : node->keywords) node->depth = std::max(node->depth, keyword.second->depth + 1);
  if (node->depth > kMaxTreeDepth) return error("an expression is too long");
  return node;
}

template <typename... Operands>
Expected<ExpressionPtr> ExpressionParser::join(Kind kind, std::string name, Operands... operands) const {
  ExpressionPtr node = make(kind, std::move(name));
  (node->operands.push_back(std::move(operands)), ...);
  return finish(std::move(node));
}

Expected<ExpressionPtr> ExpressionParser::parse_expression(bool allows_tuple) {
  const Nesting nesting(*this);
  if (nesting.is_too_deep()) return error("expressions are nested too deeply");
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_or());
  while (take_name("if")) {
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr condition, parse_or());
    ExpressionPtr otherwise;
    if (take_name("else")) {
      SACCADE_ASSIGN_OR_RETURN(otherwise, parse_expression());
    }
    SACCADE_ASSIGN_OR_RETURN(value,
                             join(Kind::kTernary, "", std::move(value), std::move(condition), std::move(otherwise)));
  }
  if (!allows_tuple || !at_operator(",")) return value;
  ExpressionPtr tuple = make(Kind::kList);
  tuple->operands.push_back(std::move(value));
  while (take_operator(",")) {
    if (current().kind == Token::Kind::kBlockEnd || current().kind == Token::Kind::kVariableEnd || at_operator(")")) {
      break;
    }
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr item, parse_expression());
    tuple->operands.push_back(std::move(item));
  }
  return finish(std::move(tuple));
}

Expected<ExpressionPtr> ExpressionParser::parse_or() {
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_and());
  while (take_name("or")) {
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_and());
    SACCADE_ASSIGN_OR_RETURN(left, join(Kind::kOr, "", std::move(left), std::move(right)));
  }
  return left;
}

Expected<ExpressionPtr> ExpressionParser::parse_and() {
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_not());
  while (take_name("and")) {
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_not());
    SACCADE_ASSIGN_OR_RETURN(left, join(Kind::kAnd, "", std::move(left), std::move(right)));
  }
  return left;
}

Expected<ExpressionPtr> ExpressionParser::parse_not() {
  if (!take_name("not")) return parse_compare();
  const Nesting nesting(*this);
  if (nesting.is_too_deep()) return error("expressions are nested too deeply");
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr operand, parse_not());
  return join(Kind::kNot, "", std::move(operand));
}

Expected<ExpressionPtr> ExpressionParser::parse_compare() {
  static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr first, parse_binary(0));
  ExpressionPtr chain = make(Kind::kCompare);
  while (true) {
    const bool is_symbol = current().kind == Token::Kind::kOperator &&
                           std::find(kOperators.begin(), kOperators.end(), current().text) != kOperators.end();
    const bool is_not_in = at_name("not") && peek().kind == Token::Kind::kName && peek().text == "in";
    if (!is_symbol && !is_not_in && !at_name("in")) break;
    if (is_not_in) take();
    chain->operators.push_back((is_not_in ? "not " : "") + take().text);
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr next, parse_binary(0));
    if (first) chain->operands.push_back(std::move(first));
    chain->operands.push_back(std::move(next));
  }
  if (first) return first;
  return finish(std::move(chain));
}

// Binary operators from the loosest level to the tightest.
Expected<ExpressionPtr> ExpressionParser::parse_binary(int level) {
  static const std::array<std::vector<std::string_view>, 4> kLevels = {
      {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}};
  if (level == static_cast<int>(kLevels.size())) return parse_unary(true);
  const auto& operators = kLevels[static_cast<size_t>(level)];
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_binary(level + 1));
  while (current().kind == Token::Kind::kOperator &&
         std::find(operators.begin(), operators.end(), current().text) != operators.end()) {
    std::string name = take().text;
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_binary(level + 1));
    SACCADE_ASSIGN_OR_RETURN(left, join(Kind::kBinary, std::move(name), std::move(left), std::move(right)));
  }
  return left;
}

Expected<ExpressionPtr> ExpressionParser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  if (nesting.is_too_deep()) return error("expressions are nested too deeply");
  ExpressionPtr value;
  if (at_operator("-") || at_operator("+")) {
    const Kind kind = take().text == "-" ? Kind::kNegate : Kind::kPlus;
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr operand, parse_unary(false));
    SACCADE_ASSIGN_OR_RETURN(value, join(kind, "", std::move(operand)));
  } else {
    SACCADE_ASSIGN_OR_RETURN(value, parse_primary());
  }
  SACCADE_ASSIGN_OR_RETURN(value, parse_postfix(std::move(value)));
  return with_filters ? parse_filters(std::move(value)) : Expected<ExpressionPtr>(std::move(value));
}

Expected<ExpressionPtr> ExpressionParser::parse_primary() {
  ExpressionPtr node = make(Kind::kLiteral);
  switch (current().kind) {
    case Token::Kind::kString: {
      std::string text;
      while (current().kind == Token::Kind::kString) text += take().text;  // neighbours are one literal
      node->value = Value::text(text);
      return node;
    }
    case Token::Kind::kInteger: {
      const std::string digits = take().text;
      int64_t number = 0;
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (parsed.ec != std::errc()) return error("an integer is too large");
      node->value = number;
      return node;
    }
    case Token::Kind::kFloat: {
      const std::string digits = take().text;
      double number = 0;
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (parsed.ec != std::errc()) return error("a number is out of range");
      node->value = number;
      return node;
    }
    case Token::Kind::kName: {
      const std::string name = take().text;
      const bool is_true = name == "true" || name == "True", is_false = name == "false" || name == "False";
      if (is_true || is_false) {
        node->value = is_true;
      } else if (name == "none" || name == "None") {
        node->value = None{};
      } else {
        node->kind = Kind::kName;
        node->name = name;
      }
      return node;
    }
    default:
      return parse_bracketed();
  }
}

Expected<ExpressionPtr> ExpressionParser::parse_bracketed() {
  if (at_operator("{")) return parse_dict();
  if (take_operator("(")) {
    if (take_operator(")")) return make(Kind::kList);
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_expression(/*allows_tuple=*/true));
    SACCADE_RETURN_IF_ERROR(expect_operator(")"));
    return value;
  }
  if (!take_operator("[")) return error("expected a value");
  ExpressionPtr list = make(Kind::kList);
  while (!take_operator("]")) {
    if (!list->operands.empty()) {
      SACCADE_RETURN_IF_ERROR(expect_operator(","));
      if (take_operator("]")) break;
    }
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr item, parse_expression());
    list->operands.push_back(std::move(item));
  }
  return finish(std::move(list));
}

Expected<ExpressionPtr> ExpressionParser::parse_dict() {
  SACCADE_RETURN_IF_ERROR(expect_operator("{"));
  ExpressionPtr dict = make(Kind::kDict);
  while (!take_operator("}")) {
    if (!dict->operands.empty()) {
      SACCADE_RETURN_IF_ERROR(expect_operator(","));
      if (take_operator("}")) break;
    }
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr key, parse_expression());
    SACCADE_RETURN_IF_ERROR(expect_operator(":"));
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_expression());
    dict->operands.push_back(std::move(key));
    dict->operands.push_back(std::move(value));
  }
  return finish(std::move(dict));
}

Expected<ExpressionPtr> ExpressionParser::parse_postfix(ExpressionPtr value) {
  while (true) {
    if (take_operator(".")) {
      if (current().kind != Token::Kind::kName && current().kind != Token::Kind::kInteger) {
        return error("expected an attribute");
      }
      SACCADE_ASSIGN_OR_RETURN(value, join(Kind::kAttribute, take().text, std::move(value)));
    } else if (at_operator("[")) {
      SACCADE_ASSIGN_OR_RETURN(value, parse_subscript(std::move(value)));
    } else if (at_operator("(")) {
      ExpressionPtr call = make(Kind::kCall);
      call->operands.push_back(std::move(value));
      SACCADE_RETURN_IF_ERROR(parse_arguments(*call));
      SACCADE_ASSIGN_OR_RETURN(value, finish(std::move(call)));
    } else {
      return value;
    }
  }
}

Expected<ExpressionPtr> ExpressionParser::parse_subscript(ExpressionPtr value) {
  SACCADE_RETURN_IF_ERROR(expect_operator("["));
  std::vector<ExpressionPtr> bounds(3);
  size_t num_colons = 0;
  while (!at_operator("]")) {
    if (take_operator(":")) {
      if (++num_colons > 2) return error("a slice has too many parts");
      continue;
    }
    if (bounds[num_colons]) return error("expected \"]\"");
    SACCADE_ASSIGN_OR_RETURN(bounds[num_colons], parse_expression());
  }
  SACCADE_RETURN_IF_ERROR(expect_operator("]"));
  if (num_colons > 0) {
    return join(Kind::kSlice, "", std::move(value), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2]));
  }
  if (!bounds[0]) return error("an index is empty");
  return join(Kind::kIndex, "", std::move(value), std::move(bounds[0]));
}

Status ExpressionParser::parse_arguments(Expression& call) {
  SACCADE_RETURN_IF_ERROR(expect_operator("("));
  for (bool is_first = true; !take_operator(")"); is_first = false) {
    if (!is_first) {
      SACCADE_RETURN_IF_ERROR(expect_operator(","));
      if (take_operator(")")) break;
    }
    const bool is_keyword =
        current().kind == Token::Kind::kName && peek().kind == Token::Kind::kOperator && peek().text == "=";
    std::string name = is_keyword ? take().text : std::string();
    if (is_keyword) take();
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr argument, parse_expression());
    if (is_keyword) {
      call.keywords.emplace_back(std::move(name), std::move(argument));
    } else {
      call.operands.push_back(std::move(argument));
    }
  }
  return {};
}

Expected<ExpressionPtr> ExpressionParser::parse_filters(ExpressionPtr value) {
  while (true) {
    if (take_operator("|")) {
      SACCADE_ASSIGN_OR_RETURN(std::string name, expect_name());
      ExpressionPtr filter = make(Kind::kFilter, std::move(name));
      filter->operands.push_back(std::move(value));
      if (at_operator("(")) SACCADE_RETURN_IF_ERROR(parse_arguments(*filter));
      SACCADE_ASSIGN_OR_RETURN(value, finish(std::move(filter)));
    } else if (take_name("is")) {
      SACCADE_ASSIGN_OR_RETURN(value, parse_test(std::move(value)));
    } else if (at_operator("(") || at_operator("[") || at_operator(".")) {
      SACCADE_ASSIGN_OR_RETURN(value, parse_postfix(std::move(value)));
    } else {
      return value;
    }
  }
}

Expected<ExpressionPtr> ExpressionParser::parse_test(ExpressionPtr value) {
  const bool is_negated = take_name("not");
  SACCADE_ASSIGN_OR_RETURN(std::string name, expect_name());
  ExpressionPtr test = make(Kind::kTest, std::move(name));
  test->operands.push_back(std::move(value));
  if (at_operator("(")) {
    SACCADE_RETURN_IF_ERROR(parse_arguments(*test));
  } else if (at_test_argument()) {
    SACCADE_ASSIGN_OR_RETURN(ExpressionPtr argument, parse_primary());
    SACCADE_ASSIGN_OR_RETURN(argument, parse_postfix(std::move(argument)));
    test->operands.push_back(std::move(argument));
  }
  SACCADE_ASSIGN_OR_RETURN(ExpressionPtr node, finish(std::move(test)));
  return is_negated ? join(Kind::kNot, "", std::move(node)) : Expected<ExpressionPtr>(std::move(node));
}

// Whether what follows a test's name is its argument without brackets, as in "x is equalto 1".
bool ExpressionParser::at_test_argument() const {
  switch (current().kind) {
    case Token::Kind::kName:
      return !at_name("else") && !at_name("or") && !at_name("and") && !at_name("is") && !at_name("if") &&
             !at_name("not") && !at_name("in");
    case Token::Kind::kString:
    case Token::Kind::kInteger:
    case Token::Kind::kFloat:
      return true;
    default:
      return at_operator("[") || at_operator("{");
  }
}

}  // namespace saccade::jinja
