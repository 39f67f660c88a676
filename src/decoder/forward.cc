// The rows of a forward through the layers. A layer computes the rows that its sequences' plans leave it: gathered
// where they do not lie together, in chunks, with the result put back into their places.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>

#include "decoder/decoder.h"
#include "decoder/layer_scheduler.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/norm.h"

namespace saccade {
namespace {

// Rows that go through a layer at once: bounds the memory of a long prompt's activations.
constexpr int64_t kChunkTokens = 512;

bool lie_together(std::span<const int32_t> rows) {
  return rows.back() - rows.front() + 1 == static_cast<int64_t>(rows.size());
}

}  // namespace

class Decoder::Forward {
 public:
  Forward(const Decoder& decoder, ThreadPool& pool, const ForwardArgs& args)
      : decoder_(decoder),
        config_(decoder.config_),
        pool_(pool),
        args_(args),
        num_rows_(args.rows->shape()[0]),
        x_(copy_rows(*args.rows, 0, num_rows_)),
        rope_(decoder.rope_.rows(args.positions)),
        tracker_(args.sequences),
        rankings_(args.sequences.size()) {
    const int64_t chunk = std::min(kChunkTokens, num_rows_);
    const int64_t q_dim = config_.num_heads * config_.head_dim;
    gathered_ = Tensor({chunk, config_.model_dim});
    normed_ = Tensor({chunk, config_.model_dim});
    q_ = Tensor({chunk, q_dim});
    k_ = Tensor({chunk, config_.kv_dim()});
    v_ = Tensor({chunk, config_.kv_dim()});
    attended_ = Tensor({chunk, q_dim});
    gated_ = Tensor({chunk, config_.ffn_dim});
    for (const SequenceRows& sequence : args.sequences) {
      if (sequence.trace != nullptr) sequence.trace->num_rows.resize(static_cast<size_t>(config_.num_layers));
    }
  }

  Expected<Tensor> run();

 private:
  // Rows [begin, end) of a layer's LayerRows::kv, and what of them goes through the whole layer.
  struct Chunk {
    int64_t begin = 0;
    int64_t end = 0;
    std::span<const int32_t> kv;  // rows of x_
    std::vector<int32_t> full;    // of these
    bool is_all_full() const { return full.size() == kv.size(); }
  };

  Status run_layer(int64_t layer_idx);
  Status run_chunk(int64_t layer_idx, const LayerRows& rows, const Chunk& chunk, float* x);
  Status attend(int64_t layer_idx, const LayerRows& rows, const Chunk& chunk);
  void rotate(std::span<const int32_t> rows, int64_t num_heads, float* heads) const;
  const float* rows_at(std::span<const int32_t> rows, float* place) const;
  void put_back(std::span<const int32_t> rows, const float* from);
  const LayerUnits* units_of(size_t sequence_idx, int64_t layer_idx) const;
  const LayerUnits* common_units(int64_t layer_idx, const LayerRows& rows) const;
  void leave_out_units(int64_t layer_idx, std::span<const int32_t> rows, bool are_heads, float* values) const;

  void settle_schedules(int64_t layer_idx);
  void rank_visual(int64_t layer_idx);
  void prune_visual(int64_t layer_idx);
  std::vector<float> looked_at(int64_t layer_idx, std::span<const int32_t> rows) const;
  void let_confident_rows_leave(int64_t layer_idx);
  void count_work(int64_t layer_idx, const LayerRows& rows, const Chunk& chunk);
  void count_tokens();

  const Decoder& decoder_;
  const DecoderConfig& config_;
  ThreadPool& pool_;
  const ForwardArgs& args_;
  const int64_t num_rows_;
  Tensor x_;  // [num_rows, model_dim]
  const RopeTable::Rows rope_;
  RowTracker tracker_;
  std::vector<std::vector<int32_t>> rankings_;  // of each sequence: visual rows, most looked at first

