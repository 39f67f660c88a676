// What templates can call: filters, tests, methods of strings, lists and dictionaries, and global functions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "saccade/status.h"
#include "text/jinja/value.h"

namespace saccade::jinja {

/// What one rendering may use up, so that a template from a file can neither hang the program nor fill its memory.
class Budget {
 public:
  static constexpr size_t kMaxTextBytes = size_t{8} << 20;
  static constexpr size_t kMaxListItems = 100'000;

  explicit Budget(size_t num_steps) : num_left_(num_steps) {}

  Status spend(size_t num_steps);
  /// For a new text or list; over the limits above it is refused.
  Status spend_text(size_t num_bytes);
  Status spend_list(size_t num_items);
  /// Keeps a container that a template changed, for release(): it could contain itself.
  void watch(const std::shared_ptr<List>& list) { changed_lists_.push_back(list); }
  void watch(const std::shared_ptr<Dict>& dict) { changed_dicts_.push_back(dict); }
  /// Empties the watched containers, so that cycles do not outlive the rendering.
  void release();

 private:
  size_t num_left_;
  std::vector<std::shared_ptr<List>> changed_lists_;
  std::vector<std::shared_ptr<Dict>> changed_dicts_;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;

  /// The argument at a position or of that name; null if absent.
  const Value* find(size_t position, std::string_view name) const;
  /// Errors: kUnsupported where an argument has the wrong type.
  Expected<int64_t> integer_or(size_t position, std::string_view name, int64_t fallback) const;
  Expected<MarkedText> text_or(size_t position, std::string_view name, std::string_view fallback) const;
  bool truth_or(size_t position, std::string_view name, bool fallback) const;
};

/// All return kUnsupported for an unknown name or wrong types; raise_exception returns kInvalidArgument.
Expected<Value> apply_filter(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget);
Expected<bool> apply_test(std::string_view name, const Value& input, const Arguments& arguments, Budget& budget);
Expected<Value> call_builtin(std::string_view name, const Arguments& arguments, Budget& budget);
bool has_method(const Value& object, std::string_view name);
Expected<Value> call_method(const Value& object, std::string_view name, const Arguments& arguments, Budget& budget);

/// object.name and object[key]: undefined if there is none. Errors: `object` itself is undefined.
Expected<Value> find_attribute(const Value& object, std::string_view name, Budget& budget);
Expected<Value> find_item(const Value& object, const Value& key, Budget& budget);

/// What a loop over the value sees: items, keys, characters; nothing for undefined.
Expected<List> iterate(const Value& value, Budget& budget);

/// Whether `needle in haystack`.
Expected<bool> contains(const Value& haystack, const Value& needle, Budget& budget);

/// The number of items or characters.
Expected<int64_t> length_of(const Value& value);

}  // namespace saccade::jinja
