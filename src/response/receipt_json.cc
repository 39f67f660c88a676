#include "response/receipt_json.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/format.h"
#include "response/budget_text.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

std::array<std::pair<const char*, double>, 11> stage_list(const StageTimes& stages) {
  return {{{"load", stages.load},
           {"media_decode", stages.media_decode},
           {"prompt", stages.prompt},
           {"resize", stages.resize},
           {"encode", stages.encode},
           {"project", stages.project},
           {"describe", stages.describe},
           {"compress", stages.compress},
           {"prefill", stages.prefill},
           {"decode", stages.decode},
           {"wait", stages.wait}}};
}

// What became of a picture's tokens, where they became fewer.
std::string picture_line(const PictureReceipt& picture, size_t number) {
  if (picture.use == PictureUse::kNone) return format("  picture %zu: left out\n", number);
  if (picture.use == PictureUse::kText) {
    return format("  picture %zu: %lld tokens of text in its place\n", number,
                  static_cast<long long>(picture.text_tokens));
  }
  if (picture.visual_tokens == picture.laid_out_tokens) return "";
  std::string line =
      format("  picture %zu: %lld of %lld visual tokens", number, static_cast<long long>(picture.visual_tokens),
             static_cast<long long>(picture.laid_out_tokens));
  if (picture.encoded_tokens > 0) line += format(", %lld encoded", static_cast<long long>(picture.encoded_tokens));
  return line + "\n";
}

}  // namespace

nlohmann::ordered_json receipt_json(const Receipt& receipt) {
  Json stages;
  for (const auto& [name, ms] : stage_list(receipt.stages_ms)) stages[name] = rounded(ms);
  Json pictures = Json::array();
  for (const PictureReceipt& picture : receipt.pictures) {
    pictures.push_back({{"name", picture.name},
                        {"use", to_string(picture.use)},
                        {"text_tokens", picture.text_tokens},
                        {"width", picture.width},
                        {"height", picture.height},
                        {"resized_width", picture.resized_width},
                        {"resized_height", picture.resized_height},
                        {"tiles", picture.num_tiles},
                        {"full_tokens", picture.full_tokens},
                        {"laid_out_tokens", picture.laid_out_tokens},
                        {"encoded_tokens", picture.encoded_tokens},
                        {"visual_tokens", picture.visual_tokens},
                        {"cached", picture.is_cached},
                        {"encoded_before", picture.was_encoded}});
  }
  Json json = {
      {"request_id", receipt.request_id},
      {"plan", receipt.plan},
      {"model", receipt.model},
      {"family", receipt.family},
      {"isa", receipt.isa},
      {"threads", receipt.threads},
      {"latency_ms", rounded(receipt.latency_ms)},
      {"ttft_ms", receipt.ttft_ms ? Json(rounded(*receipt.ttft_ms)) : Json()},
      {"stages_ms", std::move(stages)},
      {"tokens",
       {{"text", receipt.tokens.text},
        {"visual", receipt.tokens.visual},
        {"budget", receipt.tokens.budget},
        {"cached", receipt.tokens.cached},
        {"generated", receipt.tokens.generated},
        {"guessed", receipt.tokens.guessed},
        {"guessed_right", receipt.tokens.guessed_right}}},
      {"flops",
       {{"encode", receipt.flops.encode},
        {"prefill", receipt.flops.prefill},
        {"decode", receipt.flops.decode},
        {"total", receipt.flops.total()}}},
      {"decoder",
       {{"num_layers", receipt.decoder.num_layers},
        {"layers", receipt.decoder.layers},
        {"prefill_layers", rounded(receipt.decoder.prefill_layers)},
        {"decode_layers", rounded(receipt.decoder.decode_layers)},
        {"last_visual_tokens", receipt.decoder.last_visual_tokens}}},
      {"tokens_per_second", rounded(receipt.tokens_per_second)},
      {"peak_memory_bytes", receipt.peak_memory_bytes},
      {"pictures", std::move(pictures)},
      {"chat_template", receipt.chat_template},
      {"finish_reason", receipt.finish_reason},
      {"seed", receipt.seed},
  };
  if (receipt.budget) json["budget"] = budget_json(*receipt.budget);
  if (receipt.cost) json["cost"] = cost_json(*receipt.cost);
  if (!receipt.chat_template_note.empty()) json["chat_template_note"] = receipt.chat_template_note;
  return json;
}

std::string answer_json(const Answer& answer) {
  const Json json = {{"answer", answer.text}, {"receipt", receipt_json(answer.receipt)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string receipt_table(const Receipt& receipt) {
  std::string table = "  stage            ms\n";
  for (const auto& [name, ms] : stage_list(receipt.stages_ms)) {
    const bool is_rare = std::string_view(name) == "describe" || std::string_view(name) == "wait";
    if (!is_rare || ms > 0) table += format("  %-12s %8.1f\n", name, ms);
  }
  table += format("  %-12s %8.1f", "total", receipt.latency_ms);
  if (receipt.ttft_ms) table += format("   first token after %.1f", *receipt.ttft_ms);
  table += '\n';
  table += format("  tokens: %lld text, %lld visual", static_cast<long long>(receipt.tokens.text),
                  static_cast<long long>(receipt.tokens.visual));
  if (receipt.tokens.budget > 0) table += format(", %lld of the budget", static_cast<long long>(receipt.tokens.budget));
  if (receipt.tokens.cached > 0) table += format(" (%lld cached)", static_cast<long long>(receipt.tokens.cached));
  table += format(", %lld generated", static_cast<long long>(receipt.tokens.generated));
  if (receipt.tokens_per_second > 0) table += format(", %.1f tokens/s", receipt.tokens_per_second);
  table += '\n';
  for (size_t i = 0; i < receipt.pictures.size(); ++i) table += picture_line(receipt.pictures[i], i + 1);
  const DecoderUse& decoder = receipt.decoder;
  table +=
      format("  %.1f GFLOP: %.1f looking, %.1f reading, %.1f answering; layers %.1f of %d reading, %.1f answering\n",
             receipt.flops.total() / 1e9, receipt.flops.encode / 1e9, receipt.flops.prefill / 1e9,
             receipt.flops.decode / 1e9, decoder.prefill_layers, decoder.num_layers, decoder.decode_layers);
  table += budget_lines(receipt) + cost_line(receipt);
  table += format("  %s, %d %s, peak memory %s\n", receipt.isa.c_str(), receipt.threads,
                  receipt.threads == 1 ? "thread" : "threads", format_bytes(receipt.peak_memory_bytes).c_str());
  return table;
}

}  // namespace saccade
