#include "text/jinja/interpreter.h"

#include <algorithm>

#include "base/format.h"

namespace saccade::jinja {
namespace {

constexpr size_t kBaseSteps = 2'000'000;  // published templates take some thousands
constexpr int kMaxDepth = 400;  // of statements, macros and expressions in one another; each takes some of the stack

Status at_line(const Status& status, int line) {
  // A refusal is a message to the user; where the template stands is of no interest there.
  if (status.code() != StatusCode::kUnsupported || status.message().starts_with("line ")) return status;
  return status.with_context(format("line %d", line));
}

}  // namespace

Interpreter::Interpreter(const Dict& variables, size_t num_input_bytes)
    : budget_(kBaseSteps + 64 * std::min(num_input_bytes, Budget::kMaxTextBytes)) {
  for (const char* name : {"range", "namespace", "dict", "raise_exception", "strftime_now"}) {
    root_.variables[name] = Builtin{name};
  }
  for (const auto& [name, value] : variables.items()) root_.variables[name] = value;
}

Expected<MarkedText> Interpreter::render(const Block& block) {
  MarkedText out;
  SACCADE_RETURN_IF_ERROR(execute(block, out));
  return out;
}

const Value* Interpreter::find_variable(std::string_view name) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return &found->second;
  }
  return nullptr;
}

Status Interpreter::execute(const Block& block, MarkedText& out) {
  const Nesting nesting(depth_);
  if (depth_ > kMaxDepth) return resource_exhausted("the template calls itself too deeply");
  for (const Statement& statement : block) {
    SACCADE_RETURN_IF_ERROR(budget_.spend(1));
    if (const Status status = execute(statement, out); !status.is_ok()) return at_line(status, statement.line);
    if (flow_ != Flow::kNormal) break;
  }
  return {};
}

Status Interpreter::execute(const Statement& statement, MarkedText& out) {
  switch (statement.kind) {
    case Statement::Kind::kText:
      return print(Value::text(statement.text), out);
    case Statement::Kind::kPrint: {
      SACCADE_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.expression));
      return print(value, out);
    }
    case Statement::Kind::kIf:
      return execute_if(statement, out);
    case Statement::Kind::kFor:
      return execute_for(statement, out);
    case Statement::Kind::kSet:
      return execute_set(statement);
    case Statement::Kind::kSetBlock:
      return execute_set_block(statement);
    case Statement::Kind::kMacro:
      scope_->variables[statement.macro->name] = Value(static_cast<const Macro*>(statement.macro.get()));
      return {};
    case Statement::Kind::kCallBlock:
      return execute_call_block(statement, out);
    case Statement::Kind::kFilterBlock:
      return execute_filter_block(statement, out);
    case Statement::Kind::kScope: {
      Scope scope{{}, scope_};
      const ScopeSwitch inside(scope_, &scope);
      return execute(statement.blocks[0], out);
    }
    case Statement::Kind::kBreak:
      flow_ = Flow::kBreak;
      return {};
    case Statement::Kind::kContinue:
      flow_ = Flow::kContinue;
      return {};
  }
  return {};
}

Status Interpreter::print(const Value& value, MarkedText& out) {
  SACCADE_ASSIGN_OR_RETURN(const MarkedText text, to_text(value));
  SACCADE_RETURN_IF_ERROR(budget_.spend(text.size() / 8));
  if (out.size() + text.size() > Budget::kMaxTextBytes) return resource_exhausted("the prompt is too long");
  out.append(text);
  return {};
}

Status Interpreter::execute_if(const Statement& statement, MarkedText& out) {
  for (size_t i = 0; i < statement.blocks.size(); ++i) {
    bool is_taken = true;
    if (statement.conditions[i]) {
      SACCADE_ASSIGN_OR_RETURN(const Value condition, evaluate(*statement.conditions[i]));
      is_taken = condition.is_truthy();
    }
    if (is_taken) return execute(statement.blocks[i], out);
  }
  return {};
}

Status Interpreter::unpack(const std::vector<std::string>& names, const Value& value) {
  if (names.size() == 1) {
    scope_->variables[names[0]] = value;
    return {};
  }
  SACCADE_ASSIGN_OR_RETURN(const List parts, iterate(value, budget_));
  if (parts.size() != names.size()) {
    return unsupported(format("%zu names for %zu values", names.size(), parts.size()));
  }
  for (size_t i = 0; i < names.size(); ++i) scope_->variables[names[i]] = parts[i];
  return {};
}

Expected<List> Interpreter::keep_if(const Statement& statement, const List& items) {
  List kept;
  Scope scope{{}, scope_};
  const ScopeSwitch inside(scope_, &scope);
  for (const Value& item : items) {
    SACCADE_RETURN_IF_ERROR(unpack(statement.names, item));
    SACCADE_ASSIGN_OR_RETURN(const Value condition, evaluate(*statement.condition));
    if (condition.is_truthy()) kept.push_back(item);
  }
  return kept;
}

