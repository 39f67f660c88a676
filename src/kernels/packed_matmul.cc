// Few rows of x (decoding) are multiplied with each panel as it is read: that is as fast as memory gives the weights.
// For more rows (prefill, the vision encoder) a panel is expanded once to what the multiplication takes, and all tiles
// of x pass over it; panels are taken by fours where they fit the second-level cache, so that x is read less often.
#include "kernels/packed_matmul.h"

#include <algorithm>
#include <cassert>

#include "kernels/leaf.h"
#include "kernels/rounding.h"
#include "kernels/scratch.h"

namespace saccade {
namespace {

/// Rows up to which weights are decoded in registers, anew for each kMaxPanelDotRows.
constexpr int64_t kMaxFewRows = 2 * kMaxPanelDotRows;

/// What the expanded panels of a group may take of the second-level cache.
constexpr int64_t kGroupBytes = 384 * 1024;
constexpr int64_t kMaxGroupPanels = 4;

/// Weight bytes under which one thread does a product of few rows alone: waking another would take longer.
constexpr int64_t kMinSharedBytes = 96 * 1024;

/// Whether somebody reads a column of the panel.
bool is_read(const PackedOutput& output, int64_t panel_idx) {
  if (output.units.empty()) return true;
  const int64_t n = output.weight->n();
  const int64_t unit_cols = n / std::ssize(output.units);
  const int64_t first = panel_idx * kPanelRows / unit_cols;
  const int64_t last = (std::min((panel_idx + 1) * kPanelRows, n) - 1) / unit_cols;
  return std::any_of(output.units.begin() + first, output.units.begin() + last + 1,
                     [](uint8_t unit) { return unit != 0; });
}

/// Rows of x in the forms that the outputs need.
struct PreparedRows {
  QuantizedRows quantized;
  uint16_t* bf16 = nullptr;

  static PreparedRows lay_out(Pieces& pieces, int64_t num_rows, int64_t padded_k, bool is_quantized, bool is_bf16) {
    PreparedRows rows;
    const int64_t num_blocks = padded_k / kPanelBlock;
    if (is_quantized) {
      rows.quantized.num_blocks = num_blocks;
      rows.quantized.q = pieces.take<int8_t>(num_rows * padded_k);
      rows.quantized.scales = pieces.take<float>(num_rows * num_blocks);
      rows.quantized.scaled_sums = pieces.take<float>(num_rows * num_blocks);
      rows.quantized.sums = pieces.take<int32_t>(num_rows * num_blocks);
      rows.quantized.half_sums = pieces.take<int32_t>(num_rows * num_blocks * 2);
    }
    if (is_bf16) rows.bf16 = pieces.take<uint16_t>(num_rows * padded_k);
    return rows;
  }
};

/// A panel expanded to bytes.
struct BytePanel {
  uint8_t* bytes;
  float* scales;
  float* mins;

  static BytePanel lay_out(Pieces& pieces, int64_t k) {
    BytePanel panel;
    panel.bytes = pieces.take<uint8_t>(k * kPanelRows);
    panel.scales = pieces.take<float>(k / kPanelBlock * 2 * kPanelRows);
    panel.mins = pieces.take<float>(k / kPanelBlock * kPanelRows);
    return panel;
  }
};

class Product {
 public:
  Product(const Leaf& leaf, const float* x, int64_t x_stride, int64_t m, std::span<const PackedOutput> outputs)
      : leaf_(leaf),
        x_(x),
        x_stride_(x_stride),
        m_(m),
        k_(outputs[0].weight->k()),
        padded_k_(outputs[0].weight->padded_k()),
        outputs_(outputs) {}

  void run(ThreadPool& pool);

 private:
  struct Group {  // panels [first_panel, first_panel + num_panels) of an output
    const PackedOutput* output;
    int64_t first_panel;
    int num_panels;
  };

