// What JSON schemas say together, and whether two of them can both hold.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Keeps the order of properties: answers have them in that order.
using SchemaJson = nlohmann::ordered_json;

enum class KeywordUse : uint8_t {
  kEnforced,
  kAnnotation,  // says nothing about which texts are valid
  kRefused,     // known, and not enforced here
  kUnknown,
};
KeywordUse keyword_use(std::string_view keyword);

/// " at /properties/x", or " at its root", for messages.
std::string at_pointer(const std::string& pointer);
/// The pointer to a member; `key` is escaped as RFC 6901 has it.
std::string child_pointer(const std::string& pointer, std::string_view key);

/// Computes with the schemas of one document. Thread safety: none.
class SchemaAlgebra {
 public:
  static constexpr int kMaxDepth = 64;
  static constexpr size_t kMaxMerged = 20'000;  // keywords, in all

  /// `root` must outlive it.
  explicit SchemaAlgebra(const SchemaJson& root) : root_(root) {}

  /// What a $ref names. Errors: kUnsupported for what is not in this document; kInvalidArgument where there is nothing.
  Expected<const SchemaJson*> resolve(const SchemaJson& ref, const std::string& pointer) const;

  /// The same schema without $ref and allOf of its own. Errors: kUnsupported for keywords that can't be put into one;
  /// kResourceExhausted, kInvalidArgument (a schema that contains itself).
  Expected<SchemaJson> flatten(const SchemaJson& schema, const std::string& pointer, int depth = 0);

  /// A schema that holds where both do. Errors: those of flatten().
  Expected<SchemaJson> merge(const SchemaJson& a, const SchemaJson& b, const std::string& pointer, int depth = 0);

  /// True only where it is certain that no value satisfies both: by their types, their constants, or a property that
  /// one requires and both describe.
  bool are_disjoint(const SchemaJson& a, const SchemaJson& b, int depth = 0) const;

 private:
  Expected<SchemaJson> merge_flat(const SchemaJson& a, const SchemaJson& b, const std::string& pointer, int depth);
  Status merge_keyword(const std::string& key, const SchemaJson& value, SchemaJson& into, const std::string& pointer);
  Status merge_members(const SchemaJson& a, const SchemaJson& b, SchemaJson& into, const std::string& pointer,
                       int depth);
  Status merge_items(const SchemaJson& a, const SchemaJson& b, SchemaJson& into, const std::string& pointer, int depth);

  const SchemaJson& root_;
  size_t num_merged_ = 0;
};

/// The values that a schema with const or enum names; absent without these.
std::optional<std::vector<SchemaJson>> constants_of(const SchemaJson& schema);
/// The names in "type"; absent without it. Errors: kInvalidArgument.
Expected<std::optional<std::vector<std::string>>> types_of(const SchemaJson& schema, const std::string& pointer);
/// "null", "boolean", "integer", "number", "string", "array" or "object". A whole number is "integer".
std::string_view type_of_value(const SchemaJson& value);

}  // namespace saccade