  // Of a chunk, used by every layer.
  Tensor gathered_;  // [chunk, model_dim]
  Tensor normed_;    // [chunk, model_dim]
  Tensor q_;         // [chunk, num_heads * head_dim]
  Tensor k_, v_;     // [chunk, num_kv_heads * head_dim]
  Tensor attended_;  // [chunk, num_heads * head_dim]
  Tensor gated_;     // [chunk, ffn_dim]: silu(gate) * up
};

/// The rows themselves where they lie together, or copies of them at `place`.
const float* Decoder::Forward::rows_at(std::span<const int32_t> rows, float* place) const {
  if (lie_together(rows)) return x_.row(rows.front()).data();
  const int64_t dim = config_.model_dim;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(x_.row(rows[i]).data(), dim, place + static_cast<int64_t>(i) * dim);
  }
  return place;
}

void Decoder::Forward::put_back(std::span<const int32_t> rows, const float* from) {
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(from + static_cast<int64_t>(i) * config_.model_dim, config_.model_dim, x_.row(rows[i]).data());
  }
}

void Decoder::Forward::rotate(std::span<const int32_t> rows, int64_t num_heads, float* heads) const {
  const int64_t head_dim = config_.head_dim;
  pool_.parallel_for(static_cast<int64_t>(rows.size()), 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t row = rows[static_cast<size_t>(i)];
      float* head = heads + i * num_heads * head_dim;
      for (int64_t head_idx = 0; head_idx < num_heads; ++head_idx, head += head_dim) {
        apply_rope(config_.rope.pairing, rope_.cosine.row(row).data(), rope_.sine.row(row).data(),
                   config_.rope.rotary_dim, head);
      }
    }
  });
}

/// attended_ of the chunk's full rows; the keys and values of all of its rows go into the caches.
Status Decoder::Forward::attend(int64_t layer_idx, const LayerRows& rows, const Chunk& chunk) {
  AttentionArgs args;
  args.q_stride = config_.num_heads * config_.head_dim;
  args.out_stride = args.q_stride;
  args.num_heads = config_.num_heads;
  args.num_kv_heads = config_.num_kv_heads;
  args.head_dim = config_.head_dim;
  args.scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  args.is_causal = true;
  int64_t num_queried = 0;  // full rows before this segment
  std::vector<int32_t> sequence_rows;
  std::vector<float> biases;
  for (const LayerSegment& segment : rows.segments) {
    const int64_t begin = std::max(segment.kv_begin, chunk.begin);
    const int64_t end = std::min(segment.kv_end, chunk.end);
    if (begin >= end) continue;
    const SequenceRows& sequence = args_.sequences[segment.sequence_idx];
    KvSequence& kv = *sequence.kv;
    const int64_t num_past = kv.num_tokens(layer_idx);
    SACCADE_RETURN_IF_ERROR(kv.reserve(layer_idx, end - begin));
    const int64_t first = tracker_.first_row(segment.sequence_idx);
    const auto offset = static_cast<int32_t>(kv.num_rows() - first);
    sequence_rows.clear();
    biases.clear();
    for (int64_t i = begin; i < end; ++i) {
      const int32_t row = rows.kv[static_cast<size_t>(i)];
      sequence_rows.push_back(row + offset);
      if (!sequence.key_biases.empty()) biases.push_back(sequence.key_biases[static_cast<size_t>(row - first)]);
    }
    kv.append(layer_idx, sequence_rows, k_.row(begin - chunk.begin).data(), v_.row(begin - chunk.begin).data(), biases);
    args.kv = kv.blocks(layer_idx);
    args.key_bias = kv.biases(layer_idx);
    args.allows_bf16 = args.kv.dtype != DType::kF32;
    const LayerUnits* units = units_of(segment.sequence_idx, layer_idx);
    args.kv_heads = units == nullptr || config_.num_kv_heads != config_.num_heads ? std::span<const uint8_t>()
                                                                                  : std::span(units->heads);
    for (int64_t i = begin; i < end;) {  // runs of full rows
      int64_t run_end = i;
      while (run_end < end && rows.is_full[static_cast<size_t>(run_end)] != 0) ++run_end;
      if (run_end == i) {
        ++i;
        continue;
      }
      args.q = q_.row(num_queried).data();
      args.out = attended_.row(num_queried).data();
      args.num_queries = run_end - i;
      args.first_visible = num_past + (i - begin);
      args.num_keys = num_past + (run_end - begin);
      attention(pool_, args);
      const double num_seen = static_cast<double>(args.first_visible) + static_cast<double>(run_end - i + 1) / 2;
      if (sequence.trace != nullptr) {
        sequence.trace->multiply_adds +=
            2 * static_cast<double>(args.q_stride) * num_seen * static_cast<double>(run_end - i);
      }
      num_queried += run_end - i;
      i = run_end;
    }
  }
  return {};
}

