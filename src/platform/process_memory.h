// What this process uses and what the machine can still give.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saccade {

/// The most memory this process has had resident so far (mapped files included); 0 where the system won't say.
uint64_t peak_resident_bytes();

/// The memory that this process has resident now (mapped files included); 0 where the system won't say.
uint64_t resident_bytes();

/// Memory that could be taken now without swapping, within the cgroup's limit; UINT64_MAX where the
/// system won't say.
uint64_t available_memory_bytes();

/// The same, for a process that may have no more than `max_resident_bytes` resident; 0: there is no such limit.
uint64_t free_memory_bytes(uint64_t max_resident_bytes);

/// From here on large blocks go back to the system as soon as they are freed, where its allocator would keep tens of
/// megabytes for next time: for programs that stay and whose requests are now small, now large.
void return_freed_memory_at_once();

/// The folders, from the process's own to the root, of the memory cgroups that a /proc/self/cgroup with this text puts
/// it in, of both versions, under `mount` (/sys/fs/cgroup).
std::vector<std::string> memory_cgroup_folders(std::string_view text, const std::string& mount);

/// Memory left under the limit of the cgroup (version 1 or 2) whose files are in `folder`; nothing where it has none.
/// Pages of files count as free where the kernel can drop them at once: neither mapped by a process nor dirty.
std::optional<uint64_t> cgroup_memory_left(const std::string& folder);

}  // namespace saccade
