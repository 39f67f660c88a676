// What a machine can do: the ceilings of a roofline, and what each operator costs beyond it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planner/operators.h"

namespace saccade {

struct Hardware {
  std::string name;
  // Linear layers' rates by rows that go through one at once; ascending in rows, between which it is interpolated.
  struct Rate {
    double rows = 1;
    double gflops = 0;
  };
  std::vector<Rate> linear;
  double attention_gflops = 0;
  double vector_gflops = 0;
  double memory_gbytes = 0;  // 1e9 bytes a second
  double launch_us = 0;      // of each operator, whatever its size
  bool fuses = true;         // OperatorKind::kFused is part of the operators beside it, and takes no time of its own
  double memory_bytes = 0;   // that models and caches fit in; 0: unknown
  // Of the processor beside it, which reads pictures.
  double decode_ns_per_pixel = 0;  // of a picture file
  double resize_ns_per_pixel = 0;  // of what is read and of what is written

  double linear_gflops(double rows) const;
};

/// Of all operators, one after the other.
double roofline_ms(const Hardware& hardware, const OperatorList& operators);
double roofline_ms(const Hardware& hardware, const Operator& op);
/// Bytes that one run of it moves: none where it is fused.
double moved_bytes(const Hardware& hardware, const Operator& op);
/// Whether moving takes longer than computing.
bool is_bound_by_memory(const Hardware& hardware, const Operator& op);

/// Accelerators by their data sheets, dense f16 with f32 sums: "v100", "a100", ..., with no launch overhead and nothing
/// fused, as published rooflines have it. Paper: none was measured here.
std::span<const Hardware> listed_hardware();
/// None where there is none of this name.
std::optional<Hardware> find_hardware(std::string_view name);

/// Of a processor that nobody measured yet: two cores with AVX2.
Hardware unmeasured_processor();

}  // namespace saccade
