// Runs a parsed template.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saccade/status.h"
#include "text/jinja/ast.h"
#include "text/jinja/functions.h"

namespace saccade::jinja {

/// One rendering of one template. Macros see the template's own variables, not those of the loop they are defined in.
class Interpreter {
 public:
  /// The budget grows with `num_input_bytes`, the size of the conversation.
  Interpreter(const Dict& variables, size_t num_input_bytes);
  ~Interpreter() { budget_.release(); }
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// Errors: kInvalidArgument where the template refuses the conversation, kUnsupported with the line where it does
  /// what is not known here, kResourceExhausted where it does too much.
  Expected<MarkedText> render(const Block& block);

 private:
  struct Scope {
    std::map<std::string, Value, std::less<>> variables;
    Scope* parent = nullptr;
  };
  enum class Flow { kNormal, kBreak, kContinue };
  /// Counts nesting of evaluation for the length of a C++ scope.
  struct Nesting {
    explicit Nesting(int& depth) : depth_(depth) { ++depth_; }
    ~Nesting() { --depth_; }
    int& depth_;
  };
  /// Makes a scope the current one for the length of a C++ scope.
  struct ScopeSwitch {
    ScopeSwitch(Scope*& current, Scope* next) : current_(current), saved_(current) { current_ = next; }
    ~ScopeSwitch() { current_ = saved_; }
    Scope*& current_;
    Scope* saved_;
  };

  // interpreter.cc: statements.
  Status execute(const Block& block, MarkedText& out);
  Status execute(const Statement& statement, MarkedText& out);
  Status execute_if(const Statement& statement, MarkedText& out);
  Status execute_for(const Statement& statement, MarkedText& out);
  Status execute_turn(const Statement& statement, const List& items, size_t idx, MarkedText& out);
  Status execute_set(const Statement& statement);
  Status execute_set_block(const Statement& statement);
  Status execute_filter_block(const Statement& statement, MarkedText& out);
  Status execute_call_block(const Statement& statement, MarkedText& out);
  Expected<List> keep_if(const Statement& statement, const List& items);
  Expected<Value> execute_macro(const Macro& macro, const Arguments& arguments, const Macro* caller);
  Status unpack(const std::vector<std::string>& names, const Value& value);
  Status print(const Value& value, MarkedText& out);
  const Value* find_variable(std::string_view name) const;

  // evaluation.cc: expressions.
  Expected<Value> evaluate(const Expression& expression);
  Expected<Value> evaluate_node(const Expression& expression);
  Expected<Value> evaluate_list(const Expression& expression);
  Expected<Value> evaluate_dict(const Expression& expression);
  Expected<Value> evaluate_slice(const Expression& expression);
  Expected<Value> evaluate_call(const Expression& expression, const Macro* caller = nullptr);
  Expected<Value> evaluate_compare(const Expression& expression);
  Expected<Value> evaluate_binary(const Expression& expression);
  Expected<Value> evaluate_sign(const Expression& expression);
  Expected<Value> evaluate_logic(const Expression& expression);
  Expected<Value> evaluate_ternary(const Expression& expression);
  Expected<Value> evaluate_index(const Expression& expression);
  Expected<Value> evaluate_filter_or_test(const Expression& expression);
  Expected<Arguments> evaluate_arguments(const Expression& expression);

  Budget budget_;
  Scope root_;
  Scope* scope_ = &root_;
  std::vector<std::pair<const Macro*, Scope*>> callers_;  // the call blocks that are running, and where they stand
  Flow flow_ = Flow::kNormal;
  int depth_ = 0;
};

}  // namespace saccade::jinja
