// What this process uses and what the machine can still give.
#pragma once

#include <cstdint>

namespace saccade {

/// The most memory this process has had resident so far (mapped files included); 0 where the system won't say.
uint64_t peak_resident_bytes();

/// Memory that could be taken now without swapping, within the cgroup's limit; 0 where the system won't say.
uint64_t available_memory_bytes();

/// Cores this process may use: its affinity mask, cut by the cgroup's CPU quota, at least 1.
int usable_cores();

}  // namespace saccade
