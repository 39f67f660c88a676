// What this machine can do at most with the active ISA, measured: the yardstick of the benches.
#pragma once

#include "kernels/leaf.h"
#include "platform/thread_pool.h"

namespace saccade {

struct MachineLimits {
  // Multiplications of registers, by NumberKind, all threads together, in 1e9 operations a second (a multiply-add is
  // two); 0 where the active ISA has no instruction for it.
  double gops[kNumNumberKinds] = {};
  double memory_gbytes = 0;  // read from a buffer larger than the caches, in 1e9 bytes a second

  double gops_of(NumberKind kind) const { return gops[static_cast<size_t>(kind)]; }
};

/// Takes about half a second and 512 MB. Throws std::bad_alloc.
MachineLimits measure_limits(ThreadPool& pool);

/// What products with weights of this type are multiplied as, for `num_rows` rows of x.
NumberKind number_kind_of(DType weight, int64_t num_rows);

}  // namespace saccade
