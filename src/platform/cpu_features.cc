#include "platform/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace saccade {
namespace {

#if defined(__x86_64__)
/// Linux gives the tile registers only to a process that asks for them (arch_prctl(2), ARCH_REQ_XCOMP_PERM).
bool request_amx_tiles() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023;
  constexpr int kTileData = 18;  // the bit of XCR0
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

CpuFeatures detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  // The compiler's run-time library reads XCR0 too, so these are false where the system does not save the registers.
  __builtin_cpu_init();
  features.is_amd = __builtin_cpu_is("amd") != 0;
  features.has_avx2 = __builtin_cpu_supports("avx2") != 0;
  features.has_fma = __builtin_cpu_supports("fma") != 0;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;  // F16C has no name that both GCC and clang know
  features.has_f16c = features.has_avx2 && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  features.has_avx512f = __builtin_cpu_supports("avx512f") != 0;
  features.has_avx512bw = __builtin_cpu_supports("avx512bw") != 0;
  features.has_avx512dq = __builtin_cpu_supports("avx512dq") != 0;
  features.has_avx512vl = __builtin_cpu_supports("avx512vl") != 0;
  features.has_avx512vnni = __builtin_cpu_supports("avx512vnni") != 0;
  features.has_avx512bf16 = __builtin_cpu_supports("avx512bf16") != 0;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;  // leaf 7, EDX; GCC 12 has no names for them
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    features.has_amx_bf16 = (edx & kAmxBf16) != 0 && (edx & kAmxTile) != 0 && request_amx_tiles();
  }
  constexpr unsigned kAvxVnni = 1u << 4;  // leaf 7, part 1, EAX
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) {
    features.has_avx_vnni = features.has_avx2 && (eax & kAvxVnni) != 0;
  }
#elif defined(__aarch64__) && defined(__linux__)
  features.has_neon = (getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0;
  features.has_neon_dot = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
  return features;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures kFeatures = detect();
  return kFeatures;
}

}  // namespace saccade
