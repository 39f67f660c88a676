// How an entry lies outside this process's memory, on a disk or a server: a header, then the value's bytes.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "cache/cache_key.h"
#include "cache/cache_value.h"
#include "saccade/status.h"

namespace saccade {

// Little-endian:
//    0  u32  "SCE" and the format's version
//    4  u32  0
//    8  i64  when it expires, microseconds since 1970; INT64_MAX: never
//   16  u64  bytes of the value
//   24  u64  the value's XXH3
//   32  u64  XXH3 of the key and of what is above: a value under another's key is found out too
inline constexpr size_t kEntryHeaderBytes = 40;

std::array<std::byte, kEntryHeaderBytes> make_entry_header(const CacheKey& key, const CacheEntry& entry);

/// The entry that was stored under the key, its value inside `stored`, which `owner` keeps. Errors: kCorruptData
/// (header or value are not what was stored), kUnsupported (of another version of the format).
Expected<CacheEntry> read_entry(const CacheKey& key, std::span<const std::byte> stored,
                                std::shared_ptr<const void> owner);

}  // namespace saccade
