// The expressions inside {{ }} and {% %}, by recursive descent in Jinja's order of precedence.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace saccade::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  /// A whole expression; with `allows_tuple`, one of several with commas between makes a list.
  Expected<ExpressionPtr> parse_expression(bool allows_tuple = false);
  /// Without "x if y": what a for iterates over, since an if after it is a filter.
  Expected<ExpressionPtr> parse_or();
  /// The filters, tests and calls that follow a value.
  Expected<ExpressionPtr> parse_filters(ExpressionPtr value);

  const Token& current() const { return tokens_[position_]; }
  const Token& peek() const { return tokens_[position_ + 1 < tokens_.size() ? position_ + 1 : position_]; }
  Token take() { return position_ + 1 < tokens_.size() ? std::move(tokens_[position_++]) : tokens_[position_]; }
  bool at_operator(std::string_view text) const {
    return current().kind == Token::Kind::kOperator && current().text == text;
  }
  bool at_name(std::string_view text) const { return current().kind == Token::Kind::kName && current().text == text; }
  bool take_operator(std::string_view text);
  bool take_name(std::string_view text);
  Status expect_operator(std::string_view text);
  Expected<std::string> expect_name();
  Status error(const std::string& what) const;

  /// Counts nesting for the length of a scope.
  struct Nesting {
    explicit Nesting(ExpressionParser& parser) : parser_(parser) { ++parser_.nesting_; }
    ~Nesting() { --parser_.nesting_; }
    bool is_too_deep() const { return parser_.nesting_ > kMaxNesting; }
    ExpressionParser& parser_;
  };

 private:
  static constexpr int kMaxNesting = 100;
  static constexpr int kMaxTreeDepth = 200;  // a + a + a + ... nests without brackets

  Expected<ExpressionPtr> parse_and();
  Expected<ExpressionPtr> parse_not();
  Expected<ExpressionPtr> parse_compare();
  Expected<ExpressionPtr> parse_binary(int level);
  Expected<ExpressionPtr> parse_unary(bool with_filters);
  Expected<ExpressionPtr> parse_primary();
  Expected<ExpressionPtr> parse_bracketed();
  Expected<ExpressionPtr> parse_dict();
  Expected<ExpressionPtr> parse_postfix(ExpressionPtr value);
  Expected<ExpressionPtr> parse_subscript(ExpressionPtr value);
  Expected<ExpressionPtr> parse_test(ExpressionPtr value);
  Status parse_arguments(Expression& call);
  bool at_test_argument() const;

  ExpressionPtr make(Expression::Kind kind, std::string name = {}) const;
  Expected<ExpressionPtr> finish(ExpressionPtr node) const;
  template <typename... Operands>
  Expected<ExpressionPtr> join(Expression::Kind kind, std::string name, Operands... operands) const;

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int nesting_ = 0;
};

}  // namespace saccade::jinja
