// What every strategy may rely on is checked here, once.
#include <atomic>
#include <cmath>
#include <limits>
#include <string>

#include "base/format.h"
#include "compression/strategy.h"
#include "kernels/leaf.h"

namespace saccade {
namespace {

Status check_shape(const TensorView& view, const char* what, int64_t num_rows, int64_t dim) {
  if (view.dtype != DType::kF32 || view.shape.rank() != 2) {
    return invalid_argument(format("%s: %s of %s, not a matrix of f32", what, view.shape.to_string().c_str(),
                                   std::string(traits_of(view.dtype).name).c_str()));
  }
  if ((num_rows != 0 && view.shape[0] != num_rows) || (dim != 0 && view.shape[1] != dim) ||
      view.shape.num_elements() == 0) {
    return invalid_argument(format("%s: %s, where %s x %s was expected", what, view.shape.to_string().c_str(),
                                   num_rows == 0 ? "any" : std::to_string(num_rows).c_str(),
                                   dim == 0 ? "any" : std::to_string(dim).c_str()));
  }
  return {};
}

/// Rows whose squares add up to something finite: products of any two are finite then, too.
Status check_finite(ThreadPool& pool, const TensorView& view, const char* what, const char* of_row) {
  const int64_t num_rows = view.shape.num_rows();
  const int64_t dim = view.shape.row_size();
  const Leaf& leaf = active_leaf();
  std::atomic<int64_t> first_bad = num_rows;
  pool.parallel_for(num_rows, num_rows * dim < 200'000 ? num_rows : 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      if (std::isfinite(leaf.sum_squares(view.floats().data() + row * dim, 0, dim))) continue;
      int64_t known = first_bad.load();
      while (row < known && !first_bad.compare_exchange_weak(known, row)) {
      }
    }
  });
  if (first_bad == num_rows) return {};
  return corrupt_data(format("%s: %s %lld holds a value that is not finite, or far too large", what, of_row,
                             static_cast<long long>(first_bad.load())));
}

Status check_values(std::span<const float> values, const char* what, int64_t n, float smallest) {
  if (values.empty()) return {};
  if (static_cast<int64_t>(values.size()) != n) {
    return invalid_argument(format("%s: %zu for %lld tokens", what, values.size(), static_cast<long long>(n)));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] >= smallest) continue;
    return corrupt_data(format("%s: token %zu has %g", what, i, static_cast<double>(values[i])));
  }
  return {};
}

Status check_input(ThreadPool& pool, const CompressionInput& input) {
  const int64_t n = input.num_tokens();
  if (n == 0) return invalid_argument("no visual tokens to compress");
  SACCADE_RETURN_IF_ERROR(check_shape(input.vectors, "visual tokens", 0, 0));
  if (static_cast<int64_t>(input.places.size()) != n) {
    return invalid_argument(format("places: %zu for %lld tokens", input.places.size(), static_cast<long long>(n)));
  }
  SACCADE_RETURN_IF_ERROR(check_finite(pool, input.vectors, "visual tokens", "token"));
  SACCADE_RETURN_IF_ERROR(check_values(input.weights, "weights", n, 0));
  SACCADE_RETURN_IF_ERROR(check_values(input.class_attention, "class attention", n, 0));
  SACCADE_RETURN_IF_ERROR(
      check_values(input.question_scores, "question scores", n, -std::numeric_limits<float>::infinity()));
  if (input.keys) {
    SACCADE_RETURN_IF_ERROR(check_shape(input.keys, "keys", n, 0));
    SACCADE_RETURN_IF_ERROR(check_finite(pool, input.keys, "keys", "token"));
  }
  if (input.query) {
    SACCADE_RETURN_IF_ERROR(check_shape(input.query, "question", 0, input.vectors.shape[1]));
    SACCADE_RETURN_IF_ERROR(check_finite(pool, input.query, "question", "word"));
  }
  return {};
}

Status check_needs(const Strategy& strategy, const CompressionInput& input) {
  const std::string name(strategy.name);
  if (strategy.class_attention == Need::kRequired && input.class_attention.empty()) {
    return unsupported(
        format("strategy %s needs the attention of the tower's class row, which this vision tower lacks; "
               "use divprune",
               name.c_str()));
  }
  if (strategy.keys == Need::kRequired && !input.keys) {
    return unsupported(format("strategy %s needs the keys of the tower's last layer; use tome", name.c_str()));
  }
  if (strategy.query == Need::kRequired && !input.query) {
    return unsupported(format("strategy %s needs a question; use divprune where there is none", name.c_str()));
  }
  if (strategy.question_scores == Need::kRequired && input.question_scores.empty()) {
    return unsupported(
        format("strategy %s needs a model that brings a scorer of its tokens; use divprune", name.c_str()));
  }
  return {};
}

Status check_options(const Strategy& strategy, const CompressionOptions& options, int64_t n) {
  if (options.keep < 0 || options.keep > n) {
    return invalid_argument(format("keep: %lld, where there are %lld visual tokens",
                                   static_cast<long long>(options.keep), static_cast<long long>(n)));
  }
  if (options.keep == 0 && !strategy.decides_count) {
    return invalid_argument(
        format("strategy %s needs the number of tokens to keep", std::string(strategy.name).c_str()));
  }
  if (options.threshold && !std::isfinite(*options.threshold)) return invalid_argument("threshold: not a number");
  for (const double share : {options.important_share, options.contextual_share}) {
    if (!(share >= 0 && share <= 1))
      return invalid_argument(format("a share of kept tokens of %g, not in [0, 1]", share));
  }
  return {};
}

}  // namespace

Expected<Reduction> reduce(ThreadPool& pool, const Strategy& strategy, const CompressionInput& input,
                           const CompressionOptions& options) {
  SACCADE_RETURN_IF_ERROR(check_needs(strategy, input));
  SACCADE_RETURN_IF_ERROR(check_input(pool, input));
  SACCADE_RETURN_IF_ERROR(check_options(strategy, options, input.num_tokens()));
  Reduction reduction = strategy.function(pool, input, options);
  reduction.is_nested = strategy.is_nested;
  return reduction;
}

Reduction cut(Reduction reduction, int64_t keep) {
  assert(reduction.is_nested && reduction.parts.empty() && keep >= 1);
  for (size_t i = static_cast<size_t>(keep); i < reduction.ranking.size(); ++i) {
    reduction.target[static_cast<size_t>(reduction.ranking[i])] = kNoTarget;
  }
  if (static_cast<size_t>(keep) < reduction.ranking.size()) reduction.ranking.resize(static_cast<size_t>(keep));
  return reduction;
}

}  // namespace saccade
