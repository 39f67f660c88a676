#include "server/address_check.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

namespace saccade {
namespace {

bool is_public(const char* text) {
  sockaddr_storage storage = {};
  auto* ipv4_address = reinterpret_cast<sockaddr_in*>(&storage);
  auto* ipv6_address = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text, &ipv4_address->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    storage = {};
    EXPECT_EQ(inet_pton(AF_INET6, text, &ipv6_address->sin6_addr), 1) << text;
    storage.ss_family = AF_INET6;
  }
  return is_public_address(*reinterpret_cast<const sockaddr*>(&storage));
}

TEST(AddressCheck, KnowsWhatIsNotPublic) {
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.1.2.3",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.1",
                              "203.0.113.9",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::127.0.0.1",
                              "64:ff9b::a00:1",
                              "64:ff9b:1::1",
                              "100::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "2001:db8::1",
                              "2001::1",
                              "2002:7f00:1::1",
                              "2002:a00:1::"}) {
    EXPECT_FALSE(is_public(address)) << address;
  }
}

TEST(AddressCheck, KnowsWhatIsPublic) {
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.1", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255",
        "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(is_public(address)) << address;
  }
}

TEST(AddressCheck, TakesNoOtherFamilies) {
  sockaddr address = {};
  address.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public_address(address));
}

}  // namespace
}  // namespace saccade