/// Which heads and MLP groups of the layer the sequence's plan computes; null where that is all.
const LayerUnits* Decoder::Forward::units_of(size_t sequence_idx, int64_t layer_idx) const {
  const SequencePlan* plan = args_.sequences[sequence_idx].plan;
  if (plan == nullptr || plan->units.empty()) return nullptr;
  const LayerUnits& units = plan->units[static_cast<size_t>(layer_idx)];
  return units.heads.empty() && units.groups.empty() ? nullptr : &units;
}

/// The same of all the layer's rows; null where their plans differ, too.
const LayerUnits* Decoder::Forward::common_units(int64_t layer_idx, const LayerRows& rows) const {
  const LayerUnits* common = units_of(rows.segments.front().sequence_idx, layer_idx);
  for (const LayerSegment& segment : rows.segments) {
    const LayerUnits* units = units_of(segment.sequence_idx, layer_idx);
    if (common == nullptr || units == nullptr || *units != *common) return nullptr;
  }
  return common;
}

/// Zeros in place of what the rows' plans leave out: of heads [rows, num_heads, head_dim], or of MLP neurons.
void Decoder::Forward::leave_out_units(int64_t layer_idx, std::span<const int32_t> rows, bool are_heads,
                                       float* values) const {
  const int64_t width = are_heads ? config_.num_heads * config_.head_dim : config_.ffn_dim;
  for (size_t sequence_idx = 0; sequence_idx < args_.sequences.size(); ++sequence_idx) {
    const LayerUnits* layer = units_of(sequence_idx, layer_idx);
    if (layer == nullptr) continue;
    const std::vector<uint8_t>& units = are_heads ? layer->heads : layer->groups;
    if (units.empty()) continue;
    const int64_t unit_width = width / static_cast<int64_t>(units.size());
    const int64_t first = tracker_.first_row(sequence_idx);
    const int64_t end = first + args_.sequences[sequence_idx].num_tokens;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] < first || rows[i] >= end) continue;
      for (size_t unit = 0; unit < units.size(); ++unit) {
        float* begin = values + static_cast<int64_t>(i) * width + static_cast<int64_t>(unit) * unit_width;
        if (units[unit] == 0) std::fill_n(begin, unit_width, 0.0f);
      }
    }
  }
}