  bool is_few() const { return m_ <= kMaxFewRows; }
  bool takes_bf16(const PackedWeights& weight) const {
    if (!weight.format().is_quantized()) return true;
    return !is_few() && leaf_.expand_to_bf16[static_cast<size_t>(weight.dtype())] != nullptr;
  }
  void prepare_rows(ThreadPool& pool);
  int64_t group_panels(int num_threads) const;
  Group group_at(int64_t idx, int64_t panels_to_group) const;

  void multiply(const Group& group) const;
  void multiply_few(const Group& group) const;
  void multiply_many(const Group& group) const;
  void dot_panel(const PackedWeights& weight, int64_t panel_idx, float* tile) const;
  void multiply_bf16(const Group& group, Scratch& scratch) const;
  void multiply_bytes(const Group& group, Scratch& scratch) const;
  void finish(const PackedOutput& output, int64_t first_panel, int64_t num_panels, int64_t first_row, int64_t num_rows,
              const float* tile, const float* gate_tile, int64_t tile_stride) const;

  const Leaf& leaf_;
  const float* x_;
  const int64_t x_stride_;
  const int64_t m_;
  const int64_t k_;
  const int64_t padded_k_;
  const std::span<const PackedOutput> outputs_;
  PreparedRows rows_;
};

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// Of the thread that calls; the others read it.
Scratch& row_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

void Product::prepare_rows(ThreadPool& pool) {
  bool is_quantized = false;
  bool is_bf16 = false;
  for (const PackedOutput& output : outputs_) {
    for (const PackedWeights* weight : {output.weight, output.gate}) {
      if (weight != nullptr) (takes_bf16(*weight) ? is_bf16 : is_quantized) = true;
    }
  }
  const int64_t num_rows = round_up(m_, kMaxPanelTileRows);
  Pieces sizes(nullptr);
  PreparedRows::lay_out(sizes, num_rows, padded_k_, is_quantized, is_bf16);
  Pieces pieces(row_scratch().reserve(sizes.used()));
  rows_ = PreparedRows::lay_out(pieces, num_rows, padded_k_, is_quantized, is_bf16);
  pool.parallel_for(m_, is_few() ? m_ : 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      if (is_quantized) leaf_.quantize_row(x_ + row * x_stride_, row, rows_.quantized);
      if (is_bf16) leaf_.round_row(x_ + row * x_stride_, k_, padded_k_, row, rows_.bf16);
    }
  });
}

int64_t Product::group_panels(int num_threads) const {
  int64_t num_panels = 0;
  for (const PackedOutput& output : outputs_) num_panels += output.weight->num_panels();
  if (is_few()) {
    constexpr int kRangesPerThread = 8;
    return std::max<int64_t>(1, num_panels / (kRangesPerThread * num_threads));
  }
  const int64_t panel_bytes = padded_k_ * kPanelRows * (outputs_[0].gate != nullptr ? 4 : 2);
  const int64_t fitting = std::clamp<int64_t>(kGroupBytes / panel_bytes, 1, kMaxGroupPanels);
  const int64_t fair = std::max<int64_t>(1, num_panels / (4 * num_threads));
  return std::min(fitting, fair);
}

Product::Group Product::group_at(int64_t idx, int64_t panels_to_group) const {
  for (const PackedOutput& output : outputs_) {
    const int64_t num_groups = ceil_div(output.weight->num_panels(), panels_to_group);
    if (idx < num_groups) {
      const int64_t first = idx * panels_to_group;
      return {&output, first, static_cast<int>(std::min(panels_to_group, output.weight->num_panels() - first))};
    }
    idx -= num_groups;
  }
  return {};
}

void Product::run(ThreadPool& pool) {
  prepare_rows(pool);
  const int64_t panels_to_group = group_panels(pool.num_threads());
  int64_t num_groups = 0;
  int64_t num_bytes = 0;
  for (const PackedOutput& output : outputs_) {
    num_groups += ceil_div(output.weight->num_panels(), panels_to_group);
    num_bytes += output.weight->num_bytes();
  }
  const bool is_shared = num_bytes * (is_few() ? 1 : 4) >= kMinSharedBytes;
  pool.parallel_for(num_groups, is_shared ? 1 : num_groups, [&](int64_t begin, int64_t end, int) {
    for (int64_t idx = begin; idx < end; ++idx) {
      multiply(group_at(idx, panels_to_group));
    }
  });
}

