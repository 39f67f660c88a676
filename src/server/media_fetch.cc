#include "server/media_fetch.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <mutex>
#include <optional>

#include "base/format.h"
#include "platform/clock.h"
#include "server/address_check.h"

namespace saccade {
namespace {

struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};

using CurlUrl = std::unique_ptr<CURLU, FreeCurl>;

// What the callbacks of one fetch share.
struct Fetch {
  const FetchOptions& options;
  const std::function<bool()>& is_cancelled;
  CURL* curl;
  std::vector<std::byte> bytes = {};
  bool is_private = false;    // an address was refused
  bool is_too_large = false;  // it has more bytes than may be
  bool was_cancelled = false;
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  const std::unique_ptr<char, FreeCurl> owner(text);
  return text;
}

bool equals_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Called in place of socket(), with the address that was found for the host.
curl_socket_t open_socket(void* data, curlsocktype, curl_sockaddr* address) {
  auto& fetch = *static_cast<Fetch*>(data);
  if (!fetch.options.may_be_private && !is_public_address(address->addr)) {
    fetch.is_private = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t take_bytes(char* data, size_t, size_t num_bytes, void* target) {
  auto& fetch = *static_cast<Fetch*>(target);
  if (fetch.bytes.size() + num_bytes > fetch.options.max_bytes) {
    fetch.is_too_large = true;
    return 0;  // ends the transfer
  }
  if (fetch.bytes.empty()) {  // in memory once, where the other server says how much it is
    curl_off_t length = 0;
    curl_easy_getinfo(fetch.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    const auto known = static_cast<uint64_t>(std::max<curl_off_t>(0, length));
    fetch.bytes.reserve(static_cast<size_t>(std::min(known, fetch.options.max_bytes)));
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  fetch.bytes.insert(fetch.bytes.end(), bytes, bytes + num_bytes);
  return num_bytes;
}

int ask_whether_to_stop(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& fetch = *static_cast<Fetch*>(data);
  fetch.was_cancelled = fetch.is_cancelled();
  return fetch.was_cancelled ? 1 : 0;
}

// Parsed by what will connect to it, so that both understand the same.
Expected<CurlUrl> check_url(const std::string& text, const FetchOptions& options) {
  CurlUrl url(curl_url());
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return invalid_argument(quote(text) + " is not a URL");
  }
  const std::string scheme = part_of(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return invalid_argument(quote(text) + " is not a URL of http or https");
  }
  if (!part_of(url.get(), CURLUPART_USER).empty() || !part_of(url.get(), CURLUPART_PASSWORD).empty()) {
    return invalid_argument("the URL of the host " + quote(part_of(url.get(), CURLUPART_HOST)) +
                            " has a user or password; give one without");
  }
  const std::string host = part_of(url.get(), CURLUPART_HOST);
  const int port = std::atoi(part_of(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str());
  if (!is_allowed_host(options, host, port, scheme == "https" ? 443 : 80)) {
    return invalid_argument(
        format("the host %s, port %d, is not one that pictures may be fetched from; send the "
               "picture in a data URL, or have the server allow the host (--media-host)",
               quote(host).c_str(), port));
  }
  return url;
}

CURLcode transfer(CURL* curl, CURLU* url, Fetch& fetch, double deadline_ms) {
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_CURLU, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // one of the environment would hide who is connected to
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "saccade");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(fetch.options.connect_timeout_ms));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(deadline_ms - now_ms())));
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(fetch.options.max_bytes));
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &fetch);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &fetch);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_to_stop);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &fetch);
  return curl_easy_perform(curl);
}

Status failure(const std::string& host, const Fetch& fetch, CURL* curl, CURLcode code) {
  if (fetch.was_cancelled) return cancelled("the picture is wanted no more");
  if (fetch.is_private) {
    return invalid_argument("the host " + quote(host) +
                            " has an address of this machine or of a private network; no pictures are fetched from "
                            "there unless the server says so (--media-private)");
  }
  if (fetch.is_too_large || code == CURLE_FILESIZE_EXCEEDED) {
    return resource_exhausted("the picture at " + quote(host) + " has more than " +
                              format_bytes(fetch.options.max_bytes) + "; send a smaller one");
  }
  if (code == CURLE_HTTP_RETURNED_ERROR) {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return not_found(format("the host %s answered %ld", quote(host).c_str(), status));
  }
  return not_found("the picture can't be fetched from " + quote(host) + ": " + curl_easy_strerror(code));
}

}  // namespace

bool is_allowed_host(const FetchOptions& options, std::string_view host, int port, int default_port) {
  const auto is_it = [&](std::string_view allowed) {
    if (equals_without_case(allowed, host)) return port == default_port;
    return equals_without_case(allowed, std::string(host) + ":" + std::to_string(port));
  };
  return std::ranges::any_of(options.hosts, is_it);
}

Expected<std::vector<std::byte>> fetch_media(const std::string& url, const FetchOptions& options,
                                             const std::function<bool()>& is_cancelled) {
  static std::once_flag is_begun;
  std::call_once(is_begun, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, FreeCurl> curl(curl_easy_init());
  if (curl == nullptr) return resource_exhausted("there is not enough memory to fetch the picture");
  const double deadline_ms = now_ms() + static_cast<double>(options.timeout_ms);
  std::string next = url;
  for (int num_redirects = 0; num_redirects <= options.max_redirects; ++num_redirects) {
    SACCADE_ASSIGN_OR_RETURN(const CurlUrl parsed, check_url(next, options));
    Fetch fetch = {.options = options, .is_cancelled = is_cancelled, .curl = curl.get()};
    const CURLcode code = transfer(curl.get(), parsed.get(), fetch, deadline_ms);
    if (code != CURLE_OK) return failure(part_of(parsed.get(), CURLUPART_HOST), fetch, curl.get(), code);
    const char* redirect = nullptr;
    curl_easy_getinfo(curl.get(), CURLINFO_REDIRECT_URL, &redirect);
    if (redirect == nullptr) return std::move(fetch.bytes);
    next = redirect;
  }
  return invalid_argument(format("the picture's URL leads on more than %d times", options.max_redirects));
}

}  // namespace saccade
