#include "planner/hardware.h"

#include <algorithm>

namespace saccade {
namespace {

Hardware accelerator(const char* name, double tflops, double vector_tflops, double gbytes, double memory_gib) {
  Hardware hardware;
  hardware.name = name;
  hardware.linear = {{1, tflops * 1e3}};
  hardware.attention_gflops = tflops * 1e3;
  hardware.vector_gflops = vector_tflops * 1e3;
  hardware.memory_gbytes = gbytes;
  hardware.launch_us = 0;
  hardware.fuses = false;
  hardware.memory_bytes = memory_gib * 1024 * 1024 * 1024;
  hardware.decode_ns_per_pixel = 5;
  hardware.resize_ns_per_pixel = 2;
  return hardware;
}

double gflops_of(const Hardware& hardware, const Operator& op) {
  if (op.kind == OperatorKind::kLinear) return hardware.linear_gflops(op.rows);
  return op.kind == OperatorKind::kAttention ? hardware.attention_gflops : hardware.vector_gflops;
}

}  // namespace

double Hardware::linear_gflops(double rows) const {
  if (rows <= linear.front().rows) return linear.front().gflops;
  for (size_t i = 1; i < linear.size(); ++i) {
    if (rows > linear[i].rows) continue;
    const Rate& below = linear[i - 1];
    const double share = (rows - below.rows) / (linear[i].rows - below.rows);
    return below.gflops + share * (linear[i].gflops - below.gflops);
  }
  return linear.back().gflops;
}

double roofline_ms(const Hardware& hardware, const Operator& op) {
  if (op.count <= 0 || (op.kind == OperatorKind::kFused && hardware.fuses)) return 0;
  const double computing_ms = op.flops / (gflops_of(hardware, op) * 1e6);
  const double moving_ms = op.bytes / (hardware.memory_gbytes * 1e6);
  return op.count * (std::max(computing_ms, moving_ms) + hardware.launch_us / 1e3);
}

double roofline_ms(const Hardware& hardware, const OperatorList& operators) {
  double total = 0;
  for (const Operator& op : operators.all()) total += roofline_ms(hardware, op);
  return total;
}

double moved_bytes(const Hardware& hardware, const Operator& op) {
  return op.kind == OperatorKind::kFused && hardware.fuses ? 0 : op.bytes;
}

bool is_bound_by_memory(const Hardware& hardware, const Operator& op) {
  return moved_bytes(hardware, op) / hardware.memory_gbytes > op.flops / gflops_of(hardware, op);
}

std::span<const Hardware> listed_hardware() {
  // NVIDIA's data sheets: f16 tensor rate without sparsity, f32 rate, memory bandwidth, memory.
  static const std::vector<Hardware> kListed = {
      accelerator("v100", 112, 14, 900, 16),         // PCIe, which LLM-Viewer's and AdaLLaVA's tables are of
      accelerator("v100-sxm2", 125, 15.7, 900, 32),  // also with 16 GB
      accelerator("a100", 312, 19.5, 1555, 40),      // SXM4 and PCIe
      accelerator("a100-80", 312, 19.5, 2039, 80),   // SXM4; PCIe has 1935 GB/s
      accelerator("a6000", 154.8, 38.7, 768, 48),   accelerator("a40", 149.7, 37.4, 696, 48),
      accelerator("l40", 181, 90.5, 864, 48),       accelerator("h100", 989, 67, 3350, 80),  // SXM5
      accelerator("h200", 989, 67, 4800, 141),
  };
  return kListed;
}

std::optional<Hardware> find_hardware(std::string_view name) {
  for (const Hardware& hardware : listed_hardware()) {
    if (hardware.name == name) return hardware;
  }
  return std::nullopt;
}

Hardware unmeasured_processor() {
  Hardware hardware;
  hardware.name = "unmeasured";
  hardware.linear = {{1, 20}, {16, 100}, {256, 300}};
  hardware.attention_gflops = 100;
  hardware.vector_gflops = 10;
  hardware.memory_gbytes = 15;
  hardware.launch_us = 5;
  hardware.decode_ns_per_pixel = 5;
  hardware.resize_ns_per_pixel = 2;
  return hardware;
}

}  // namespace saccade
