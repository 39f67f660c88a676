// What this process uses and what the machine can still give.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace saccade {

/// The most memory this process has had resident so far (mapped files included); 0 where the system won't say.
uint64_t peak_resident_bytes();

/// Memory that could be taken now without swapping, within the cgroup's limit; UINT64_MAX where the
/// system won't say.
uint64_t available_memory_bytes();

/// Memory left under the limit of the cgroup (version 1 or 2) whose files are in `folder`; nothing where it has none.
/// Pages of files count as free where the kernel can drop them at once: neither mapped by a process nor dirty.
std::optional<uint64_t> cgroup_memory_left(const std::string& folder);

}  // namespace saccade
