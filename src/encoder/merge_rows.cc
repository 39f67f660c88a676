#include "encoder/merge_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "encoder/encode_plan.h"
#include "kernels/matmul.h"

namespace saccade {
namespace {

// Rows of A that are compared at a time: bounds the matrix of cosines.
constexpr int64_t kChunkRows = 512;

struct Candidate {
  RowMerge merge;
  float cosine = 0;
};

/// Rows begin, begin + 2, .. of `metric`, each of length 1.
Tensor unit_rows(ThreadPool& pool, const Tensor& metric, int64_t begin, int64_t end) {
  const int64_t dim = metric.shape()[1];
  const int64_t count = std::max<int64_t>(0, (end - begin + 1) / 2);
  Tensor rows(Shape{count, dim});
  pool.parallel_for(count, 64, [&](int64_t first, int64_t last, int) {
    for (int64_t i = first; i < last; ++i) {
      const std::span<const float> source = metric.row(begin + 2 * i);
      float squares = 0;
      for (const float value : source) squares += value * value;
      const float factor = squares > 0 ? 1 / std::sqrt(squares) : 0.0F;
      std::ranges::transform(source, rows.row(i).begin(), [&](float value) { return value * factor; });
    }
  });
  return rows;
}

/// Each of a window's A with the best of its B.
void add_candidates(ThreadPool& pool, const Tensor& metric, const RowRange& window, int64_t num_class_rows,
                    std::vector<Candidate>& candidates) {
  const Tensor a = unit_rows(pool, metric, window.begin, window.end);
  const Tensor b = unit_rows(pool, metric, window.begin + 1, window.end);
  const int64_t num_a = a.shape()[0];
  const int64_t num_b = b.shape()[0];
  if (num_b == 0) return;
  const int64_t dim = metric.shape()[1];
  Tensor cosines(Shape{std::min(num_a, kChunkRows), num_b});
  const size_t first_candidate = candidates.size();
  candidates.resize(first_candidate + static_cast<size_t>(num_a));
  for (int64_t first = 0; first < num_a; first += kChunkRows) {
    const int64_t count = std::min(kChunkRows, num_a - first);
    matmul(pool, {.x = a.row(first).data(),
                  .x_stride = dim,
                  .weight = b,
                  .y = cosines.floats().data(),
                  .y_stride = num_b,
                  .m = count});
    pool.parallel_for(count, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const std::span<const float> row = cosines.row(i);
        const auto best = std::ranges::max_element(row);
        const int64_t source = window.begin + 2 * (first + i);
        const int64_t target = window.begin + 1 + 2 * (best - row.begin());
        const float cosine = std::isnan(*best) ? -2.0F : *best;
        candidates[first_candidate + static_cast<size_t>(first + i)] = {
            {static_cast<int32_t>(source), static_cast<int32_t>(target)}, cosine};
      }
    });
  }
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.merge.source < num_class_rows; });
}

}  // namespace

int64_t num_merges(int64_t num_rows, int64_t num_class_rows, int64_t num_wanted) {
  const int64_t num_patches = num_rows - num_class_rows;
  return std::max<int64_t>(0, std::min({num_wanted, num_patches / 2, num_patches - kMinMergedPatches}));
}

Tensor mean_of_heads(const Tensor& keys, int64_t num_rows, int64_t num_heads) {
  const int64_t head_dim = keys.shape()[1] / num_heads;
  Tensor mean(Shape{num_rows, head_dim});
  for (int64_t row = 0; row < num_rows; ++row) {
    const float* source = keys.row(row).data();
    const std::span<float> target = mean.row(row);
    std::copy_n(source, head_dim, target.begin());
    for (int64_t head = 1; head < num_heads; ++head) {
      for (int64_t i = 0; i < head_dim; ++i) target[static_cast<size_t>(i)] += source[head * head_dim + i];
    }
    for (float& value : target) value /= static_cast<float>(num_heads);
  }
  return mean;
}

std::vector<RowMerge> match_rows(ThreadPool& pool, const Tensor& metric, std::span<const RowRange> windows,
                                 int64_t num_class_rows, int64_t count) {
  if (count <= 0 || windows.empty()) return {};
  std::vector<Candidate> candidates;
  const int64_t first_patch = windows.front().begin + num_class_rows;
  for (const RowRange& window : windows) add_candidates(pool, metric, window, first_patch, candidates);
  if (static_cast<int64_t>(candidates.size()) > count) {
    const auto is_better = [](const Candidate& a, const Candidate& b) {
      return a.cosine != b.cosine ? a.cosine > b.cosine : a.merge.source < b.merge.source;
    };
    std::ranges::nth_element(candidates, candidates.begin() + count, is_better);
    candidates.resize(static_cast<size_t>(count));
  }
  std::vector<RowMerge> merges;
  merges.reserve(candidates.size());
  for (const Candidate& candidate : candidates) merges.push_back(candidate.merge);
  std::ranges::sort(merges, {}, &RowMerge::source);
  return merges;
}

void merge_means(Tensor& x, std::span<const RowMerge> merges, std::span<const float> sizes) {
  std::vector<float> totals(sizes.begin(), sizes.end());
  std::vector<uint8_t> is_target(sizes.size(), 0);
  const auto scale = [](std::span<float> row, float factor) {
    for (float& value : row) value *= factor;
  };
  for (const RowMerge& merge : merges) {
    const auto source = static_cast<size_t>(merge.source);
    const auto target = static_cast<size_t>(merge.target);
    const std::span<float> sum = x.row(merge.target);
    if (is_target[target] == 0) scale(sum, sizes[target]);
    is_target[target] = 1;
    const std::span<const float> addend = x.row(merge.source);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += sizes[source] * addend[i];
    totals[target] += sizes[source];
  }
  for (size_t row = 0; row < totals.size(); ++row) {
    if (is_target[row] != 0) scale(x.row(static_cast<int64_t>(row)), 1.0F / totals[row]);
  }
}

double match_work(std::span<const RowRange> windows, int64_t head_dim) {
  double work = 0;
  for (const RowRange& window : windows) {
    const int64_t half = (window.end - window.begin) / 2;
    work += static_cast<double>(half * half * head_dim);
  }
  return work;
}

}  // namespace saccade
