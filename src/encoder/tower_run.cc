#include "encoder/tower_run.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "encoder/attention_received.h"
#include "encoder/drop_rows.h"
#include "encoder/gather_rows.h"
#include "encoder/merge_rows.h"

namespace saccade {
namespace {

// Queries whose attention stands for that of all, where a tower has no class row: an unbiased sample, at a hundredth of
// the cost. A prime, so that they do not line up with the columns of a tile.
constexpr int64_t kNumProbes = 61;
constexpr int64_t kMinWindowProbes = 7;

constexpr int32_t kGone = -1;

double square(double x) {
  return x * x;
}

/// The rows that left ahead of a layer.
struct DroppedRows {
  std::vector<int32_t> rows;                     // of those that went into the tower
  Tensor states;                                 // [num_dropped, vision_dim], when they left
  Tensor kept_states;                            // [num_kept, vision_dim], then
  std::vector<std::vector<int32_t>> neighbours;  // of each: rows of kept_states
};

class TowerRun {
 public:
  TowerRun(const TowerBlocks& tower, TowerRows rows, const EncodePlan& plan, ThreadPool& pool, WorkProgress& progress)
      : tower_(tower), plan_(plan), pool_(pool), progress_(progress), rows_(std::move(rows)) {
    const auto num_rows = static_cast<size_t>(rows_.hidden.shape()[0]);
    row_of_.resize(num_rows);
    std::iota(row_of_.begin(), row_of_.end(), 0);
    result_.origins = row_of_;
    first_sizes_ = rows_.sizes;
    if (!plan_.merges.empty() && rows_.sizes.empty()) rows_.sizes.assign(num_rows, 1.0F);
    update_bias();
  }

  Expected<TowerResult> run(MergedRows merged);

 private:
  Status run_block(int layer_idx, VitWorkspace& workspace);
  Status observe(const VitBlock& block, std::span<const RowRange> ranges, const VitWorkspace& workspace);
  Status drop();
  Status merge(const Tensor& metric, int64_t num_wanted);
  void keep_rows(std::span<const int32_t> kept, std::span<const RowMerge> merges);
  void restore_dropped();
  void restore_merged();
  std::vector<RowRange> ranges(int layer_idx) const;
  int last_layer() const;
  int64_t num_rows() const { return rows_.hidden.shape()[0]; }
  void update_bias() {
    key_bias_.clear();
    for (const float size : rows_.sizes) key_bias_.push_back(std::log(size));
  }

