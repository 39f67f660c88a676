#include "cli/sweep/report.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/format.h"
#include "cli/json_output.h"
#include "cli/plot/cairo_paint.h"
#include "cli/plot/page.h"
#include "cli/plot/svg.h"
#include "cli/printable_text.h"
#include "cli/sweep/charts.h"
#include "cli/sweep/table.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kGiga = 1e9;

std::string percent(double share) {
  return format("%.1f %%", 100 * share);
}

std::string gflop(double flops) {
  return format(flops < 0.1 * kGiga ? "%.4f" : "%.2f", flops / kGiga);
}

std::string milliseconds(double ms) {
  return format("%.1f", ms);
}

std::string fronts_of(const SweepRow& row) {
  if (row.is_on_flops_front && row.is_on_ms_front) return "both";
  return row.is_on_flops_front ? "FLOP" : row.is_on_ms_front ? "ms" : "";
}

Table plan_table(const SweepSummary& summary) {
  Table table;
  table.columns = {
      {"plan", false, "what was left out"},
      {"tokens", true, "visual tokens that the decoder was given, in the mean"},
      {"layers", true, "decoder layers that a token of the prompt went through, in the mean"},
      {"GFLOP", true, "for a question: encoder, prefill and decoding"},
      {"of full", true, "share of the full plan's FLOPs"},
      {"ms", true, "latency, median"},
      {"of full", true, "share of the full plan's latency"},
      {"first", true, "milliseconds to the first token, median"},
      {"quality", true, "share of right answers; where the set has none, of answers equal to the full plan's"},
      {"+-", true, "standard error of the quality, from the number of questions alone"},
      {"of full", true, "share of the full plan's quality"},
      {"agrees", true, "share of answers equal to the full plan's"},
      {"front", false, "no other plan is better at no more FLOPs, or at no more milliseconds"}};
  for (const SweepRow& row : summary.rows) {
    table.rows.push_back({row.plan.name, format("%.1f", row.visual_tokens), format("%.1f", row.layers),
                          gflop(row.flops.total()), percent(row.flops_share), milliseconds(row.latency_ms),
                          percent(row.latency_share), milliseconds(row.ttft_ms), percent(row.quality),
                          format("%.1f", 100 * row.quality_error), percent(row.quality_share), percent(row.agreement),
                          fronts_of(row)});
  }
  return table;
}

Table stage_table(const SweepSummary& summary) {
  Table table;
  table.columns = {{"plan", false, "what was left out"},
                   {"encode GFLOP", true, "vision tower and projector"},
                   {"encode ms", true, ""},
                   {"compress ms", true, "finding and merging what is left out"},
                   {"prefill GFLOP", true, "the prompt through the decoder"},
                   {"prefill ms", true, ""},
                   {"decode GFLOP", true, "the answer"},
                   {"decode ms", true, ""}};
  for (const SweepRow& row : summary.rows) {
    table.rows.push_back({row.plan.name, gflop(row.flops.encode), milliseconds(row.encode_ms),
                          milliseconds(row.compress_ms), gflop(row.flops.prefill), milliseconds(row.prefill_ms),
                          gflop(row.flops.decode), milliseconds(row.decode_ms)});
  }
  return table;
}

Table reuse_table(const SweepSummary& summary) {
  Table table;
  table.columns = {
      {"plan", false, "what was left out"},  {"cold", true, "nothing is kept of any question"},
      {"first", true, "to the first token"}, {"same picture", true, "the question before was about the same picture"},
      {"first", true, "to the first token"}, {"other picture", true, "the question before was about another picture"},
      {"first", true, "to the first token"}};
  for (const SweepRow& row : summary.rows) {
    if (!row.reuse) continue;
    const auto& [num_items, cold, same, other] = *row.reuse;
    table.rows.push_back({row.plan.name, milliseconds(cold.latency_ms), milliseconds(cold.ttft_ms),
                          milliseconds(same.latency_ms), milliseconds(same.ttft_ms),
                          other ? milliseconds(other->latency_ms) : "", other ? milliseconds(other->ttft_ms) : ""});
  }
  return table;
}

int64_t num_asked_again(const SweepSummary& summary) {
  for (const SweepRow& row : summary.rows) {
    if (row.reuse) return row.reuse->num_items;
  }
  return 0;
}

std::string fit_text(const char* name, const std::optional<LineFit>& fit) {
  if (!fit) return format("%s: the plans do not differ enough for a line", name);
  return format("%s: %s, R2 %.4f over %d plans", name, line_text(*fit).c_str(), fit->r_squared, fit->num_points);
}

