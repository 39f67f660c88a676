// What an encode plan should come to, written down once more from the papers: plain loops in doubles over the weights
// of a tiny file, sharing nothing with the encoders but the crop of LLaVA-1.6's padding.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "encoder/anyres_packing.h"
#include "encoder/encode_plan.h"
#include "encoder/testing/tiny_vision_file.h"
#include "media/pixel_batch.h"

namespace saccade::testing {

using Vector = std::vector<double>;

struct SlowToken {
  int cell = 0;
  double weight = 1;
  bool is_fixed = false;
  Vector vector;     // [model_dim]
  double attention;  // of the last layer
  Vector key;        // [vision_dim]
};
using SlowGrid = std::vector<SlowToken>;

class SlowEncoder {
 public:
  enum class Kind { kLlava, kSmolVlm, kQwen2Vl, kQwen25Vl };
  SlowEncoder(const TinyVisionFile& file, Kind kind, int num_layers = 2)
      : file_(file), kind_(kind), num_layers_(num_layers) {}

  /// A token for each grid's cell that is left, in order.
  std::vector<SlowGrid> encode(const PixelBatch& pixels, const EncodePlan& plan) const {
    const int side = pixels.width() / kTinyPatch;
    std::vector<SlowGrid> grids;
    if (kind_ != Kind::kLlava) {
      const int rows = pixels.height() / kTinyPatch / 2;
      for (int tile = 0; tile < pixels.num_tiles(); ++tile) {
        grids.push_back(square_tokens(pixels, tile, rows, side / 2, tile * rows * (side / 2), plan));
      }
      return grids;
    }
    const bool is_packed = file_.tensors.contains("model.image_newline");
    std::vector<std::vector<TilePatch>> tokens(1);
    for (int patch = 0; patch < side * side; ++patch) tokens[0].push_back({0, patch});
    if (is_packed) {
      const GridCrop crop = crop_padding(pixels.grid_rows * side, pixels.grid_cols * side, pixels.original);
      tokens.push_back(pack_patches(1, side, pixels.grid_cols, crop));
    }
    std::vector<std::map<int, double>> seen(static_cast<size_t>(pixels.num_tiles()));  // of each tile: patch, weight
    size_t token = 0;
    for (const auto& grid : tokens) {
      for (const TilePatch& patch : grid) {
        const bool is_seen = plan.is_seen.empty() || plan.is_seen[token] != 0;
        const double weight = plan.weights.empty() ? 1 : double{plan.weights[token]};
        if (!(patch == kNewline) && is_seen) {
          seen[static_cast<size_t>(patch.tile)][static_cast<int>(patch.patch)] = weight;
        }
        ++token;
      }
    }
    if (plan.is_seen.empty() && plan.weights.empty() && plan.merges.empty()) {  // padding too, as in training
      for (auto& tile : seen) {
        for (int patch = 0; patch < side * side; ++patch) tile[patch] = 1;
      }
    }
    std::vector<std::map<int, SlowToken>> left;  // of each tile, by patch
    for (int tile = 0; tile < pixels.num_tiles(); ++tile) {
      std::vector<Row> rows;
      for (const auto& [patch, weight] : seen[static_cast<size_t>(tile)]) {
        rows.push_back({.y = patch / side, .x = patch % side, .size = weight, .id = patch});
      }
      left.emplace_back();
      if (rows.empty()) continue;
      for (Row& row : run(pixels, tile, std::move(rows), plan, false)) {
        left.back()[row.id] = {0, row.size, false, project(row.hidden), row.attention, row.key};
      }
    }
    for (const auto& grid_tokens : tokens) {
      SlowGrid& grid = grids.emplace_back();
      for (size_t cell = 0; cell < grid_tokens.size(); ++cell) {
        const TilePatch& patch = grid_tokens[cell];
        if (patch == kNewline) {
          grid.push_back({static_cast<int>(cell), 1, true, vector("model.image_newline"), 0, Vector(kTinyDim, 0)});
        } else if (left[static_cast<size_t>(patch.tile)].contains(static_cast<int>(patch.patch))) {
          grid.push_back(left[static_cast<size_t>(patch.tile)].at(static_cast<int>(patch.patch)));
          grid.back().cell = static_cast<int>(cell);
        }
      }
    }
    return grids;
  }

