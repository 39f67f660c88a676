// What this machine can do with the active instruction set, measured operator by operator: a roofline of its own for
// the planner, in place of a guess.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "planner/hardware.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/dtype.h"

namespace saccade {

struct MachineProfile {
  std::string isa;
  int threads = 0;
  Hardware hardware;                                    // its `linear` unused
  std::map<DType, std::vector<Hardware::Rate>> linear;  // by the weights' type

  /// With weights of this type, or of one that is multiplied alike.
  Hardware hardware_for(DType weights) const;
};

/// Takes about ten seconds. `progress` is told what is measured and the share done, and may return false to stop
/// (kCancelled). Throws std::bad_alloc.
Expected<MachineProfile> measure_machine(ThreadPool& pool,
                                         const std::function<bool(const std::string& what, double fraction)>& progress);

}  // namespace saccade