/// The panels of the group that are read, in runs.
void Product::multiply(const Group& group) const {
  const int64_t end = group.first_panel + group.num_panels;
  for (int64_t first = group.first_panel; first < end;) {
    int64_t run_end = first;
    while (run_end < end && is_read(*group.output, run_end)) ++run_end;
    const Group run = {group.output, first, static_cast<int>(run_end - first)};
    if (run.num_panels > 0) is_few() ? multiply_few(run) : multiply_many(run);
    first = run_end + 1;
  }
}

void Product::dot_panel(const PackedWeights& weight, int64_t panel_idx, float* tile) const {
  const std::byte* panel = weight.panel(panel_idx);
  if (!weight.format().is_quantized()) {
    leaf_.bf16_dots({rows_.bf16, padded_k_, static_cast<int>(m_)}, {panel, 0, 1}, tile, kPanelRows);
    return;
  }
  const Leaf::DotPanel dot = leaf_.dot_panel[static_cast<size_t>(weight.dtype())];
  for (int64_t row = 0; row < m_; row += kMaxPanelDotRows) {
    const int count = static_cast<int>(std::min<int64_t>(kMaxPanelDotRows, m_ - row));
    dot(rows_.quantized, row, count, panel, padded_k_, tile + row * kPanelRows);
  }
}

void Product::multiply_few(const Group& group) const {
  alignas(64) float tile[kMaxFewRows * kPanelRows];
  alignas(64) float gate_tile[kMaxFewRows * kPanelRows];
  for (int i = 0; i < group.num_panels; ++i) {
    const int64_t panel_idx = group.first_panel + i;
    dot_panel(*group.output->weight, panel_idx, tile);
    if (group.output->gate != nullptr) dot_panel(*group.output->gate, panel_idx, gate_tile);
    finish(*group.output, panel_idx, 1, 0, m_, tile, gate_tile, kPanelRows);
  }
}

void Product::multiply_many(const Group& group) const {
  const PackedWeights* gate = group.output->gate;
  const bool is_bf16 = takes_bf16(*group.output->weight) && (gate == nullptr || takes_bf16(*gate));
  is_bf16 ? multiply_bf16(group, thread_scratch()) : multiply_bytes(group, thread_scratch());
}

void Product::multiply_bf16(const Group& group, Scratch& scratch) const {
  const int64_t panel_bytes = panel_format_of(DType::kBF16).panel_bytes(padded_k_);
  const PackedWeights* weights[] = {group.output->weight, group.output->gate};
  const std::byte* panels[2] = {};
  std::byte* expanded = scratch.reserve(2 * group.num_panels * panel_bytes);
  for (int i = 0; i < 2; ++i) {
    if (weights[i] == nullptr) continue;
    if (!weights[i]->format().is_quantized()) {
      panels[i] = weights[i]->panel(group.first_panel);
      continue;
    }
    panels[i] = expanded + i * group.num_panels * panel_bytes;
    for (int j = 0; j < group.num_panels; ++j) {
      leaf_.expand_to_bf16[static_cast<size_t>(weights[i]->dtype())](
          weights[i]->panel(group.first_panel + j), padded_k_, expanded + (i * group.num_panels + j) * panel_bytes);
    }
  }
  if (leaf_.begin_bf16_tiles != nullptr) leaf_.begin_bf16_tiles();
  alignas(64) float tiles[2][kMaxPanelTileRows * kMaxGroupPanels * kPanelRows];
  constexpr int64_t kTileStride = kMaxGroupPanels * kPanelRows;
  for (int64_t row = 0; row < m_; row += leaf_.bf16_tile_rows) {
    const int num_rows = static_cast<int>(std::min<int64_t>(leaf_.bf16_tile_rows, m_ - row));
    for (int i = 0; i < 2; ++i) {
      if (panels[i] == nullptr) continue;
      leaf_.bf16_tile({rows_.bf16 + row * padded_k_, padded_k_, num_rows}, {panels[i], panel_bytes, group.num_panels},
                      tiles[i], kTileStride);
    }
    finish(*group.output, group.first_panel, group.num_panels, row, num_rows, tiles[0], tiles[1], kTileStride);
  }
  if (leaf_.end_bf16_tiles != nullptr) leaf_.end_bf16_tiles();
}

