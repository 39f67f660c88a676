// Which instruction set the kernels run on: the one selector.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "saccade/status.h"

namespace saccade {

/// In rising order of preference. What each needs, and which it builds on, is a row in isa.cc.
enum class Isa : uint8_t { kReference, kAvx2, kAvx2Vnni, kAvx512, kAvx512Vnni, kAvx512Bf16, kAmx, kNeon, kNeonDot };

inline constexpr std::array kAllIsas = {Isa::kReference,  Isa::kAvx2, Isa::kAvx2Vnni, Isa::kAvx512, Isa::kAvx512Vnni,
                                        Isa::kAvx512Bf16, Isa::kAmx,  Isa::kNeon,     Isa::kNeonDot};

/// "reference", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx", "neon", "neon_dot": as in
/// SACCADE_ISA.
std::string_view isa_name(Isa isa);

/// True if this build has the leaf and this machine can run it.
bool can_run(Isa isa);

/// What a request asks for: `name` as in SACCADE_ISA, or empty for the best that this machine can run. Errors:
/// kInvalidArgument for an unknown name, kUnsupported for one that cannot run here. Never another ISA than named.
Expected<Isa> select_isa(std::string_view name);

/// The ISA that the kernels use: what set_active_isa() chose, else select_isa() of the environment's SACCADE_ISA, read
/// once. A program calls it before its first kernel and ends with its error; the kernels assert that it is none.
/// Thread-safe.
Expected<Isa> active_isa();

/// Makes the kernels use `isa` from their next call on. Errors: kUnsupported. No kernel may be running.
Status set_active_isa(Isa isa);

}  // namespace saccade
