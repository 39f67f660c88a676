// Pictures that a request names instead of holding them.
#pragma once

#include <cstddef>
#include <string>

namespace saccade {

/// A picture that is not in the request itself. Its place is request.messages[message_idx].content[part_idx].
struct MediaReference {
  size_t message_idx = 0;
  size_t part_idx = 0;
  std::string url;    // http, https, file, or a plain path; empty: the picture came with this uuid before, or came now
  std::string uuid;   // to know it by later; empty: none
  std::string param;  // the field, for errors
};

}  // namespace saccade
