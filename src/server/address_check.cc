#include "server/address_check.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace saccade {
namespace {

struct Block {
  uint32_t base;
  int num_bits;
};

constexpr uint32_t ipv4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Block kNotPublic[] = {
    {ipv4(0, 0, 0, 0), 8},        // this network
    {ipv4(10, 0, 0, 0), 8},       // private
    {ipv4(100, 64, 0, 0), 10},    // carriers' NAT
    {ipv4(127, 0, 0, 0), 8},      // loopback
    {ipv4(169, 254, 0, 0), 16},   // link-local: clouds' metadata among it
    {ipv4(172, 16, 0, 0), 12},    // private
    {ipv4(192, 0, 0, 0), 24},     // protocols
    {ipv4(192, 0, 2, 0), 24},     // documentation
    {ipv4(192, 88, 99, 0), 24},   // 6to4 relays
    {ipv4(192, 168, 0, 0), 16},   // private
    {ipv4(198, 18, 0, 0), 15},    // benchmarks
    {ipv4(198, 51, 100, 0), 24},  // documentation
    {ipv4(203, 0, 113, 0), 24},   // documentation
    {ipv4(224, 0, 0, 0), 3},      // multicast, reserved, broadcast
};

bool begins_with(const std::array<uint8_t, 16>& address, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

std::array<uint8_t, 4> ipv4_at(const std::array<uint8_t, 16>& address, size_t begin) {
  return {address[begin], address[begin + 1], address[begin + 2], address[begin + 3]};
}

}  // namespace

bool is_public_ipv4(const std::array<uint8_t, 4>& address) {
  const uint32_t number = ipv4(address[0], address[1], address[2], address[3]);
  return std::ranges::none_of(kNotPublic,
                              [&](const Block& block) { return (number ^ block.base) >> (32 - block.num_bits) == 0; });
}

bool is_public_ipv6(const std::array<uint8_t, 16>& address) {
  constexpr size_t kMappedBegin = 12;
  if (begins_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) ||     // ::ffff:a.b.c.d
      begins_with(address, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) {  // 64:ff9b::a.b.c.d
    return is_public_ipv4(ipv4_at(address, kMappedBegin));
  }
  if (begins_with(address, {0x20, 0x02})) return is_public_ipv4(ipv4_at(address, 2));  // 6to4
  if (begins_with(address, {0x20, 0x01, 0, 0})) return false;                          // Teredo
  if (begins_with(address, {0x20, 0x01, 0x0d, 0xb8})) return false;                    // documentation
  return (address[0] & 0xe0) == 0x20;  // 2000::/3 is all that is given out
}

bool is_public_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in ipv4_address = {};
    std::memcpy(&ipv4_address, &address, sizeof(ipv4_address));
    std::array<uint8_t, 4> bytes = {};
    std::memcpy(bytes.data(), &ipv4_address.sin_addr, bytes.size());
    return is_public_ipv4(bytes);
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 ipv6_address = {};
    std::memcpy(&ipv6_address, &address, sizeof(ipv6_address));
    std::array<uint8_t, 16> bytes = {};
    std::memcpy(bytes.data(), &ipv6_address.sin6_addr, bytes.size());
    return is_public_ipv6(bytes);
  }
  return false;
}

}  // namespace saccade