/// The chunk through the layer, `x` [num_full, model_dim] being its full rows, which the results are added to.
Status Decoder::Forward::run_chunk(int64_t layer_idx, const LayerRows& rows, const Chunk& chunk, float* x) {
  const Layer& layer = decoder_.layers_[static_cast<size_t>(layer_idx)];
  const auto num_kv = static_cast<int64_t>(chunk.kv.size());
  const auto num_full = static_cast<int64_t>(chunk.full.size());
  float* normed = normed_.floats().data();
  const auto norm = [&](const float* from, const Tensor& weight, int64_t count) {
    rms_norm(pool_, from, weight.floats().data(), config_.rms_epsilon, count, config_.model_dim, normed);
  };
  // What all rows leave out is not computed; what some of them leave out is zeroed in their own.
  const LayerUnits* units = common_units(layer_idx, rows);
  const auto heads = units == nullptr ? std::span<const uint8_t>() : std::span<const uint8_t>(units->heads);
  const auto groups = units == nullptr ? std::span<const uint8_t>() : std::span<const uint8_t>(units->groups);
  const auto kv_heads = config_.num_kv_heads == config_.num_heads ? heads : std::span<const uint8_t>();
  const LinearOutput q = {.weight = &layer.q, .bias = layer.q_bias, .y = q_.floats().data(), .units = heads};
  const LinearOutput k = {.weight = &layer.k, .bias = layer.k_bias, .y = k_.floats().data(), .units = kv_heads};
  const LinearOutput v = {.weight = &layer.v, .bias = layer.v_bias, .y = v_.floats().data(), .units = kv_heads};
  if (chunk.is_all_full()) {
    norm(x, layer.attention_norm, num_kv);
    linear(pool_, normed, num_kv, std::array{q, k, v});
  } else {
    Tensor copies(Shape{num_kv, config_.model_dim});
    norm(rows_at(chunk.kv, copies.floats().data()), layer.attention_norm, num_kv);
    linear(pool_, normed, num_kv, std::array{k, v});
    if (num_full > 0) {
      norm(x, layer.attention_norm, num_full);
      linear(pool_, normed, num_full, q);
    }
  }
  if (!kv_heads.empty()) {
    leave_out_units(layer_idx, chunk.kv, /*are_heads=*/true, k_.floats().data());
    leave_out_units(layer_idx, chunk.kv, /*are_heads=*/true, v_.floats().data());
  }
  rotate(chunk.full, config_.num_heads, q_.floats().data());
  rotate(chunk.kv, config_.num_kv_heads, k_.floats().data());
  SACCADE_RETURN_IF_ERROR(attend(layer_idx, rows, chunk));
  if (num_full == 0) return {};
  leave_out_units(layer_idx, chunk.full, /*are_heads=*/true, attended_.floats().data());
  linear(pool_, attended_.floats().data(), num_full, {.weight = &layer.o, .y = x, .accumulate = true});
  norm(x, layer.ffn_norm, num_full);
  linear(pool_, normed, num_full,
         {.weight = &layer.up, .gate = &layer.gate, .y = gated_.floats().data(), .units = groups});
  leave_out_units(layer_idx, chunk.full, /*are_heads=*/false, gated_.floats().data());
  linear(pool_, gated_.floats().data(), num_full, {.weight = &layer.down, .y = x, .accumulate = true});
  return {};
}

void Decoder::Forward::count_work(int64_t layer_idx, const LayerRows& rows, const Chunk& chunk) {
  const Layer& layer = decoder_.layers_.front();
  const auto size = [](const WeightMatrix& weight) { return static_cast<double>(weight.shape().num_elements()); };
  const auto share = [](const std::vector<uint8_t>& units) {
    const auto num_read = static_cast<double>(units.size() - std::ranges::count(units, 0));
    return units.empty() ? 1.0 : num_read / static_cast<double>(units.size());
  };
  const LayerUnits* units = common_units(layer_idx, rows);
  const double heads = units == nullptr ? 1 : share(units->heads);
  const double kv_heads = config_.num_kv_heads == config_.num_heads ? heads : 1;
  const double groups = units == nullptr ? 1 : share(units->groups);
  const double per_kv = kv_heads * (size(layer.k) + size(layer.v));
  const double per_full =
      heads * size(layer.q) + size(layer.o) + groups * (size(layer.gate) + size(layer.up)) + size(layer.down);
  for (const LayerSegment& segment : rows.segments) {
    ForwardTrace* trace = args_.sequences[segment.sequence_idx].trace;
    const int64_t begin = std::max(segment.kv_begin, chunk.begin);
    const int64_t end = std::min(segment.kv_end, chunk.end);
    if (trace == nullptr || begin >= end) continue;
    const int64_t num_full = std::count(rows.is_full.begin() + begin, rows.is_full.begin() + end, 1);
    trace->multiply_adds += static_cast<double>(end - begin) * per_kv + static_cast<double>(num_full) * per_full;
    trace->num_rows[static_cast<size_t>(layer_idx)] += num_full;
  }
}

