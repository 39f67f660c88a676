#include "platform/cpu_features.h"

namespace saccade {
namespace {

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  // The compiler's run-time library reads XCR0 too, so these are false where the system does not save the registers.
  __builtin_cpu_init();
  features.has_avx2 = __builtin_cpu_supports("avx2") != 0;
  features.has_fma = __builtin_cpu_supports("fma") != 0;
  features.has_f16c = __builtin_cpu_supports("f16c") != 0;
  features.has_avx512f = __builtin_cpu_supports("avx512f") != 0;
  features.has_avx512bw = __builtin_cpu_supports("avx512bw") != 0;
  features.has_avx512dq = __builtin_cpu_supports("avx512dq") != 0;
  features.has_avx512vl = __builtin_cpu_supports("avx512vl") != 0;
#endif
  return features;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures kFeatures = detect();
  return kFeatures;
}

}  // namespace saccade
