// rows * rows^T: all products of a matrix's rows with one another, of which only half are computed.
#pragma once

#include <cstdint>

#include "platform/thread_pool.h"

namespace saccade {

struct GramArgs {
  const float* rows = nullptr;  // [n, k], rows `row_stride` floats apart
  int64_t row_stride = 0;
  int64_t n = 0;
  int64_t k = 0;
  float* out = nullptr;  // [n, n], rows `out_stride` floats apart, both halves; must not overlap rows
  int64_t out_stride = 0;
  // Rows may be rounded to bf16, where the active ISA multiplies that faster; else all arithmetic is f32. Sums are f32.
  bool allows_bf16 = false;
};

/// The same bits whatever the number of threads, and for equal rows equal products.
void gram(ThreadPool& pool, const GramArgs& args);

/// The same on a given leaf: its test has one with plain bf16 products, for machines that have none.
struct Leaf;
void gram(ThreadPool& pool, const Leaf& leaf, const GramArgs& args);

}  // namespace saccade