Status Decoder::Forward::run_layer(int64_t layer_idx) {
  const LayerRows& rows = tracker_.rows_of(layer_idx);
  const auto num_kv = static_cast<int64_t>(rows.kv.size());
  for (int64_t begin = 0; begin < num_kv; begin += kChunkTokens) {
    Chunk chunk = {begin, std::min(begin + kChunkTokens, num_kv), {}, {}};
    chunk.kv = std::span(rows.kv).subspan(static_cast<size_t>(begin), static_cast<size_t>(chunk.end - begin));
    for (size_t i = 0; i < chunk.kv.size(); ++i) {
      if (rows.is_full[static_cast<size_t>(begin) + i] != 0) chunk.full.push_back(chunk.kv[i]);
    }
    const auto num_full = static_cast<int64_t>(chunk.full.size());
    const bool is_in_place = num_full == 0 || lie_together(chunk.full);
    float* x = is_in_place ? x_.row(num_full == 0 ? 0 : chunk.full.front()).data() : gathered_.floats().data();
    if (!is_in_place) rows_at(chunk.full, x);
    SACCADE_RETURN_IF_ERROR(run_chunk(layer_idx, rows, chunk, x));
    if (!is_in_place) put_back(chunk.full, x);
    count_work(layer_idx, rows, chunk);
    const double layers_done =
        static_cast<double>(layer_idx) + static_cast<double>(chunk.end) / static_cast<double>(num_kv);
    if (args_.progress && !args_.progress(layers_done / static_cast<double>(config_.num_layers))) {
      return cancelled("stopped while reading the prompt");
    }
  }
  return {};
}

void Decoder::Forward::settle_schedules(int64_t layer_idx) {
  for (size_t i = 0; i < args_.sequences.size(); ++i) {
    SequencePlan* plan = args_.sequences[i].plan;
    if (plan == nullptr || plan->scheduler == nullptr || plan->scheduler->num_prefix_layers() != layer_idx) continue;
    const int64_t last = tracker_.first_row(i) + args_.sequences[i].num_tokens - 1;
    plan->scheduler->settle(x_.row(last), *plan);
    plan->scheduler = nullptr;
    tracker_.plans_changed();
  }
}

