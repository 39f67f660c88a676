#include "encoder/attention_received.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/matmul.h"

namespace saccade {
namespace {

/// A head's part of some rows: [num_rows, head_dim].
template <typename RowAt>
Tensor copy_head(const Tensor& rows, int64_t num_rows, int64_t head, int64_t head_dim, const RowAt& row_at) {
  Tensor part(Shape{num_rows, head_dim});
  for (int64_t i = 0; i < num_rows; ++i) {
    std::copy_n(rows.row(row_at(i)).data() + head * head_dim, head_dim, part.row(i).data());
  }
  return part;
}

void softmax(std::span<float> scores, std::span<const float> bias, float scale) {
  float largest = -INFINITY;
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = scores[i] * scale + (bias.empty() ? 0.0F : bias[i]);
    largest = std::max(largest, scores[i]);
  }
  float total = 0;
  for (float& score : scores) total += score = std::exp(score - largest);
  for (float& score : scores) score /= total;
}

}  // namespace

void add_attention_received(ThreadPool& pool, const AttentionProbe& probe, const RowRange& range,
                            std::span<const int32_t> queries, float share, std::span<float> received) {
  const int64_t num_keys = range.num_rows();
  const auto num_queries = static_cast<int64_t>(queries.size());
  if (num_keys == 0 || num_queries == 0) return;
  const int64_t head_dim = probe.k->shape()[1] / probe.num_heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  const auto begin = static_cast<size_t>(range.begin);
  const auto size = static_cast<size_t>(num_keys);
  const std::span<const float> bias = probe.key_bias.empty() ? probe.key_bias : probe.key_bias.subspan(begin, size);
  const float factor = share / static_cast<float>(num_queries * probe.num_heads);
  Tensor scores(Shape{num_queries, num_keys});
  for (int64_t head = 0; head < probe.num_heads; ++head) {
    const Tensor keys = copy_head(*probe.k, num_keys, head, head_dim, [&](int64_t i) { return range.begin + i; });
    const Tensor q =
        copy_head(*probe.q, num_queries, head, head_dim, [&](int64_t i) { return queries[static_cast<size_t>(i)]; });
    matmul(pool, {.x = q.floats().data(),
                  .x_stride = head_dim,
                  .weight = keys,
                  .y = scores.floats().data(),
                  .y_stride = num_keys,
                  .m = num_queries});
    pool.parallel_for(num_queries, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t i = first; i < last; ++i) softmax(scores.row(i), bias, scale);
    });
    for (int64_t i = 0; i < num_queries; ++i) {
      const std::span<const float> row = scores.row(i);
      for (size_t key = 0; key < size; ++key) received[begin + key] += factor * row[key];
    }
  }
}

std::vector<int32_t> spread_rows(const RowRange& range, int64_t count) {
  const int64_t num_rows = range.num_rows();
  const int64_t num_spread = std::min(count, num_rows);
  std::vector<int32_t> rows;
  for (int64_t i = 0; i < num_spread; ++i) {
    rows.push_back(static_cast<int32_t>(range.begin + (2 * i + 1) * num_rows / (2 * num_spread)));
  }
  return rows;
}

}  // namespace saccade
