// Brings the pictures that a request only names: files of one folder, other servers, those sent before.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "saccade/request.h"
#include "server/api_error.h"
#include "server/media_fetch.h"
#include "server/media_reference.h"
#include "server/media_store.h"

namespace saccade {

struct MediaOptions {
  std::string folder;  // whose files may be named; empty: none
  FetchOptions fetch;  // max_bytes is of files, too
  uint64_t store_bytes = 256ull << 20;
};

/// A file below `folder` that `url` names: "file:///folder/a.png", "/folder/a.png", "a.png". Symbolic links are
/// followed before it is looked where it is. Errors: kInvalidArgument (no folder, outside of it), kNotFound; they tell
/// nothing of other files.
Expected<std::string> path_below(const std::string& folder, const std::string& url);

/// Thread safety: any thread.
class MediaLoader {
 public:
  explicit MediaLoader(const MediaOptions& options) : options_(options), store_(options.store_bytes) {}

  /// Fills in the bytes of all references to the request's pictures, and remembers what has a uuid. Blocks. Returns
  /// what is wrong with one of them.
  std::optional<ApiError> load(Request& request, std::span<const MediaReference> references,
                               const std::function<bool()>& is_cancelled);

 private:
  Expected<std::vector<std::byte>> read(const std::string& url, const std::function<bool()>& is_cancelled) const;

  const MediaOptions options_;
  MediaStore store_;
};

}  // namespace saccade
