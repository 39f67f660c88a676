#include "text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "base/format.h"
#include "text/jinja/expression_parser.h"

namespace saccade::jinja {
namespace {

using Kind = Statement::Kind;

class TemplateParser {
 public:
  explicit TemplateParser(std::vector<Token> tokens) : p_(std::move(tokens)) {}

  Expected<Block> run() {
    SACCADE_ASSIGN_OR_RETURN(Block block, parse_block({}));
    if (p_.current().kind != Token::Kind::kEnd) return p_.error("a block ends that did not begin");
    return block;
  }

 private:
  // Statements up to "{% name" of one of `ends`, which stays the next token after "{%", or to the end of the source.
  Expected<Block> parse_block(std::initializer_list<std::string_view> ends) {
    const ExpressionParser::Nesting nesting(p_);
    if (nesting.is_too_deep()) return p_.error("blocks are nested too deeply");
    Block block;
    while (p_.current().kind != Token::Kind::kEnd) {
      Statement statement;
      statement.line = p_.current().line;
      if (p_.current().kind == Token::Kind::kText) {
        statement.text = p_.take().text;
      } else if (p_.current().kind == Token::Kind::kVariableBegin) {
        p_.take();
        statement.kind = Kind::kPrint;
        SACCADE_ASSIGN_OR_RETURN(statement.expression, p_.parse_expression(/*allows_tuple=*/true));
        if (p_.current().kind != Token::Kind::kVariableEnd) return p_.error("expected \"}}\"");
        p_.take();
      } else {
        p_.take();  // {%
        if (std::any_of(ends.begin(), ends.end(), [this](std::string_view end) { return p_.at_name(end); })) {
          return block;
        }
        SACCADE_RETURN_IF_ERROR(parse_statement(statement));
      }
      block.push_back(std::move(statement));
    }
    if (ends.size() != 0) return p_.error("a block is not closed");
    return block;
  }

  Status end_tag() {
    if (p_.current().kind != Token::Kind::kBlockEnd) return p_.error("expected \"%}\"");
    p_.take();
    return {};
  }

  // The end of a tag, a block, and its "endname %}".
  Expected<Block> parse_body(std::string_view end) {
    SACCADE_RETURN_IF_ERROR(end_tag());
    SACCADE_ASSIGN_OR_RETURN(Block body, parse_block({end}));
    p_.take();
    if (p_.current().kind == Token::Kind::kName) p_.take();  // {% endmacro name %}
    SACCADE_RETURN_IF_ERROR(end_tag());
    return body;
  }

  Status parse_statement(Statement& statement) {
    SACCADE_ASSIGN_OR_RETURN(const std::string name, p_.expect_name());
    if (name == "if") return parse_if(statement);
    if (name == "for") return parse_for(statement);
    if (name == "set") return parse_set(statement);
    if (name == "macro") return parse_macro(statement);
    if (name == "call") return parse_call(statement);
    if (name == "filter") return parse_filter(statement);
    if (name == "generation") return parse_scope(statement, "endgeneration");
    if (name == "break" || name == "continue") {
      statement.kind = name == "break" ? Kind::kBreak : Kind::kContinue;
      return end_tag();
    }
    return unsupported(format("line %d: the statement %s is not known", statement.line, quote(name).c_str()));
  }

  Status parse_scope(Statement& statement, std::string_view end) {
    statement.kind = Kind::kScope;
    SACCADE_ASSIGN_OR_RETURN(Block body, parse_body(end));
    statement.blocks.push_back(std::move(body));
    return {};
  }

  Status parse_if(Statement& statement) {
    statement.kind = Kind::kIf;
    bool has_condition = true;
    while (true) {
      ExpressionPtr condition;
      if (has_condition) {
        SACCADE_ASSIGN_OR_RETURN(condition, p_.parse_expression());
      }
      SACCADE_RETURN_IF_ERROR(end_tag());
      SACCADE_ASSIGN_OR_RETURN(Block block,
                               has_condition ? parse_block({"elif", "else", "endif"}) : parse_block({"endif"}));
      statement.conditions.push_back(std::move(condition));
      statement.blocks.push_back(std::move(block));
      const std::string end = p_.take().text;
      if (end == "endif") return end_tag();
      has_condition = end == "elif";
    }
  }

  Status parse_targets(Statement& statement) {
    const bool has_bracket = p_.take_operator("(");
    do {
      SACCADE_ASSIGN_OR_RETURN(std::string name, p_.expect_name());
      statement.names.push_back(std::move(name));
    } while (p_.take_operator(","));
    if (has_bracket) SACCADE_RETURN_IF_ERROR(p_.expect_operator(")"));
    return {};
  }

