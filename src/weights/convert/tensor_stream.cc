#include "weights/convert/tensor_stream.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "kernels/dequantize.h"

namespace saccade {
namespace {

constexpr int64_t kChunkBytes = 4 << 20;
constexpr float kMaxF16 = 65504.0F;

// One output row as floats: whole units of the source, in the plan's order.
void read_row(const TensorPlan& tensor, int64_t row_idx, std::span<float> row) {
  const auto row_size = static_cast<int64_t>(row.size());
  if (tensor.source == nullptr) {
    std::copy_n(tensor.values.begin() + row_idx * row_size, row_size, row.begin());
    return;
  }
  const DType dtype = *tensor.source->dtype;
  const int64_t unit = tensor.unit_size;
  const int64_t units_per_row = row_size / unit;
  for (int64_t i = 0; i < units_per_row; ++i) {
    const int64_t target_unit = row_idx * units_per_row + i;
    const int64_t source_unit = tensor.unit_of ? tensor.unit_of(target_unit) : target_unit;
    dequantize_row(dtype, tensor.source->data + row_bytes(dtype, source_unit * unit), row.data() + i * unit, unit);
  }
}

bool fits(std::span<const float> row, DType type) {
  const float limit = type == DType::kF16 || type == DType::kQ8_0 || type == DType::kQ4_0
                          ? kMaxF16  // the blocks' scales are f16
                          : std::numeric_limits<float>::max();
  return std::ranges::all_of(row, [limit](float value) { return std::abs(value) <= limit; });
}

}  // namespace

Status TensorStream::write(const TensorPlan& tensor, DType type, GgufWriter& writer,
                           const std::function<Status(int64_t)>& before_chunk, std::vector<std::string>& warnings) {
  const int64_t row_size = tensor.shape.row_size();
  const int64_t num_rows = tensor.shape.num_rows();
  const int64_t out_row_bytes = row_bytes(type, row_size);
  const int64_t rows_per_chunk = std::clamp<int64_t>(kChunkBytes / out_row_bytes, 1, num_rows);
  std::vector<std::byte> chunk(static_cast<size_t>(rows_per_chunk * out_row_bytes));
  std::atomic<bool> all_fit = true;
  for (int64_t first = 0; first < num_rows; first += rows_per_chunk) {
    SACCADE_RETURN_IF_ERROR(before_chunk(first * row_size));
    const int64_t count = std::min(rows_per_chunk, num_rows - first);
    const int64_t grain = std::max<int64_t>(1, 65536 / row_size);
    pool_.parallel_for(count, grain, [&](int64_t begin, int64_t end, int) {
      std::vector<float> row(static_cast<size_t>(row_size));
      for (int64_t i = begin; i < end; ++i) {
        read_row(tensor, first + i, row);
        if (!fits(row, type)) all_fit = false;
        quantize_row(type, row.data(), chunk.data() + i * out_row_bytes, row_size);
      }
    });
    SACCADE_RETURN_IF_ERROR(writer.append(std::span(chunk).first(static_cast<size_t>(count * out_row_bytes))));
  }
  if (!all_fit) {
    warnings.push_back(tensor.name + ": holds values that are not finite or too large for " +
                       std::string(traits_of(type).name));
  }
  return {};
}

}  // namespace saccade
