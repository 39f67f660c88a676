// A sweep's results, plan by plan: what the table, the JSON object and the charts show.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/eval_set.h"
#include "cli/sweep/results.h"
#include "cli/sweep/statistics.h"
#include "request/plan_text.h"

namespace saccade {

/// Latencies of the same questions in three states of the engine; medians.
struct ReuseRow {
  int64_t num_items = 0;
  WarmTimes cold;                          // nothing is kept
  WarmTimes same_picture;                  // the question before was about the same picture
  std::optional<WarmTimes> other_picture;  // it was about another one; none where the set has one picture
};

/// Means over the questions, but for latency_ms and ttft_ms, which are medians.
struct SweepRow {
  NamedPlan plan;
  std::string series;
  bool is_baseline = false;
  int64_t num_items = 0;
  double laid_out_tokens = 0;
  double encoded_tokens = 0;
  double visual_tokens = 0;
  double generated_tokens = 0;
  int num_layers = 0;
  double layers = 0;
  double decode_layers = 0;
  FlopCounts flops;
  double flops_share = 0;  // of the full plan's
  double latency_ms = 0;
  double latency_share = 0;
  double ttft_ms = 0;
  double prepare_ms = 0;
  double encode_ms = 0;
  double compress_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  double decode_flops_per_token = 0;  // of the tokens after the first
  double decode_ms_per_token = 0;
  double quality = 0;              // share of right answers; of an item without one: whether it is the full plan's
  double quality_error = 0;        // standard error of that, from the number of questions alone
  double quality_share = 0;        // of the full plan's
  double agreement = 0;            // share of answers that are the full plan's
  bool is_on_flops_front = false;  // no other plan has more quality for as many FLOPs
  bool is_on_ms_front = false;
  std::optional<ReuseRow> reuse;
};

/// Milliseconds by GFLOP over the rows.
struct Linearity {
  std::optional<LineFit> encode;
  std::optional<LineFit> prefill;
  std::optional<LineFit> decode;  // both for a token
};

/// "22.8 ms per GFLOP - 3.97 ms".
std::string line_text(const LineFit& fit);

struct SweepSummary {
  std::vector<SweepRow> rows;  // in the order of the plans, without those that were refused
  std::vector<std::pair<std::string, std::string>> refused;
  Linearity linearity;
  int64_t num_labelled = 0;  // of the questions that were asked
};

/// Over those questions that every plan was asked. `plans`: the full one first.
SweepSummary summarize(const SweepRecord& record, const std::vector<NamedPlan>& plans, const EvalSet& set);

}  // namespace saccade