  const TowerBlocks& tower_;
  const EncodePlan& plan_;
  ThreadPool& pool_;
  WorkProgress& progress_;
  TowerRows rows_;
  std::vector<float> first_sizes_;  // of the rows that went in
  std::vector<float> key_bias_;     // [num_rows]: logarithms of the sizes
  std::vector<int32_t> row_of_;     // [rows that went in]: where each is now, or kGone
  Tensor before_;                   // `hidden` ahead of the last layer before the drop
  std::optional<DroppedRows> dropped_;
  TowerResult result_;
};

int TowerRun::last_layer() const {
  int last = -1;
  for (int i = 0; i < static_cast<int>(tower_.blocks.size()); ++i) last = plan_.runs(i) ? i : last;
  return last;
}

std::vector<RowRange> TowerRun::ranges(int layer_idx) const {
  const bool is_windowed = !tower_.is_windowed.empty() && tower_.is_windowed[static_cast<size_t>(layer_idx)] != 0;
  std::vector<RowRange> ranges;
  for (const RowTile& tile : rows_.tiles) {
    if (is_windowed) {
      ranges.insert(ranges.end(), tile.windows.begin(), tile.windows.end());
    } else {
      ranges.push_back(tile.rows());
    }
  }
  return ranges;
}

// Attention and keys of the last layer.
Status TowerRun::observe(const VitBlock& block, std::span<const RowRange> ranges, const VitWorkspace& workspace) {
  if (!plan_.wants_class_attention) return {};
  result_.attention.assign(static_cast<size_t>(num_rows()), 0.0F);
  const AttentionProbe probe = {&workspace.q, &workspace.k, block.num_heads, key_bias_};
  double work = 0;
  for (const RowTile& tile : rows_.tiles) {
    const RowRange whole = tile.rows();
    for (const RowRange& range : ranges) {
      if (range.begin < whole.begin || range.end > whole.end || range.num_rows() == 0) continue;
      const auto share = static_cast<float>(range.num_rows()) / static_cast<float>(whole.num_rows());
      const auto num_probes = std::max<int64_t>(kMinWindowProbes, std::llround(share * static_cast<float>(kNumProbes)));
      std::vector<int32_t> queries = spread_rows(range, num_probes);
      if (rows_.num_class_rows > 0) queries = {static_cast<int32_t>(range.begin)};
      add_attention_received(pool_, probe, range, queries, share, result_.attention);
      work += static_cast<double>(queries.size()) * static_cast<double>(range.num_rows() * workspace.k.shape()[1]);
    }
  }
  return progress_.add(work);
}

Status TowerRun::run_block(int layer_idx, VitWorkspace& workspace) {
  const VitBlock& block = tower_.blocks[static_cast<size_t>(layer_idx)];
  const bool is_last = layer_idx == last_layer();
  const std::vector<RowRange> groups = ranges(layer_idx);
  SACCADE_RETURN_IF_ERROR(project_qkv(pool_, block, workspace, rows_.hidden, progress_));
  const int num_wanted = plan_.merges_in(layer_idx);
  Tensor metric;
  if (num_wanted > 0) metric = mean_of_heads(workspace.k, num_rows(), block.num_heads);
  if (is_last && plan_.wants_keys) result_.keys = copy_rows(workspace.k, 0, num_rows());
  const RotaryTable* rotary = rows_.rotary ? &*rows_.rotary : nullptr;
  SACCADE_RETURN_IF_ERROR(attend(pool_, block, {groups, key_bias_, rotary}, workspace, rows_.hidden, progress_));
  if (is_last) SACCADE_RETURN_IF_ERROR(observe(block, groups, workspace));
  if (num_wanted > 0) SACCADE_RETURN_IF_ERROR(merge(metric, num_wanted));
  return feed_forward(pool_, block, workspace, rows_.hidden, progress_);
}

Status TowerRun::merge(const Tensor& metric, int64_t num_wanted) {
  std::vector<RowMerge> merges;
  double work = 0;
  for (const RowTile& tile : rows_.tiles) {
    const int64_t count = num_merges(tile.rows().num_rows(), rows_.num_class_rows, num_wanted);
    if (count == 0) continue;
    const std::vector<RowMerge> of_tile = match_rows(pool_, metric, tile.windows, rows_.num_class_rows, count);
    merges.insert(merges.end(), of_tile.begin(), of_tile.end());
    work += match_work(tile.windows, metric.shape()[1]);
  }
  if (merges.empty()) return {};
  merge_means(rows_.hidden, merges, rows_.sizes);
  if (!result_.keys.is_empty()) merge_means(result_.keys, merges, rows_.sizes);
  std::vector<uint8_t> is_source(static_cast<size_t>(num_rows()), 0);
  for (const RowMerge& merge : merges) {
    const auto source = static_cast<size_t>(merge.source);
    const auto target = static_cast<size_t>(merge.target);
    is_source[source] = 1;
    rows_.sizes[target] += rows_.sizes[source];
    if (!result_.attention.empty()) result_.attention[target] += result_.attention[source];
  }
  std::vector<int32_t> kept;
  for (int32_t row = 0; row < num_rows(); ++row) {
    if (is_source[static_cast<size_t>(row)] == 0) kept.push_back(row);
  }
  keep_rows(kept, merges);
  return progress_.add(work);
}

// Closes the gaps: rows that are not among `kept` go where `merges` send them, or are gone.
void TowerRun::keep_rows(std::span<const int32_t> kept, std::span<const RowMerge> merges) {
  std::vector<int32_t> new_rows(static_cast<size_t>(num_rows()), kGone);
  for (size_t i = 0; i < kept.size(); ++i) new_rows[static_cast<size_t>(kept[i])] = static_cast<int32_t>(i);
  for (const RowMerge& merge : merges) {
    new_rows[static_cast<size_t>(merge.source)] = new_rows[static_cast<size_t>(merge.target)];
  }
  for (int32_t& row : row_of_) row = row == kGone ? kGone : new_rows[static_cast<size_t>(row)];
  const auto pick = [&](auto& values) {
    if (values.empty()) return;
    for (size_t i = 0; i < kept.size(); ++i) values[i] = values[static_cast<size_t>(kept[i])];
    values.resize(kept.size());
  };
  pick(result_.origins);
  pick(rows_.sizes);
  pick(result_.attention);
  rows_.hidden = gather_rows(rows_.hidden, kept);
  if (!result_.keys.is_empty()) result_.keys = gather_rows(result_.keys, kept);
  if (rows_.rotary) {
    rows_.rotary = RotaryTable{gather_rows(rows_.rotary->cosine, kept), gather_rows(rows_.rotary->sine, kept)};
  }
  const auto num_kept_before = [&](int64_t row) { return std::ranges::lower_bound(kept, row) - kept.begin(); };
  for (RowTile& tile : rows_.tiles) {
    for (RowRange& window : tile.windows) window = {num_kept_before(window.begin), num_kept_before(window.end)};
  }
  update_bias();
}

Status TowerRun::drop() {
  const LayerDrop& plan = *plan_.drop;
  DroppedRows& dropped = dropped_.emplace();
  std::vector<int32_t> kept;
  double work = 0;
  for (const RowTile& tile : rows_.tiles) {
    const RowRange range = tile.rows();
    const std::vector<int32_t> stays =
        most_changed(before_, rows_.hidden, range, rows_.num_class_rows, plan.keep_share);
    std::vector<int32_t> leaves;
    for (auto row = static_cast<int32_t>(range.begin); row < range.end; ++row) {
      if (!std::ranges::binary_search(stays, row)) leaves.push_back(row);
    }
    // A class row is nobody's neighbour.
    const std::vector<int32_t> patches(stays.begin() + rows_.num_class_rows, stays.end());
    const auto first_kept = static_cast<int32_t>(static_cast<int64_t>(kept.size()) + rows_.num_class_rows);
    for (std::vector<int32_t>& nearest : nearest_rows(pool_, rows_.hidden, leaves, patches, plan.num_neighbours)) {
      for (int32_t& row : nearest) row += first_kept;
      dropped.neighbours.push_back(std::move(nearest));
    }
    work += static_cast<double>(leaves.size()) * static_cast<double>(patches.size()) *
            static_cast<double>(rows_.hidden.shape()[1]);
    dropped.rows.insert(dropped.rows.end(), leaves.begin(), leaves.end());
    kept.insert(kept.end(), stays.begin(), stays.end());
  }
  dropped.states = gather_rows(rows_.hidden, dropped.rows);
  keep_rows(kept, {});
  dropped.kept_states = rows_.hidden.clone();
  before_ = Tensor();
  return progress_.add(work);
}

void TowerRun::restore_dropped() {
  const auto num_all = static_cast<int64_t>(row_of_.size());
  const int64_t dim = rows_.hidden.shape()[1];
  Tensor hidden(Shape{num_all, dim});
  Tensor keys(Shape{result_.keys.is_empty() ? 0 : num_all, dim});
  std::vector<float> attention(result_.attention.empty() ? 0 : row_of_.size(), 0.0F);
  for (int64_t row = 0; row < num_all; ++row) {
    const int32_t now = row_of_[static_cast<size_t>(row)];
    if (now == kGone) continue;
    std::ranges::copy(rows_.hidden.row(now), hidden.row(row).begin());
    if (!keys.is_empty()) std::ranges::copy(result_.keys.row(now), keys.row(row).begin());
    if (!attention.empty()) attention[static_cast<size_t>(row)] = result_.attention[static_cast<size_t>(now)];
  }
  for (size_t i = 0; i < dropped_->rows.size(); ++i) {
    const std::span<float> state = hidden.row(dropped_->rows[i]);
    std::ranges::copy(dropped_->states.row(static_cast<int64_t>(i)), state.begin());
    const std::vector<int32_t>& neighbours = dropped_->neighbours[i];
    const float factor = 1.0F / static_cast<float>(neighbours.size());
    if (!keys.is_empty()) std::ranges::fill(keys.row(dropped_->rows[i]), 0.0F);
    for (const int32_t neighbour : neighbours) {
      const std::span<const float> now = rows_.hidden.row(neighbour);
      const std::span<const float> then = dropped_->kept_states.row(neighbour);
      for (size_t col = 0; col < state.size(); ++col) state[col] += factor * (now[col] - then[col]);
      if (keys.is_empty()) continue;
      const std::span<float> key = keys.row(dropped_->rows[i]);
      const std::span<const float> of_neighbour = result_.keys.row(neighbour);
      for (size_t col = 0; col < key.size(); ++col) key[col] += factor * of_neighbour[col];
    }
  }
  rows_.hidden = std::move(hidden);
  result_.keys = std::move(keys);
  result_.attention = std::move(attention);
}

// Every row has what it was merged into; attention is shared out by size.
void TowerRun::restore_merged() {
  if (!result_.attention.empty()) {
    std::vector<float> attention;
    for (size_t row = 0; row < row_of_.size(); ++row) {
      const auto now = static_cast<size_t>(row_of_[row]);
      const float size = first_sizes_.empty() ? 1.0F : first_sizes_[row];
      attention.push_back(result_.attention[now] * size / rows_.sizes[now]);
    }
    result_.attention = std::move(attention);
  }
  rows_.hidden = gather_rows(rows_.hidden, row_of_);
  if (!result_.keys.is_empty()) result_.keys = gather_rows(result_.keys, row_of_);
}

Expected<TowerResult> TowerRun::run(MergedRows merged) {
  if (num_rows() > 0 && !tower_.blocks.empty()) {
    VitWorkspace workspace(num_rows(), tower_.blocks.front());
    const auto num_layers = static_cast<int>(tower_.blocks.size());
    int last_before_drop = -1;  // the last layer that runs ahead of the drop
    for (int i = 0; plan_.drop && i < plan_.drop->layer_idx; ++i)
      last_before_drop = plan_.runs(i) ? i : last_before_drop;
    for (int i = 0; i < num_layers; ++i) {
      if (!plan_.runs(i)) continue;
      if (i == last_before_drop) before_ = rows_.hidden.clone();
      if (plan_.drop && !dropped_ && i >= plan_.drop->layer_idx) SACCADE_RETURN_IF_ERROR(drop());
      SACCADE_RETURN_IF_ERROR(run_block(i, workspace));
    }
  }
  const bool is_whole = result_.origins.size() == row_of_.size();
  if (dropped_) restore_dropped();
  if (!dropped_ && !is_whole && merged == MergedRows::kComeBack) restore_merged();
  if (dropped_ || merged == MergedRows::kComeBack) {
    result_.origins.resize(row_of_.size());
    std::iota(result_.origins.begin(), result_.origins.end(), 0);
    rows_.sizes = first_sizes_;
    row_of_ = result_.origins;
  }
  result_.targets = std::move(row_of_);
  result_.hidden = std::move(rows_.hidden);
  result_.sizes = std::move(rows_.sizes);
  return std::move(result_);
}

}  // namespace

double tower_work(const TowerBlocks& tower, std::span<const RowTile> tiles, int64_t num_class_rows,
                  const EncodePlan& plan) {
  double work = 0;
  for (const RowTile& tile : tiles) {
    const auto num_first = static_cast<double>(tile.rows().num_rows());
    double pairs_in_windows = 0;
    for (const RowRange& window : tile.windows) pairs_in_windows += square(static_cast<double>(window.num_rows()));
    int64_t num_rows = tile.rows().num_rows();
    bool is_dropped = false;
    for (int i = 0; i < static_cast<int>(tower.blocks.size()); ++i) {
      if (!plan.runs(i) || num_rows == 0) continue;
      const VitBlock& block = tower.blocks[static_cast<size_t>(i)];
      const auto dim = static_cast<double>(block.out.out_dim());
      if (plan.drop && !is_dropped && i >= plan.drop->layer_idx) {
        is_dropped = true;
        const int64_t num_patches = num_rows - num_class_rows;
        const int64_t num_kept = num_kept_patches(num_patches, plan.drop->keep_share);
        work += static_cast<double>((num_patches - num_kept) * num_kept) * dim;
        num_rows = num_class_rows + num_kept;
      }
      const bool is_windowed = !tower.is_windowed.empty() && tower.is_windowed[static_cast<size_t>(i)] != 0;
      const auto num_now = static_cast<double>(num_rows);
      const double pairs =
          num_rows == tile.rows().num_rows() ? pairs_in_windows : pairs_in_windows * square(num_now / num_first);
      work += attention_work(block, num_now, is_windowed ? pairs : num_now * num_now);
      const int64_t count = num_merges(num_rows, num_class_rows, plan.merges_in(i));
      if (count > 0) work += pairs / 4 * dim / static_cast<double>(block.num_heads);
      num_rows -= count;
      work += feed_forward_work(block, num_rows);
    }
  }
  return work;
}

Expected<TowerResult> run_tower(const TowerBlocks& tower, TowerRows rows, const EncodePlan& plan, MergedRows merged,
                                ThreadPool& pool, WorkProgress& progress) {
  return TowerRun(tower, std::move(rows), plan, pool, progress).run(merged);
}

}  // namespace saccade
