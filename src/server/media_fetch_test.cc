#include "server/media_fetch.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

constexpr int kHttp = 80;
constexpr int kHttps = 443;

TEST(MediaFetch, AllowsTheHostsOfTheListOnTheirPorts) {
  const FetchOptions options = {.hosts = {"Images.Example.com", "other.example:8443"}};
  EXPECT_TRUE(is_allowed_host(options, "images.example.com", kHttp, kHttp));
  EXPECT_TRUE(is_allowed_host(options, "IMAGES.example.COM", kHttps, kHttps));
  EXPECT_FALSE(is_allowed_host(options, "images.example.com", 8080, kHttp));
  EXPECT_FALSE(is_allowed_host(options, "images.example.com", kHttp, kHttps));
  EXPECT_TRUE(is_allowed_host(options, "other.example", 8443, kHttps));
  EXPECT_FALSE(is_allowed_host(options, "other.example", kHttps, kHttps));
  EXPECT_FALSE(is_allowed_host(options, "example.com", kHttp, kHttp));
  EXPECT_FALSE(is_allowed_host(options, "images.example.com.evil.org", kHttp, kHttp));
  EXPECT_FALSE(is_allowed_host({}, "images.example.com", kHttp, kHttp));
}

TEST(MediaFetch, RefusesBeforeItConnects) {
  const FetchOptions options = {.hosts = {"localhost", "127.0.0.1:1"}};
  const auto error_of = [&](const char* url) {
    const auto bytes = fetch_media(url, options, [] { return false; });
    EXPECT_FALSE(bytes) << url;
    return bytes ? Status() : bytes.status();
  };
  for (const char* url : {"ftp://localhost/a", "file:///etc/passwd", "gopher://localhost/", "http://", "nothing",
                          "http://user:word@localhost/a", "http://localhost@example.com/", "http://example.com/a",
                          "http://localhost.example.com/a", "http://localhost:81/a", "http://[::1]/a",
                          "http://127.0.0.1/a", "https://127.0.0.1/"}) {
    EXPECT_EQ(error_of(url).code(), StatusCode::kInvalidArgument) << url << ": " << error_of(url).message();
  }
  // On the list, but an address of this machine.
  for (const char* url : {"http://127.0.0.1:1/a", "http://localhost/a", "http://0x7f.1:1/a"}) {
    EXPECT_EQ(error_of(url).code(), StatusCode::kInvalidArgument) << url << ": " << error_of(url).message();
  }
}

}  // namespace
}  // namespace saccade