std::vector<std::string> linearity_lines(const Linearity& linearity) {
  return {fit_text("encode", linearity.encode), fit_text("prefill", linearity.prefill),
          fit_text("decode, a token", linearity.decode)};
}

int64_t num_asked(const SweepSummary& summary) {
  return summary.rows.empty() ? 0 : summary.rows.front().num_items;
}

// What stands over the tables, a line each.
std::vector<std::string> headlines(const SweepFacts& facts, const SweepSummary& summary) {
  const auto asked = static_cast<long long>(num_asked(summary));
  std::vector<std::string> lines;
  lines.push_back(format("model %s, %s", facts.model.c_str(), facts.info.family.c_str()));
  lines.push_back(format("set %s, %lld questions, %lld of them with an answer", facts.set.c_str(), asked,
                         static_cast<long long>(summary.num_labelled)));
  lines.push_back(format("on %s, %d %s, %lld %s of each", facts.info.isa.c_str(), facts.info.threads,
                         facts.info.threads == 1 ? "thread" : "threads", static_cast<long long>(facts.num_repeats),
                         facts.num_repeats == 1 ? "run" : "runs"));
  if (!facts.end.is_ok()) {
    lines.push_back(format("partial: only %lld of %lld questions were asked by every plan", asked,
                           static_cast<long long>(facts.num_questions)));
  }
  return lines;
}

std::vector<std::string> refusal_lines(const SweepSummary& summary) {
  std::vector<std::string> lines;
  for (const auto& [plan, reason] : summary.refused) {
    lines.push_back(format("left out: %s: %s", plan.c_str(), reason.c_str()));
  }
  return lines;
}

std::string reuse_title(const SweepSummary& summary) {
  return format("Asked cold, behind a question about the same picture, and about another one: ms over %lld questions",
                static_cast<long long>(num_asked_again(summary)));
}

Json to_json(const std::optional<LineFit>& fit) {
  if (!fit) return {};
  return {{"ms_per_gflop", fit->slope},
          {"intercept_ms", fit->intercept},
          {"r2", fit->r_squared},
          {"num_plans", fit->num_points}};
}

Json to_json(const WarmTimes& times) {
  return {{"latency_ms", times.latency_ms}, {"ttft_ms", times.ttft_ms}};
}

Json to_json(const std::optional<ReuseRow>& reuse) {
  if (!reuse) return {};
  return {{"num_items", reuse->num_items},
          {"cold", to_json(reuse->cold)},
          {"same_picture", to_json(reuse->same_picture)},
          {"other_picture", reuse->other_picture ? to_json(*reuse->other_picture) : Json()}};
}

Json to_json(const SweepRow& row) {
  return {{"plan", row.plan.name},
          {"plan_text", plan_text(row.plan.plan)},
          {"series", row.series},
          {"baseline", row.is_baseline},
          {"num_items", row.num_items},
          {"visual_tokens", row.visual_tokens},
          {"laid_out_tokens", row.laid_out_tokens},
          {"encoded_tokens", row.encoded_tokens},
          {"generated_tokens", row.generated_tokens},
          {"layers", row.layers},
          {"decode_layers", row.decode_layers},
          {"num_layers", row.num_layers},
          {"flops", row.flops.total()},
          {"flops_share", row.flops_share},
          {"encode_flops", row.flops.encode},
          {"prefill_flops", row.flops.prefill},
          {"decode_flops", row.flops.decode},
          {"latency_ms", row.latency_ms},
          {"latency_share", row.latency_share},
          {"ttft_ms", row.ttft_ms},
          {"prepare_ms", row.prepare_ms},
          {"encode_ms", row.encode_ms},
          {"compress_ms", row.compress_ms},
          {"prefill_ms", row.prefill_ms},
          {"decode_ms", row.decode_ms},
          {"quality", row.quality},
          {"quality_error", row.quality_error},
          {"quality_share", row.quality_share},
          {"agreement", row.agreement},
          {"on_flops_front", row.is_on_flops_front},
          {"on_ms_front", row.is_on_ms_front},
          {"reuse", to_json(row.reuse)}};
}

Status write_file(const std::string& path, const std::string& text) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "we"));
  const bool is_written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                          std::fflush(file.get()) == 0;
  return is_written ? Status() : io_error(path + ": cannot write: " + std::strerror(errno));
}