/// How much the last of the rows looks at each of them in the layer: the mean over heads of the softmax of its scores,
/// [rows.size()]. One more row of attention, so that the attention of all can stay fused.
std::vector<float> Decoder::Forward::looked_at(int64_t layer_idx, std::span<const int32_t> rows) const {
  const Layer& layer = decoder_.layers_[static_cast<size_t>(layer_idx)];
  const auto count = static_cast<int64_t>(rows.size());
  const int64_t head_dim = config_.head_dim;
  const int64_t group = config_.num_heads / config_.num_kv_heads;
  Tensor normed({count, config_.model_dim});
  for (int64_t i = 0; i < count; ++i) {
    std::ranges::copy(x_.row(rows[static_cast<size_t>(i)]), normed.row(i).begin());
  }
  rms_norm(pool_, normed.floats().data(), layer.attention_norm.floats().data(), config_.rms_epsilon, count,
           config_.model_dim, normed.floats().data());
  Tensor keys({count, config_.kv_dim()});
  linear(pool_, normed.floats().data(), count, {.weight = &layer.k, .bias = layer.k_bias, .y = keys.floats().data()});
  Tensor query({1, config_.num_heads * head_dim});
  linear(pool_, normed.row(count - 1).data(), 1,
         {.weight = &layer.q, .bias = layer.q_bias, .y = query.floats().data()});
  rotate(rows, config_.num_kv_heads, keys.floats().data());
  rotate(rows.last(1), config_.num_heads, query.floats().data());
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  std::vector<float> mean(rows.size(), 0.0f);
  std::vector<float> scores(rows.size());
  for (int64_t head = 0; head < config_.num_heads; ++head) {
    const float* q = query.floats().data() + head * head_dim;
    for (int64_t i = 0; i < count; ++i) {
      const float* key = keys.row(i).data() + head / group * head_dim;
      scores[static_cast<size_t>(i)] = scale * std::inner_product(q, q + head_dim, key, 0.0f);
    }
    const float largest = *std::ranges::max_element(scores);
    float total = 0;
    for (float& score : scores) total += score = std::exp(score - largest);
    for (size_t i = 0; i < scores.size(); ++i) {
      mean[i] += scores[i] / (total * static_cast<float>(config_.num_heads));
    }
  }
  return mean;
}

void Decoder::Forward::rank_visual(int64_t layer_idx) {
  for (size_t i = 0; i < args_.sequences.size(); ++i) {
    const SequencePlan* plan = args_.sequences[i].plan;
    if (plan == nullptr) continue;
    const bool is_asked = std::ranges::any_of(
        plan->prunings, [&](const VisualPruning& pruning) { return pruning.rank_layer_idx == layer_idx; });
    if (!is_asked) continue;
    std::vector<int32_t> visual = tracker_.rows_left(i, /*visual_only=*/true);
    if (visual.empty()) continue;
    const std::vector<int32_t> rows = tracker_.rows_left(i, /*visual_only=*/false);
    std::erase(visual, rows.back());  // the row that looks stays
    const std::vector<float> looked = looked_at(layer_idx, rows);
    const auto score = [&](int32_t row) {
      return looked[static_cast<size_t>(std::ranges::lower_bound(rows, row) - rows.begin())];
    };
    std::ranges::stable_sort(visual, [&](int32_t a, int32_t b) { return score(a) > score(b); });
    rankings_[i] = std::move(visual);
  }
}

void Decoder::Forward::prune_visual(int64_t layer_idx) {
  for (size_t i = 0; i < args_.sequences.size(); ++i) {
    const SequencePlan* plan = args_.sequences[i].plan;
    if (plan == nullptr || rankings_[i].empty()) continue;
    for (const VisualPruning& pruning : plan->prunings) {
      if (pruning.layer_idx != layer_idx) continue;
      const auto wanted =
          static_cast<int64_t>(std::lround(pruning.keep_share * static_cast<double>(tracker_.num_visual(i))));
      const auto num_kept = static_cast<size_t>(std::max<int64_t>(1, wanted));
      while (rankings_[i].size() > num_kept) {
        tracker_.prune(rankings_[i].back());
        rankings_[i].pop_back();
      }
      if (ForwardTrace* trace = args_.sequences[i].trace) {
        trace->was_pruned = true;
        trace->visual_kept = tracker_.rows_left(i, /*visual_only=*/true);
      }
    }
  }
}

