#include "kernels/isa.h"

#include <array>
#include <atomic>
#include <cassert>
#include <cstdlib>
#include <string>

#include "base/format.h"
#include "kernels/leaf.h"
#include "platform/cpu_features.h"

namespace saccade {
namespace {

std::atomic<const Leaf*> g_leaf = nullptr;  // null until the first use
std::atomic<Isa> g_isa = Isa::kReference;

#if defined(SACCADE_X86_LEAVES)
Leaf extend(const Leaf& below, void (*add)(Leaf&)) {
  Leaf leaf = below;
  add(leaf);
  return leaf;
}

/// `isa` can run.
const Leaf& leaf_of(Isa isa) {
  static const std::array<Leaf, kAllIsas.size()> kLeaves = [] {
    constexpr std::array<void (*)(Leaf&), kAllIsas.size()> kAdd = {nullptr,         add_avx2,        add_avx512,
                                                                   add_avx512_vnni, add_avx512_bf16, add_amx};
    std::array<Leaf, kAllIsas.size()> leaves = {reference_leaf()};
    for (size_t i = 1; i < leaves.size() && can_run(kAllIsas[i]); ++i) leaves[i] = extend(leaves[i - 1], kAdd[i]);
    return leaves;
  }();
  return kLeaves[static_cast<size_t>(isa)];
}
#else
const Leaf& leaf_of(Isa) {
  return reference_leaf();
}
#endif

/// What the environment asks for, decided once.
const Expected<Isa>& isa_of_environment() {
  static const Expected<Isa> kIsa = [] {
    const char* name = std::getenv("SACCADE_ISA");
    Expected<Isa> isa = select_isa(name == nullptr ? "" : name);
    return isa ? isa : Expected<Isa>(isa.status().with_context("SACCADE_ISA"));
  }();
  return kIsa;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return "reference";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512_vnni";
    case Isa::kAvx512Bf16:
      return "avx512_bf16";
    case Isa::kAmx:
      return "amx";
  }
  return "unknown";
}

bool can_run(Isa isa) {
#if defined(SACCADE_X86_LEAVES)
  const CpuFeatures& cpu = cpu_features();
  switch (isa) {
    case Isa::kReference:
      return true;
    case Isa::kAvx2:
      return cpu.has_avx2 && cpu.has_fma && cpu.has_f16c;
    case Isa::kAvx512:
      return can_run(Isa::kAvx2) && cpu.has_avx512f && cpu.has_avx512bw && cpu.has_avx512dq && cpu.has_avx512vl;
    case Isa::kAvx512Vnni:
      return can_run(Isa::kAvx512) && cpu.has_avx512vnni;
    case Isa::kAvx512Bf16:
      return can_run(Isa::kAvx512Vnni) && cpu.has_avx512bf16;
    case Isa::kAmx:
      return can_run(Isa::kAvx512Bf16) && cpu.has_amx_bf16;
  }
#endif
  return isa == Isa::kReference;
}

Expected<Isa> select_isa(std::string_view name) {
  if (name.empty()) {
    Isa best = Isa::kReference;
    for (Isa isa : kAllIsas) {
      if (can_run(isa)) best = isa;
    }
    return best;
  }
  std::string known;
  for (Isa isa : kAllIsas) {
    if (name == isa_name(isa)) {
      if (can_run(isa)) return isa;
      return unsupported(format("this machine cannot run %s", std::string(name).c_str()));
    }
    known += (known.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  return invalid_argument(format("no instruction set is called %s; known: %s", quote(name).c_str(), known.c_str()));
}

Expected<Isa> active_isa() {
  if (g_leaf.load(std::memory_order_acquire) != nullptr) return g_isa.load(std::memory_order_relaxed);
  const Expected<Isa>& isa = isa_of_environment();
  if (isa) SACCADE_RETURN_IF_ERROR(set_active_isa(*isa));
  return isa;
}

Status set_active_isa(Isa isa) {
  if (!can_run(isa)) return unsupported(format("this machine cannot run %s", std::string(isa_name(isa)).c_str()));
  g_isa.store(isa, std::memory_order_relaxed);
  g_leaf.store(&leaf_of(isa), std::memory_order_release);
  return {};
}

bool reads_ahead_by_software() {
  static const bool kDoes = !cpu_features().is_amd;
  return kDoes;
}

const Leaf& active_leaf() {
  if (const Leaf* leaf = g_leaf.load(std::memory_order_acquire)) return *leaf;
  [[maybe_unused]] const bool is_ok = active_isa().is_ok();
  assert(is_ok && "the program must check active_isa() before its first kernel");
  const Leaf* leaf = g_leaf.load(std::memory_order_acquire);
  return leaf == nullptr ? reference_leaf() : *leaf;
}

}  // namespace saccade