Status Interpreter::execute_for(const Statement& statement, MarkedText& out) {
  SACCADE_ASSIGN_OR_RETURN(const Value over, evaluate(*statement.expression));
  SACCADE_ASSIGN_OR_RETURN(List items, iterate(over, budget_));
  if (statement.condition) {
    SACCADE_ASSIGN_OR_RETURN(items, keep_if(statement, items));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    SACCADE_RETURN_IF_ERROR(execute_turn(statement, items, i, out));
    const Flow flow = std::exchange(flow_, Flow::kNormal);
    if (flow == Flow::kBreak) break;
  }
  if (!items.empty() || statement.blocks.size() < 2) return {};
  return execute(statement.blocks[1], out);
}

Status Interpreter::execute_turn(const Statement& statement, const List& items, size_t idx, MarkedText& out) {
  SACCADE_RETURN_IF_ERROR(budget_.spend(40));
  Scope scope{{}, scope_};
  const ScopeSwitch inside(scope_, &scope);
  SACCADE_RETURN_IF_ERROR(unpack(statement.names, items[idx]));
  const auto i = static_cast<int64_t>(idx), count = static_cast<int64_t>(items.size());
  Dict loop;
  loop.set("index", i + 1);
  loop.set("index0", i);
  loop.set("revindex", count - i);
  loop.set("revindex0", count - i - 1);
  loop.set("first", i == 0);
  loop.set("last", i + 1 == count);
  loop.set("length", count);
  loop.set("previtem", idx > 0 ? items[idx - 1] : Value());
  loop.set("nextitem", idx + 1 < items.size() ? items[idx + 1] : Value());
  scope.variables["loop"] = std::move(loop);
  return execute(statement.blocks[0], out);
}

Status Interpreter::execute_set(const Statement& statement) {
  SACCADE_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.expression));
  if (statement.attribute.empty()) return unpack(statement.names, value);
  const Value* target = find_variable(statement.names[0]);
  if (target == nullptr || !target->is_namespace()) {
    return unsupported(format("%s is not a namespace", quote(statement.names[0]).c_str()));
  }
  SACCADE_RETURN_IF_ERROR(budget_.spend(target->as_dict()->items().size()));
  budget_.watch(target->as_dict());
  target->as_dict()->set(statement.attribute, value);
  return {};
}

Status Interpreter::execute_set_block(const Statement& statement) {
  Value value;
  {
    MarkedText text;
    Scope scope{{}, scope_};
    const ScopeSwitch inside(scope_, &scope);
    SACCADE_RETURN_IF_ERROR(execute(statement.blocks[0], text));
    value = std::move(text);
    if (statement.expression) {
      scope.variables[""] = value;
      SACCADE_ASSIGN_OR_RETURN(value, evaluate(*statement.expression));
    }
  }
  return unpack(statement.names, value);
}

Status Interpreter::execute_filter_block(const Statement& statement, MarkedText& out) {
  MarkedText text;
  Scope scope{{}, scope_};
  const ScopeSwitch inside(scope_, &scope);
  SACCADE_RETURN_IF_ERROR(execute(statement.blocks[0], text));
  scope.variables[""] = std::move(text);
  SACCADE_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.expression));
  return print(value, out);
}

Status Interpreter::execute_call_block(const Statement& statement, MarkedText& out) {
  callers_.emplace_back(statement.macro.get(), scope_);
  const Expected<Value> value = evaluate_call(*statement.expression, statement.macro.get());
  callers_.pop_back();
  if (!value.is_ok()) return value.status();
  return print(*value, out);
}

Expected<Value> Interpreter::execute_macro(const Macro& macro, const Arguments& arguments, const Macro* caller) {
  Scope* parent = &root_;
  if (macro.name == "caller") {  // the body of a call block sees what is around that block, while it runs
    const auto running =
        std::find_if(callers_.rbegin(), callers_.rend(), [&](const auto& c) { return c.first == &macro; });
    if (running == callers_.rend()) return unsupported("caller() is called outside of its call block");
    parent = running->second;
  }
  if (arguments.positional.size() > macro.parameters.size()) {
    return unsupported(format("the macro %s is given too many arguments", quote(macro.name).c_str()));
  }
  Scope scope{{}, parent};
  const ScopeSwitch inside(scope_, &scope);
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const Value* argument = arguments.find(i, parameter.name);
    Value value = argument == nullptr ? Value() : *argument;
    if (argument == nullptr && parameter.fallback) {
      SACCADE_ASSIGN_OR_RETURN(value, evaluate(*parameter.fallback));
    }
    scope.variables[parameter.name] = std::move(value);
  }
  if (caller != nullptr) scope.variables["caller"] = Value(caller);
  MarkedText text;
  SACCADE_RETURN_IF_ERROR(execute(macro.body, text));
  flow_ = Flow::kNormal;
  return Value(std::move(text));
}

}  // namespace saccade::jinja