  Status parse_for(Statement& statement) {
    statement.kind = Kind::kFor;
    SACCADE_RETURN_IF_ERROR(parse_targets(statement));
    if (!p_.take_name("in")) return p_.error("expected \"in\"");
    SACCADE_ASSIGN_OR_RETURN(statement.expression, p_.parse_or());
    if (p_.take_name("if")) {
      SACCADE_ASSIGN_OR_RETURN(statement.condition, p_.parse_expression());
    }
    SACCADE_RETURN_IF_ERROR(end_tag());
    SACCADE_ASSIGN_OR_RETURN(Block body, parse_block({"else", "endfor"}));
    statement.blocks.push_back(std::move(body));
    if (p_.take().text == "else") {
      SACCADE_ASSIGN_OR_RETURN(Block otherwise, parse_body("endfor"));
      statement.blocks.push_back(std::move(otherwise));
      return {};
    }
    return end_tag();
  }

  Status parse_set(Statement& statement) {
    SACCADE_RETURN_IF_ERROR(parse_targets(statement));
    if (statement.names.size() == 1 && p_.take_operator(".")) {
      SACCADE_ASSIGN_OR_RETURN(statement.attribute, p_.expect_name());
    }
    if (p_.take_operator("=")) {
      statement.kind = Kind::kSet;
      SACCADE_ASSIGN_OR_RETURN(statement.expression, p_.parse_expression(/*allows_tuple=*/true));
      return end_tag();
    }
    statement.kind = Kind::kSetBlock;
    if (statement.names.size() != 1) return p_.error("expected \"=\"");
    if (p_.at_operator("|")) SACCADE_RETURN_IF_ERROR(parse_filters_over_nothing(statement));
    SACCADE_ASSIGN_OR_RETURN(Block body, parse_body("endset"));
    statement.blocks.push_back(std::move(body));
    return {};
  }

  // Filters to be applied to what a block prints; that is the name "" to them.
  Status parse_filters_over_nothing(Statement& statement) {
    auto input = std::make_unique<Expression>();
    input->kind = Expression::Kind::kName;
    SACCADE_ASSIGN_OR_RETURN(statement.expression, p_.parse_filters(std::move(input)));
    return {};
  }

  Status parse_filter(Statement& statement) {
    statement.kind = Kind::kFilterBlock;
    auto filter = std::make_unique<Expression>();
    filter->kind = Expression::Kind::kFilter;
    SACCADE_ASSIGN_OR_RETURN(filter->name, p_.expect_name());
    auto input = std::make_unique<Expression>();
    input->kind = Expression::Kind::kName;
    filter->operands.push_back(std::move(input));
    SACCADE_ASSIGN_OR_RETURN(statement.expression, p_.parse_filters(std::move(filter)));
    SACCADE_ASSIGN_OR_RETURN(Block body, parse_body("endfilter"));
    statement.blocks.push_back(std::move(body));
    return {};
  }

  Status parse_parameters(Macro& macro) {
    SACCADE_RETURN_IF_ERROR(p_.expect_operator("("));
    while (!p_.take_operator(")")) {
      if (!macro.parameters.empty()) SACCADE_RETURN_IF_ERROR(p_.expect_operator(","));
      Parameter parameter;
      SACCADE_ASSIGN_OR_RETURN(parameter.name, p_.expect_name());
      if (p_.take_operator("=")) {
        SACCADE_ASSIGN_OR_RETURN(parameter.fallback, p_.parse_expression());
      }
      macro.parameters.push_back(std::move(parameter));
    }
    return {};
  }

  Status parse_macro(Statement& statement) {
    statement.kind = Kind::kMacro;
    statement.macro = std::make_unique<Macro>();
    SACCADE_ASSIGN_OR_RETURN(statement.macro->name, p_.expect_name());
    SACCADE_RETURN_IF_ERROR(parse_parameters(*statement.macro));
    SACCADE_ASSIGN_OR_RETURN(statement.macro->body, parse_body("endmacro"));
    return {};
  }

  Status parse_call(Statement& statement) {
    statement.kind = Kind::kCallBlock;
    statement.macro = std::make_unique<Macro>();
    statement.macro->name = "caller";
    if (p_.at_operator("(")) SACCADE_RETURN_IF_ERROR(parse_parameters(*statement.macro));
    SACCADE_ASSIGN_OR_RETURN(statement.expression, p_.parse_expression());
    if (statement.expression->kind != Expression::Kind::kCall) return p_.error("expected a call");
    SACCADE_ASSIGN_OR_RETURN(statement.macro->body, parse_body("endcall"));
    return {};
  }

  ExpressionParser p_;
};

}  // namespace

Expected<Block> parse_template(std::string_view source) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  if (source.size() > kMaxBytes) return unsupported(format("the template has %zu bytes", source.size()));
  SACCADE_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  return TemplateParser(std::move(tokens)).run();
}

}  // namespace saccade::jinja
