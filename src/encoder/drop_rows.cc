#include "encoder/drop_rows.h"

#include <algorithm>
#include <numeric>

#include "encoder/gather_rows.h"
#include "kernels/matmul.h"

namespace saccade {
namespace {

constexpr int64_t kChunkRows = 256;  // whose distances are worked out at a time

float square_length(std::span<const float> row) {
  float sum = 0;
  for (const float value : row) sum += value * value;
  return sum;
}

}  // namespace

int64_t num_kept_patches(int64_t count, double keep_share) {
  const auto kept = static_cast<int64_t>(static_cast<double>(count) * keep_share);
  return std::min(count, std::max<int64_t>(1, kept));
}

std::vector<int32_t> most_changed(const Tensor& before, const Tensor& now, const RowRange& tile, int64_t num_class_rows,
                                  double keep_share) {
  std::vector<int32_t> rows(static_cast<size_t>(tile.num_rows()));
  std::iota(rows.begin(), rows.end(), static_cast<int32_t>(tile.begin));
  std::vector<float> change;
  for (const int32_t row : rows) {
    const std::span<const float> a = before.row(row);
    const std::span<const float> b = now.row(row);
    float sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += (b[i] - a[i]) * (b[i] - a[i]);
    change.push_back(sum);
  }
  const auto is_more_changed = [&](int32_t a, int32_t b) {
    const float of_a = change[static_cast<size_t>(a - tile.begin)];
    const float of_b = change[static_cast<size_t>(b - tile.begin)];
    return of_a != of_b ? of_a > of_b : a < b;
  };
  const int64_t num_kept = num_kept_patches(tile.num_rows() - num_class_rows, keep_share);
  std::partial_sort(rows.begin() + num_class_rows, rows.begin() + num_class_rows + num_kept, rows.end(),
                    is_more_changed);
  rows.resize(static_cast<size_t>(num_class_rows + num_kept));
  std::ranges::sort(rows);
  return rows;
}

std::vector<std::vector<int32_t>> nearest_rows(ThreadPool& pool, const Tensor& states, const std::vector<int32_t>& rows,
                                               const std::vector<int32_t>& among, int64_t count) {
  const int64_t dim = states.shape()[1];
  const auto num_rows = static_cast<int64_t>(rows.size());
  const auto num_among = static_cast<int64_t>(among.size());
  const int64_t num_nearest = std::min(count, num_among);
  std::vector<std::vector<int32_t>> nearest(rows.size());
  if (num_nearest == 0) return nearest;
  const Tensor x = gather_rows(states, rows);
  const Tensor y = gather_rows(states, among);
  std::vector<float> lengths;
  for (int64_t i = 0; i < num_among; ++i) lengths.push_back(square_length(y.row(i)));
  Tensor products(Shape{std::min(num_rows, kChunkRows), num_among});
  for (int64_t first = 0; first < num_rows; first += kChunkRows) {
    const int64_t chunk = std::min(kChunkRows, num_rows - first);
    matmul(pool, {.x = x.row(first).data(),
                  .x_stride = dim,
                  .weight = y,
                  .y = products.floats().data(),
                  .y_stride = num_among,
                  .m = chunk});
    pool.parallel_for(chunk, 8, [&](int64_t begin, int64_t end, int) {
      std::vector<int32_t> order(among.size());
      for (int64_t i = begin; i < end; ++i) {
        const std::span<float> distances = products.row(i);  // their squares, but for what all of them have in common
        for (size_t j = 0; j < distances.size(); ++j) distances[j] = lengths[j] - 2 * distances[j];
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + num_nearest, order.end(), [&](int32_t a, int32_t b) {
          const float of_a = distances[static_cast<size_t>(a)];
          const float of_b = distances[static_cast<size_t>(b)];
          return of_a != of_b ? of_a < of_b : a < b;
        });
        nearest[static_cast<size_t>(first + i)].assign(order.begin(), order.begin() + num_nearest);
      }
    });
  }
  return nearest;
}

}  // namespace saccade
