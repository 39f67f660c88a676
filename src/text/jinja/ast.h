// A parsed template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace saccade::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  enum class Kind {
    kLiteral,    // value
    kName,       // name
    kList,       // operands: the items; tuples too
    kDict,       // operands: key, value, key, value, ...
    kAttribute,  // operands[0] . name
    kIndex,      // operands[0] [ operands[1] ]
    kSlice,      // operands[0] [ operands[1] : operands[2] : operands[3] ]; absent ones are null
    kCall,       // operands[0] ( operands[1], ..., keywords )
    kFilter,     // operands[0] | name ( operands[1], ..., keywords )
    kTest,       // operands[0] is name operands[1]
    kNegate,     // - operands[0]
    kPlus,       // + operands[0]
    kNot,
    kAnd,
    kOr,
    kBinary,   // operands[0] name operands[1]: + - * / // % ** ~
    kCompare,  // operands[0] operators[0] operands[1] operators[1] ...: == != < <= > >= in, not in
    kTernary,  // operands[0] if operands[1] else operands[2]; the last may be null
  };
  Kind kind = Kind::kLiteral;
  int line = 1;
  int depth = 1;  // of the tree under it
  std::string name;
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<std::string> operators;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null if it has none
};

struct Macro {
  std::string name;
  std::vector<Parameter> parameters;
  Block body;
};

struct Statement {
  enum class Kind {
    kText,         // text
    kPrint,        // {{ expression }}
    kIf,           // branches in order; an else is one without a condition
    kFor,          // names in expression, if condition: blocks[0]; without a turn: blocks[1]
    kSet,          // names (one, several to unpack, or a namespace's attribute) = expression
    kSetBlock,     // names[0] = what blocks[0] prints, through expression if there is one
    kMacro,        // macro
    kCallBlock,    // expression is a call; macro is its caller()
    kFilterBlock,  // expression is a chain of filters over name ""
    kScope,        // blocks[0]: generation, with
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  int line = 1;
  std::string text;
  std::vector<std::string> names;
  std::string attribute;  // kSet: names[0].attribute = expression
  ExpressionPtr expression;
  ExpressionPtr condition;
  std::vector<Block> blocks;
  std::vector<ExpressionPtr> conditions;  // kIf: one for each of blocks, null for else
  std::unique_ptr<Macro> macro;
};

}  // namespace saccade::jinja
