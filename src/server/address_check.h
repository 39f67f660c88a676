// Which network addresses a server may be made to connect to by those who ask it.
#pragma once

#include <array>
#include <cstdint>

struct sockaddr;

namespace saccade {

/// Whether the address (network byte order) is one of the Internet at large: not of this machine, of a private or local
/// network, of documentation, of many receivers, nor one that stands for such an address (RFC 6890).
bool is_public_ipv4(const std::array<uint8_t, 4>& address);
bool is_public_ipv6(const std::array<uint8_t, 16>& address);
/// False for other families.
bool is_public_address(const sockaddr& address);

}  // namespace saccade
