// The processor cores that this process may use.
#pragma once

#include <vector>

namespace saccade {

/// Physical cores of the affinity mask (two hardware threads of one core count once), cut by the cgroup's CPU quota; at
/// least 1.
int usable_cores();

/// The system's numbers of the first hardware thread of each core in the calling thread's affinity mask; empty where it
/// won't say.
std::vector<int> core_numbers();

/// Ties the calling thread to that hardware thread. Where the system refuses, nothing changes.
void pin_to_core(int number);

}  // namespace saccade
