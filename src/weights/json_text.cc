#include "weights/json_text.h"

#include "base/format.h"
#include "platform/mapped_file.h"
#include "weights/foreign_file.h"

namespace saccade {
namespace {

constexpr int kMaxDepth = 64;

// Whether brackets outside of strings ever nest deeper than kMaxDepth. The parser itself has no such limit.
bool is_shallow(std::string_view text) {
  int depth = 0;
  bool is_in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_in_string) {
      if (c == '\\') ++i;
      is_in_string = c != '"';
    } else if (c == '"') {
      is_in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

}  // namespace

Expected<Json> parse_json_object(std::string_view text) {
  if (!is_shallow(text)) return corrupt_data(format("JSON nested more than %d deep", kMaxDepth));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return corrupt_data("not valid JSON");
  if (!json.is_object()) return corrupt_data("not a JSON object");
  return json;
}

Expected<Json> read_json_object(const std::string& path, uint64_t max_bytes) {
  SACCADE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > max_bytes) {
    return resource_exhausted(path + ": JSON of " + format_bytes(file.bytes().size()) + "; at most " +
                              format_bytes(max_bytes) + " are read of this file");
  }
  if (const std::string kind = kind_of_foreign_file(file.bytes()); !kind.empty()) {
    return corrupt_data(path + ": not JSON but " + kind);
  }
  auto json = parse_json_object({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  if (!json) return json.status().with_context(path);
  return json;
}

const Json* find_member(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace saccade