/// Rows of answers leave where their plans let them.
void Decoder::Forward::let_confident_rows_leave(int64_t layer_idx) {
  std::vector<int32_t> asked;
  std::vector<double> confidences;
  const auto logits_work = static_cast<double>(decoder_.output_.shape().num_elements());
  for (size_t i = 0; i < args_.sequences.size(); ++i) {
    const SequenceRows& sequence = args_.sequences[i];
    if (sequence.plan == nullptr || !sequence.plan->exit || !sequence.is_answer) continue;
    if (!std::ranges::binary_search(sequence.plan->exit->layers, layer_idx)) continue;
    for (int64_t row = tracker_.first_row(i); row < tracker_.first_row(i) + sequence.num_tokens; ++row) {
      if (!tracker_.is_active(static_cast<int32_t>(row))) continue;
      asked.push_back(static_cast<int32_t>(row));
      confidences.push_back(sequence.plan->exit->confidence);
      if (sequence.trace != nullptr) sequence.trace->multiply_adds += logits_work;
    }
  }
  if (asked.empty()) return;
  Tensor rows({static_cast<int64_t>(asked.size()), config_.model_dim});
  for (size_t i = 0; i < asked.size(); ++i) {
    std::ranges::copy(x_.row(asked[i]), rows.row(static_cast<int64_t>(i)).begin());
  }
  const Tensor logits = decoder_.logits(pool_, rows, rows.shape()[0]);
  for (size_t i = 0; i < asked.size(); ++i) {
    const std::span<const float> values = logits.row(static_cast<int64_t>(i));
    const float largest = *std::ranges::max_element(values);
    double total = 0;
    for (const float value : values) total += std::exp(static_cast<double>(value - largest));
    if (1.0 / total >= confidences[i]) tracker_.freeze(asked[i]);
  }
}

void Decoder::Forward::count_tokens() {
  const auto logits_work = static_cast<double>(decoder_.output_.shape().num_elements());
  for (size_t i = 0; i < args_.sequences.size(); ++i) {
    ForwardTrace* trace = args_.sequences[i].trace;
    if (trace == nullptr) continue;
    const int64_t num_tokens = args_.sequences[i].num_tokens;
    const int64_t num_behind = num_rows_ - tracker_.first_row(i) - num_tokens;
    trace->num_tokens += num_tokens;
    trace->multiply_adds +=
        static_cast<double>(std::clamp<int64_t>(args_.num_logit_rows - num_behind, 0, num_tokens)) * logits_work;
  }
}

Expected<Tensor> Decoder::Forward::run() {
  for (int64_t layer_idx = 0; layer_idx < config_.num_layers; ++layer_idx) {
    settle_schedules(layer_idx);
    rank_visual(layer_idx);
    prune_visual(layer_idx);
    if (Status status = run_layer(layer_idx); !status.is_ok()) {
      for (const SequenceRows& rows : args_.sequences) rows.kv->truncate(rows.kv->num_rows());
      return status;
    }
    let_confident_rows_leave(layer_idx);
  }
  for (const SequenceRows& rows : args_.sequences) rows.kv->advance(rows.num_tokens);
  count_tokens();
  if (args_.num_logit_rows == 0) return decoder_.normed(pool_, x_, num_rows_);
  return decoder_.logits(pool_, x_, args_.num_logit_rows);
}

Expected<Tensor> Decoder::forward(ThreadPool& pool, const ForwardArgs& args) const {
  assert(args.rows->shape()[0] > 0 && static_cast<int64_t>(args.positions.size()) == args.rows->shape()[0]);
  assert(args.num_logit_rows >= 0 && args.num_logit_rows <= args.rows->shape()[0]);
  return Forward(*this, pool, args).run();
}

Tensor Decoder::normed(ThreadPool& pool, const Tensor& x, int64_t num_rows) const {
  Tensor last = copy_rows(x, x.shape()[0] - num_rows, num_rows);
  rms_norm(pool, last.floats().data(), output_norm_.floats().data(), config_.rms_epsilon, num_rows, config_.model_dim,
           last.floats().data());
  return last;
}

Tensor Decoder::logits(ThreadPool& pool, const Tensor& x, int64_t num_rows) const {
  const Tensor last = normed(pool, x, num_rows);
  Tensor result({num_rows, config_.vocab_size});
  linear(pool, last.floats().data(), num_rows, {.weight = &output_, .y = result.floats().data()});
  return result;
}

}  // namespace saccade