std::string sweep_markdown(const SweepFacts& facts, const SweepSummary& summary) {
  std::string text = "# Plans compared\n\n";
  const auto add_list = [&](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) text += "- " + one_line(line) + "\n";
    text += "\n";
  };
  add_list(headlines(facts, summary));
  text += to_markdown(plan_table(summary)) + "\n";
  if (!summary.refused.empty()) add_list(refusal_lines(summary));
  text += "![Quality and FLOPs](quality_flops.png)\n![Quality and milliseconds](quality_ms.png)\n\n## Stages\n\n" +
          to_markdown(stage_table(summary)) + "\n";
  add_list(linearity_lines(summary.linearity));
  text += "![Milliseconds and FLOPs](linearity.png)\n";
  if (num_asked_again(summary) > 0) {
    text += "\n## The same question again\n\n" + reuse_title(summary) + ".\n\n" + to_markdown(reuse_table(summary));
  }
  return text;
}

std::string sweep_html(const SweepFacts& facts, const SweepSummary& summary) {
  std::string html = plot::html_list(headlines(facts, summary));
  html += plot::to_svg(quality_chart(summary, CostAxis::kFlops)) + plot::to_svg(quality_chart(summary, CostAxis::kMs));
  html += "<h2>Plans</h2>\n" + to_html(plan_table(summary));
  if (!summary.refused.empty()) html += plot::html_list(refusal_lines(summary));
  html += "<h2>Milliseconds and FLOPs</h2>\n" + plot::to_svg(linearity_chart(summary));
  html += plot::html_list(linearity_lines(summary.linearity));
  html += to_html(stage_table(summary));
  if (num_asked_again(summary) > 0) {
    html += "<h2>The same question again</h2>\n<p>" + plot::escape_html(reuse_title(summary)) + ".</p>\n" +
            to_html(reuse_table(summary));
  }
  return plot::html_page("Plans compared", html + sortable_script());
}

}  // namespace

std::string sweep_text(const SweepFacts& facts, const SweepSummary& summary) {
  std::string text;
  const auto add_lines = [&](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) text += one_line(line) + "\n";
  };
  add_lines(headlines(facts, summary));
  text += "\n" + to_text(plan_table(summary)) + "\n";
  add_lines(linearity_lines(summary.linearity));
  if (num_asked_again(summary) > 0) text += "\n" + reuse_title(summary) + "\n" + to_text(reuse_table(summary));
  if (!summary.refused.empty()) text += "\n";
  add_lines(refusal_lines(summary));
  return text;
}

Json sweep_json(const SweepFacts& facts, const SweepSummary& summary) {
  Json rows = Json::array();
  for (const SweepRow& row : summary.rows) rows.push_back(to_json(row));
  Json refused = Json::array();
  for (const auto& [plan, reason] : summary.refused) refused.push_back({{"plan", plan}, {"reason", reason}});
  Json json = {{"model", facts.model},
               {"family", facts.info.family},
               {"set", facts.set},
               {"questions", facts.num_questions},
               {"asked", num_asked(summary)},
               {"labelled", summary.num_labelled},
               {"repeats", facts.num_repeats},
               {"isa", facts.info.isa},
               {"threads", facts.info.threads},
               {"rows", std::move(rows)},
               {"linearity",
                {{"encode", to_json(summary.linearity.encode)},
                 {"prefill", to_json(summary.linearity.prefill)},
                 {"decode_per_token", to_json(summary.linearity.decode)}}},
               {"left_out", std::move(refused)}};
  if (!facts.end.is_ok()) json["error"] = error_json(facts.end);
  return json;
}

Status write_sweep_files(const std::string& folder, const SweepFacts& facts, const SweepSummary& summary) {
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  const std::string json = sweep_json(facts, summary).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  SACCADE_RETURN_IF_ERROR(write_file(path("sweep.json"), json));
  SACCADE_RETURN_IF_ERROR(write_file(path("table.md"), sweep_markdown(facts, summary)));
  SACCADE_RETURN_IF_ERROR(write_file(path("sweep.html"), sweep_html(facts, summary)));
  SACCADE_RETURN_IF_ERROR(write_png(quality_chart(summary, CostAxis::kFlops), path("quality_flops.png")));
  SACCADE_RETURN_IF_ERROR(write_png(quality_chart(summary, CostAxis::kMs), path("quality_ms.png")));
  return write_png(linearity_chart(summary), path("linearity.png"));
}

}  // namespace saccade
