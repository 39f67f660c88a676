// Pictures from other servers, by libcurl.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

namespace saccade {

struct FetchOptions {
  // Who may be asked: "example.com" on the scheme's own port, "example.com:8443" on that one.
  std::vector<std::string> hosts = {};
  bool may_be_private = false;  // hosts may have addresses of this machine and of private networks
  uint64_t max_bytes = 64ull << 20;
  int64_t connect_timeout_ms = 5'000;
  int64_t timeout_ms = 30'000;  // of all, redirects included
  int max_redirects = 3;
};

/// Whether a host and port are on the list; names are compared without regard to case.
bool is_allowed_host(const FetchOptions& options, std::string_view host, int port, int default_port);

/// Blocks. `is_cancelled` is asked now and then. Each redirect is held against the list, and the address that is really
/// connected to is looked at, so that no name can be made to stand for another address in between. Errors:
/// kInvalidArgument (no URL of http or https, a host that is not on the list, an address that is not public), kNotFound
/// (the other server doesn't have it, or doesn't answer), kResourceExhausted (over `max_bytes`), kCancelled.
Expected<std::vector<std::byte>> fetch_media(const std::string& url, const FetchOptions& options,
                                             const std::function<bool()>& is_cancelled);

}  // namespace saccade