void Product::multiply_bytes(const Group& group, Scratch& scratch) const {
  const PackedWeights* weights[] = {group.output->weight, group.output->gate};
  Pieces sizes(nullptr);
  for (int i = 0; i < 2 * group.num_panels; ++i) BytePanel::lay_out(sizes, padded_k_);
  Pieces pieces(scratch.reserve(sizes.used()));
  BytePanel panels[2][kMaxGroupPanels];
  for (int i = 0; i < 2; ++i) {
    if (weights[i] == nullptr) continue;
    for (int j = 0; j < group.num_panels; ++j) {
      panels[i][j] = BytePanel::lay_out(pieces, padded_k_);
      leaf_.expand_panel[static_cast<size_t>(weights[i]->dtype())](weights[i]->panel(group.first_panel + j), padded_k_,
                                                                   panels[i][j].bytes, panels[i][j].scales,
                                                                   panels[i][j].mins);
    }
  }
  alignas(64) float tiles[2][kMaxPanelTileRows * kPanelRows];
  for (int64_t row = 0; row < m_; row += leaf_.u8_tile_rows) {
    const int num_rows = static_cast<int>(std::min<int64_t>(leaf_.u8_tile_rows, m_ - row));
    for (int j = 0; j < group.num_panels; ++j) {
      for (int i = 0; i < 2; ++i) {
        if (weights[i] == nullptr) continue;
        leaf_.u8_tile[static_cast<size_t>(weights[i]->dtype())](rows_.quantized, row, num_rows, panels[i][j].bytes,
                                                                panels[i][j].scales, panels[i][j].mins, padded_k_,
                                                                tiles[i]);
      }
      finish(*group.output, group.first_panel + j, 1, row, num_rows, tiles[0], tiles[1], kPanelRows);
    }
  }
}

/// The tile of products becomes a part of y.
void Product::finish(const PackedOutput& output, int64_t first_panel, int64_t num_panels, int64_t first_row,
                     int64_t num_rows, const float* tile, const float* gate_tile, int64_t tile_stride) const {
  const int64_t col = first_panel * kPanelRows;
  TileOutput part;
  part.tile = tile;
  part.gate = output.gate == nullptr ? nullptr : gate_tile;
  part.tile_stride = tile_stride;
  part.num_rows = num_rows;
  part.num_cols = std::min(num_panels * kPanelRows, output.weight->n() - col);
  part.bias = output.bias == nullptr ? nullptr : output.bias + col;
  part.activation = output.activation ? &*output.activation : nullptr;
  part.y = output.y + first_row * output.y_stride + col;
  part.y_stride = output.y_stride;
  part.accumulate = output.accumulate;
  leaf_.finish_tile(part);
}

}  // namespace

void packed_matmul(ThreadPool& pool, const float* x, int64_t x_stride, int64_t m,
                   std::span<const PackedOutput> outputs) {
  if (m == 0 || outputs.empty()) return;
  for ([[maybe_unused]] const PackedOutput& output : outputs) {
    assert(output.weight->k() == outputs[0].weight->k());
    assert(output.gate == nullptr ||
           (output.gate->k() == output.weight->k() && output.gate->n() == output.weight->n()));
    assert(output.units.empty() || output.weight->n() % std::ssize(output.units) == 0);
  }
  Product(active_leaf(), x, x_stride, m, outputs).run(pool);
}

}  // namespace saccade
