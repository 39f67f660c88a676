// JSON schemas, and any JSON object, as grammar.
#pragma once

#include <cstddef>
#include <string_view>

#include "constraint/grammar.h"
#include "saccade/status.h"

namespace saccade {

struct JsonSchemaOptions {
  bool is_strict = false;  // ResponseFormat::is_strict
};

inline constexpr size_t kMaxSchemaBytes = 256 << 10;

/// The texts that are JSON and satisfy the schema (JSON Schema 2020-12). Every text of the grammar does; of those that
/// do, it has those with properties in the schema's order, the additional ones behind them, numbers of limited length,
/// and the spaces that JsonText allows.
///
/// Enforced: type, enum, const; properties, required, additionalProperties, maxProperties down to the number of
/// properties named, minProperties up to the number required; items, prefixItems, minItems, maxItems; minLength,
/// maxLength, pattern (StringPattern; beside lengths where it implies them), format date, time, date-time, uuid, ipv4
/// and email where neither length nor pattern is given; minimum, maximum, exclusiveMinimum, exclusiveMaximum; anyOf;
/// oneOf where no two can hold at once; allOf of schemas that can be merged; $ref within the schema, recursion
/// included. A schema without type that has keywords of some types means these.
///
/// Errors: kInvalidArgument (not JSON, not a schema, or one that nothing satisfies), kUnsupported (a keyword that is
/// not enforced, or not beside others), kResourceExhausted; with the keyword and the JSON pointer to it.
Expected<Grammar> compile_json_schema(std::string_view schema, const JsonSchemaOptions& options = {});

/// Any JSON text that is an object.
Grammar json_object_grammar();

}  // namespace saccade