 private:
  struct Row {
    int y = 0;
    int x = 0;
    double size = 1;
    int id = 0;
    int window = 0;
    bool is_class = false;
    Vector hidden = {};
    double attention = 0;
    Vector key = {};
    std::vector<size_t> members = {};  // rows that went in
  };

  Vector vector(const std::string& name) const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end()) return {};
    return {found->second.values.begin(), found->second.values.end()};
  }
  Vector linear(const std::string& name, const Vector& x) const {
    const Vector weight = vector(name + ".weight");
    const Vector bias = vector(name + ".bias");
    Vector y(weight.size() / x.size(), 0.0);
    for (size_t i = 0; i < y.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) y[i] += weight[i * x.size() + j] * x[j];
      if (!bias.empty()) y[i] += bias[i];
    }
    return y;
  }
  Vector norm(const std::string& name, const Vector& x) const {
    const Vector weight = vector(name + ".weight");
    const Vector bias = vector(name + ".bias");
    if (weight.empty()) return x;
    const bool is_rms = kind_ == Kind::kQwen25Vl;
    const double mean = is_rms ? 0 : std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
    double variance = 0;
    for (const double value : x) variance += (value - mean) * (value - mean) / static_cast<double>(x.size());
    Vector y(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      y[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + (bias.empty() ? 0 : bias[i]);
    }
    return y;
  }
  static double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
  double activation(double x) const {
    if (kind_ != Kind::kSmolVlm) return x / (1 + std::exp(-1.702 * x));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  }
  Vector project(const Vector& x) const {
    if (kind_ == Kind::kSmolVlm) return linear("mm.model.fc", x);
    Vector hidden = linear("mm.0", x);
    for (double& value : hidden) value = gelu(value);
    return linear("mm.2", hidden);
  }

  SlowGrid square_tokens(const PixelBatch& pixels, int tile, int num_rows, int num_cols, int first_token,
                         const EncodePlan& plan) const {
    std::vector<Row> rows;
    for (int cell = 0; cell < num_rows * num_cols; ++cell) {
      const auto token = static_cast<size_t>(first_token + cell);
      if (!plan.is_seen.empty() && plan.is_seen[token] == 0) continue;
      for (int i = 0; i < 4; ++i) {
        const int y = cell / num_cols;
        const int x = cell % num_cols;
        Row row = {.y = 2 * y + i / 2, .x = 2 * x + i % 2, .id = cell};
        row.size = plan.weights.empty() ? 1 : double{plan.weights[token]};
        if (kind_ == Kind::kQwen25Vl) row.window = (y / 2) * 1000 + x / 2;
        rows.push_back(std::move(row));
      }
    }
    if (rows.empty()) return {};
    // The order in which rows are dealt out to ToMe's two sets: row by row, or window by window and square by square.
    const bool is_row_by_row = kind_ == Kind::kSmolVlm;
    std::ranges::stable_sort(rows, [&](const Row& a, const Row& b) {
      if (!is_row_by_row) return a.window < b.window;
      return std::pair(a.y, a.x) < std::pair(b.y, b.x);
    });
    rows = run(pixels, tile, std::move(rows), plan, true);
    std::map<int, std::vector<Row>> squares;
    for (const Row& row : rows) squares[row.id].push_back(row);
    SlowGrid grid;
    for (auto& [cell, square] : squares) {
      std::ranges::sort(square, {}, [](const Row& row) { return std::pair(row.y, row.x); });
      SlowToken token = {cell, square[0].size, false, {}, 0, Vector(kTinyDim, 0)};
      Vector wide;
      for (const Row& row : square) {
        wide.insert(wide.end(), row.hidden.begin(), row.hidden.end());
        token.attention += row.attention;
        for (size_t i = 0; i < row.key.size(); ++i) token.key[i] += row.key[i] / 4;
      }
      token.vector = project(wide);
      grid.push_back(std::move(token));
    }
    return grid;
  }

  Vector embed(const PixelBatch& pixels, int tile, const Row& row) const {
    const Vector kernel = vector("v.patch_embd.weight");
    const Vector second = vector("v.patch_embd.weight.1");
    Vector x(kTinyDim, 0);
    for (size_t out = 0; out < kTinyDim; ++out) {
      for (int channel = 0; channel < 3; ++channel) {
        for (int dy = 0; dy < kTinyPatch; ++dy) {
          for (int dx = 0; dx < kTinyPatch; ++dx) {
            const size_t element =
                ((out * 3 + static_cast<size_t>(channel)) * kTinyPatch + static_cast<size_t>(dy)) * kTinyPatch +
                static_cast<size_t>(dx);
            const int64_t plane = int64_t{tile} * 3 + channel;
            const int64_t at =
                (plane * pixels.height() + row.y * kTinyPatch + dy) * pixels.width() + row.x * kTinyPatch + dx;
            const double weight = kernel[element] + (second.empty() ? 0 : second[element]);
            x[out] += weight * double{pixels.pixels.floats()[static_cast<size_t>(at)]};
          }
        }
      }
    }
    return sum(sum(x, vector("v.patch_embd.bias")), position(row.y * (pixels.width() / kTinyPatch) + row.x + 1));
  }
  /// 0 is the class row's.
  Vector position(int idx) const {
    const Vector all = vector("v.position_embd.weight");
    if (all.empty()) return {};
    const int row = idx - (file_.tensors.contains("v.class_embd") ? 0 : 1);
    const auto begin = all.begin() + static_cast<int64_t>(row) * kTinyDim;
    return {begin, begin + kTinyDim};
  }
  static Vector sum(Vector a, const Vector& b) {
    for (size_t i = 0; i < b.size(); ++i) a[i] += b[i];
    return a;
  }
  static double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
  static Vector part(const Vector& x, size_t head) {
    const auto begin = x.begin() + static_cast<int64_t>(head) * 4;
    return {begin, begin + 4};
  }

  Vector rotate(const Row& row, Vector x) const {
    if (kind_ != Kind::kQwen2Vl && kind_ != Kind::kQwen25Vl) return x;
    for (size_t head = 0; head < 2; ++head) {  // heads of 4: one frequency, 1; pairs (0, 2) by y and (1, 3) by x
      for (size_t i = 0; i < 2; ++i) {
        const double angle = i == 0 ? row.y : row.x;
        double& a = x[head * 4 + i];
        double& b = x[head * 4 + i + 2];
        const double turned = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle);
        a = turned;
      }
    }
    return x;
  }

  /// `comes_back`: merged rows come out as many as went in.
  std::vector<Row> run(const PixelBatch& pixels, int tile, std::vector<Row> rows, const EncodePlan& plan,
                       bool comes_back) const {
    for (Row& row : rows) row.hidden = embed(pixels, tile, row);
    if (file_.tensors.contains("v.class_embd")) {
      rows.insert(rows.begin(), Row{.is_class = true});
      rows[0].hidden = sum(vector("v.class_embd"), position(0));
    }
    for (size_t i = 0; i < rows.size(); ++i) rows[i].members = {i};
    for (Row& row : rows) row.hidden = norm("v.pre_ln", row.hidden);
    const std::vector<Row> first = rows;
    std::vector<Row> before;
    std::vector<Row> whole;  // ahead of the drop
    std::vector<size_t> kept;
    int last = 0;
    for (int i = 0; i < num_layers_; ++i) last = plan.runs(i) ? i : last;
    for (int i = 0; i < num_layers_; ++i) {
      if (!plan.runs(i)) continue;
      if (plan.drop && whole.empty() && i >= plan.drop->layer_idx) {
        whole = rows;
        kept = changed_most(before, rows, plan.drop->keep_share);
        rows.clear();
        for (const size_t row : kept) rows.push_back(whole[row]);
      }
      before = rows;
      block(i, rows, plan.merges.empty() ? 0 : plan.merges[std::min(static_cast<size_t>(i), plan.merges.size() - 1)],
            i == last);
    }
    if (!whole.empty()) rows = restore(whole, kept, rows, plan.drop->num_neighbours);
    if (comes_back && whole.empty()) {
      std::vector<Row> all = first;
      for (const Row& row : rows) {
        for (const size_t member : row.members) {
          all[member].hidden = row.hidden;
          all[member].key = row.key;
          all[member].attention = row.attention * first[member].size / row.size;
        }
      }
      rows = all;
    }
    std::erase_if(rows, [](const Row& row) { return row.is_class; });
    if (kind_ != Kind::kLlava) {
      for (Row& row : rows) row.hidden = norm("v.post_ln", row.hidden);
    }
    return rows;
  }

  void block(int layer_idx, std::vector<Row>& rows, int num_merges, bool is_last) const {
    const std::string name = format("v.blk.%d.", layer_idx);
    const bool is_windowed = kind_ == Kind::kQwen25Vl && layer_idx % 2 == 0;
    std::vector<Vector> q, k, v, plain_k;
    for (const Row& row : rows) {
      const Vector x = norm(name + "ln1", row.hidden);
      q.push_back(rotate(row, linear(name + "attn_q", x)));
      plain_k.push_back(linear(name + "attn_k", x));
      k.push_back(rotate(row, plain_k.back()));
      v.push_back(linear(name + "attn_v", x));
    }
    const auto num_rows = static_cast<double>(rows.size());
    std::vector<double> received(rows.size(), 0);
    std::vector<Vector> attended(rows.size(), Vector(kTinyDim, 0));
    for (size_t head = 0; head < 2; ++head) {
      for (size_t i = 0; i < rows.size(); ++i) {
        Vector weights(rows.size(), 0);
        for (size_t j = 0; j < rows.size(); ++j) {
          if (is_windowed && rows[i].window != rows[j].window) continue;
          weights[j] = rows[j].size * std::exp(dot(part(q[i], head), part(k[j], head)) / 2);
        }
        const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
        for (size_t j = 0; j < rows.size(); ++j) {
          const double weight = weights[j] / total;
          for (size_t c = 0; c < 4; ++c) attended[i][head * 4 + c] += weight * v[j][head * 4 + c];
          if (rows[0].is_class ? i == 0 : true) received[j] += weight / 2 / (rows[0].is_class ? 1 : num_rows);
        }
      }
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].hidden = sum(rows[i].hidden, linear(name + "attn_out", attended[i]));
      if (is_last) {
        rows[i].attention = received[i];
        rows[i].key = plain_k[i];
      }
    }
    if (num_merges > 0) merge(rows, plain_k, num_merges);
    for (Row& row : rows) {
      const Vector x = norm(name + "ln2", row.hidden);
      Vector hidden = linear(name + "ffn_up", x);
      if (kind_ == Kind::kQwen25Vl) {
        const Vector gate = linear(name + "ffn_gate", x);
        for (size_t i = 0; i < hidden.size(); ++i) hidden[i] *= gate[i] / (1 + std::exp(-gate[i]));
      } else {
        for (double& value : hidden) value = activation(value);
      }
      row.hidden = sum(row.hidden, linear(name + "ffn_down", hidden));
    }
  }

  static void merge(std::vector<Row>& rows, const std::vector<Vector>& keys, int num_wanted) {
    const int num_patches = static_cast<int>(rows.size()) - (rows[0].is_class ? 1 : 0);
    const int count = std::max(0, std::min({num_wanted, num_patches / 2, num_patches - kMinMergedPatches}));
    std::vector<Vector> metric;
    for (const Vector& key : keys) {
      Vector mean = sum(part(key, 0), part(key, 1));
      const double length = std::sqrt(dot(mean, mean));
      for (double& value : mean) value /= length;
      metric.push_back(std::move(mean));
    }
    struct Edge {
      double cosine;
      size_t source;
      size_t target;
    };
    std::vector<Edge> edges;
    std::map<int, size_t> num_before;  // rows of a window so far
    std::vector<bool> is_in_a;
    for (const Row& row : rows) is_in_a.push_back(num_before[row.window]++ % 2 == 0);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!is_in_a[i] || rows[i].is_class) continue;
      std::optional<Edge> best;
      for (size_t j = 0; j < rows.size(); ++j) {
        if (is_in_a[j] || rows[i].window != rows[j].window) continue;
        const double cosine = dot(metric[i], metric[j]);
        if (!best || cosine > best->cosine) best = Edge{cosine, i, j};
      }
      if (best) edges.push_back(*best);
    }
    std::ranges::stable_sort(edges, [](const Edge& a, const Edge& b) { return a.cosine > b.cosine; });
    if (edges.size() > static_cast<size_t>(count)) edges.resize(static_cast<size_t>(count));
    std::vector<Row> merged = rows;
    for (const Edge& edge : edges) {
      Row& target = merged[edge.target];
      const Row& source = rows[edge.source];
      const double total = target.size + source.size;
      for (size_t i = 0; i < kTinyDim; ++i) {
        target.hidden[i] = (target.size * target.hidden[i] + source.size * source.hidden[i]) / total;
        if (!target.key.empty()) target.key[i] = (target.size * target.key[i] + source.size * source.key[i]) / total;
      }
      target.size = total;
      target.attention += source.attention;
      target.members.insert(target.members.end(), source.members.begin(), source.members.end());
    }
    rows.clear();
    for (size_t i = 0; i < merged.size(); ++i) {
      if (std::ranges::none_of(edges, [&](const Edge& edge) { return edge.source == i; })) rows.push_back(merged[i]);
    }
  }

  static std::vector<size_t> changed_most(const std::vector<Row>& before, const std::vector<Row>& now, double share) {
    std::vector<size_t> order;
    std::vector<double> change;
    for (size_t i = 0; i < now.size(); ++i) {
      double square = 0;
      for (size_t c = 0; c < kTinyDim; ++c) square += std::pow(now[i].hidden[c] - before[i].hidden[c], 2);
      change.push_back(square);
      if (!now[i].is_class) order.push_back(i);
    }
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return change[a] > change[b]; });
    order.resize(std::max<size_t>(1, static_cast<size_t>(static_cast<double>(order.size()) * share)));
    if (now[0].is_class) order.push_back(0);
    std::ranges::sort(order);
    return order;
  }

  static std::vector<Row> restore(const std::vector<Row>& whole, const std::vector<size_t>& kept,
                                  const std::vector<Row>& rows, int num_neighbours) {
    std::vector<Row> all = whole;
    for (size_t i = 0; i < kept.size(); ++i) all[kept[i]] = rows[i];
    for (size_t row = 0; row < whole.size(); ++row) {
      if (std::ranges::find(kept, row) != kept.end()) continue;
      std::vector<std::pair<double, size_t>> nearest;
      for (size_t i = 0; i < kept.size(); ++i) {
        double square = 0;
        for (size_t c = 0; c < kTinyDim; ++c) square += std::pow(whole[row].hidden[c] - whole[kept[i]].hidden[c], 2);
        if (!whole[kept[i]].is_class) nearest.emplace_back(square, i);
      }
      std::ranges::sort(nearest);
      if (nearest.size() > static_cast<size_t>(num_neighbours)) nearest.resize(static_cast<size_t>(num_neighbours));
      all[row].key = Vector(kTinyDim, 0);
      all[row].attention = 0;
      for (const auto& [distance, i] : nearest) {
        for (size_t c = 0; c < kTinyDim; ++c) {
          all[row].hidden[c] += (rows[i].hidden[c] - whole[kept[i]].hidden[c]) / static_cast<double>(nearest.size());
          if (!rows[i].key.empty()) all[row].key[c] += rows[i].key[c] / static_cast<double>(nearest.size());
        }
      }
    }
    return all;
  }

  const TinyVisionFile& file_;
  Kind kind_;
  int num_layers_;
};

}  // namespace saccade::testing
