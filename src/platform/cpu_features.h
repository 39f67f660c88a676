// Instruction sets that this machine and its operating system let a program use.
#pragma once

namespace saccade {

/// False for everything that the machine's architecture does not know. A set counts only if the system also saves its
/// registers.
struct CpuFeatures {
  bool is_amd = false;
  bool has_avx2 = false;
  bool has_fma = false;
  bool has_f16c = false;
  bool has_avx_vnni = false;  // the 256-bit form, without AVX-512
  bool has_avx512f = false;
  bool has_avx512bw = false;
  bool has_avx512dq = false;
  bool has_avx512vl = false;
  bool has_avx512vnni = false;
  bool has_avx512bf16 = false;
  bool has_amx_bf16 = false;  // and the system has given this process the tiles

  bool has_neon = false;      // of 64-bit ARM
  bool has_neon_dot = false;  // sdot and udot
};

/// Asked once; thread-safe.
const CpuFeatures& cpu_features();

}  // namespace saccade
