#include "server/media_loader.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

constexpr std::string_view kFileScheme = "file:";

// RFC 8089, of this machine: file:/a, file:///a, file://localhost/a. Nothing of another host, or of an escape that is
// none.
std::optional<std::string> path_of_file_url(std::string_view url) {
  url.remove_prefix(kFileScheme.size());
  if (url.starts_with("//")) {
    url.remove_prefix(2);
    const size_t slash = url.find('/');
    const std::string_view host = url.substr(0, slash);
    if (slash == std::string_view::npos || (!host.empty() && host != "localhost")) return std::nullopt;
    url.remove_prefix(slash);
  }
  std::string path;
  for (size_t i = 0; i < url.size(); ++i) {
    if (url[i] != '%') {
      path += url[i];
      continue;
    }
    unsigned value = 0;
    const char* digits = url.data() + i + 1;
    if (i + 2 >= url.size() || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) return std::nullopt;
    path += static_cast<char>(value);
    i += 2;
  }
  return path;
}

bool is_web_url(std::string_view url) {
  const size_t end = url.find("://");
  return end != std::string_view::npos && end > 0 &&
         std::ranges::all_of(url.substr(0, end), [](unsigned char c) { return std::isalnum(c) != 0; });
}

}  // namespace

Expected<std::string> path_below(const std::string& folder, const std::string& url) {
  namespace fs = std::filesystem;
  if (folder.empty()) {
    return invalid_argument(
        "files of the server can't be named here; send the picture in a data URL, or have the "
        "server allow a folder (--media-dir)");
  }
  const std::optional<std::string> named = url.starts_with(kFileScheme) ? path_of_file_url(url) : std::optional(url);
  if (!named || named->empty() || named->find('\0') != std::string::npos) {
    return invalid_argument(quote(url) + " is not the URL of a file on this machine");
  }
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) return not_found("the folder of pictures (--media-dir) is not there");
  const fs::path path = fs::canonical(root / *named, error);  // an absolute one stands for itself
  const bool is_there = !error;
  const fs::path where = is_there ? path : fs::weakly_canonical(root / *named, error);
  const bool is_below = std::mismatch(root.begin(), root.end(), where.begin(), where.end()).first == root.end();
  if (!is_below || where == root) {
    return invalid_argument(quote(url) + " is outside of the folder whose pictures may be named (--media-dir)");
  }
  if (!is_there) return not_found(quote(url) + " is not there");
  return path.string();
}

Expected<std::vector<std::byte>> MediaLoader::read(const std::string& url,
                                                   const std::function<bool()>& is_cancelled) const {
  if (is_web_url(url) && !url.starts_with(kFileScheme)) return fetch_media(url, options_.fetch, is_cancelled);
  SACCADE_ASSIGN_OR_RETURN(const std::string path, path_below(options_.folder, url));
  auto bytes = read_whole_file(path, options_.fetch.max_bytes);
  if (bytes) return bytes;
  if (bytes.status().code() == StatusCode::kResourceExhausted) {
    return resource_exhausted(quote(url) + " has more than " + format_bytes(options_.fetch.max_bytes));
  }
  return not_found(quote(url) + " can't be read");
}

std::optional<ApiError> MediaLoader::load(Request& request, std::span<const MediaReference> references,
                                          const std::function<bool()>& is_cancelled) {
  const std::string& account = request.account;
  for (const MediaReference& reference : references) {
    ContentPart& part = request.messages[reference.message_idx].content[reference.part_idx];
    if (!reference.url.empty()) {
      auto bytes = read(reference.url, is_cancelled);
      if (!bytes) return api_error(bytes.status().with_context(reference.param), reference.param);
      part.bytes = *std::move(bytes);
      if (part.bytes.empty()) return api_error(corrupt_data(reference.param + ": the file is empty"), reference.param);
    }
    if (reference.uuid.empty()) continue;
    if (!part.bytes.empty()) {
      store_.put(account, reference.uuid, part.bytes);
      continue;
    }
    const MediaStore::Bytes known = store_.find(account, reference.uuid);
    if (known == nullptr) {
      return ApiError{.message = "no picture is known by the uuid " + quote(reference.uuid) +
                                 ", or not any more; send it again, with its uuid",
                      .param = reference.param,
                      .code = "unknown_uuid"};
    }
    part.bytes = *known;
  }
  return std::nullopt;
}

}  // namespace saccade
