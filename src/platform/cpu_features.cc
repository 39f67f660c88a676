#include "platform/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace saccade {
namespace {

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  // The compiler's run-time library reads XCR0 too, so these are false where the system does not save the registers.
  __builtin_cpu_init();
  features.has_avx2 = __builtin_cpu_supports("avx2") != 0;
  features.has_fma = __builtin_cpu_supports("fma") != 0;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;  // F16C has no name that both GCC and clang know
  features.has_f16c = features.has_avx2 && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
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
