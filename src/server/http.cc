#include "server/http.h"

namespace saccade {

std::optional<std::string_view> HttpRequest::field(std::string_view name) const {
  for (const auto& [field_name, value] : fields) {
    if (field_name == name) return value;
  }
  return std::nullopt;
}

}  // namespace saccade
