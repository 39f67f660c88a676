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

struct IsaRow {
  std::string_view name;
  Isa below;  // what it has all of, and builds on
  bool (*is_in)(const CpuFeatures& cpu);
  AddToLeaf add;  // null in a build for another architecture
};

/// By Isa.
constexpr std::array<IsaRow, kAllIsas.size()> kRows = {{
    {"reference", Isa::kReference, nullptr, nullptr},
    {"avx2", Isa::kReference, [](const CpuFeatures& cpu) { return cpu.has_avx2 && cpu.has_fma && cpu.has_f16c; },
     add_avx2},
    {"avx2_vnni", Isa::kAvx2, [](const CpuFeatures& cpu) { return cpu.has_avx_vnni; }, add_avx2_vnni},
    {"avx512", Isa::kAvx2,
     [](const CpuFeatures& cpu) { return cpu.has_avx512f && cpu.has_avx512bw && cpu.has_avx512dq && cpu.has_avx512vl; },
     add_avx512},
    {"avx512_vnni", Isa::kAvx512, [](const CpuFeatures& cpu) { return cpu.has_avx512vnni; }, add_avx512_vnni},
    {"avx512_bf16", Isa::kAvx512Vnni, [](const CpuFeatures& cpu) { return cpu.has_avx512bf16; }, add_avx512_bf16},
    {"amx", Isa::kAvx512Bf16, [](const CpuFeatures& cpu) { return cpu.has_amx_bf16; }, add_amx},
    {"neon", Isa::kReference, [](const CpuFeatures& cpu) { return cpu.has_neon; }, add_neon},
    {"neon_dot", Isa::kNeon, [](const CpuFeatures& cpu) { return cpu.has_neon_dot; }, add_neon_dot},
}};

const IsaRow& row_of(Isa isa) {
  return kRows[static_cast<size_t>(isa)];
}

/// `isa` can run.
const Leaf& leaf_of(Isa isa) {
  static const std::array<Leaf, kAllIsas.size()> kLeaves = [] {
    std::array<Leaf, kAllIsas.size()> leaves = {reference_leaf()};
    for (size_t i = 1; i < leaves.size(); ++i) {
      if (!can_run(kAllIsas[i])) continue;
      leaves[i] = leaves[static_cast<size_t>(kRows[i].below)];
      kRows[i].add(leaves[i]);
    }
    return leaves;
  }();
  return kLeaves[static_cast<size_t>(isa)];
}

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
  return row_of(isa).name;
}

bool can_run(Isa isa) {
  if (isa == Isa::kReference) return true;
  const IsaRow& row = row_of(isa);
  return row.add != nullptr && row.is_in(cpu_features()) && can_run(row.below);
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
