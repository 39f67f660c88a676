#include "engine/prompt.h"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/format.h"

namespace saccade {
namespace {

/// Lays rows out one after the other: collects runs of text, and encodes them when a picture or the end comes.
class PromptBuilder {
 public:
  explicit PromptBuilder(const Model& model)
      : model_(model), is_multidimensional_(model.decoder->config().rope.is_multidimensional()) {}

  void add_text(std::string_view text, bool is_control) { runs_.push_back({text, is_control}); }

  void add_grid(const TokenGrid& grid, int picture_idx, int media_idx, const PictureFacts& picture) {
    flush_text();
    const std::vector<int32_t>* kept = picture.kept.empty() ? nullptr : &picture.kept[static_cast<size_t>(media_idx)];
    MediaRun run;
    run.picture_idx = picture_idx;
    run.media_idx = media_idx;
    run.first_row = prompt_.num_rows();
    run.num_tokens = kept == nullptr ? grid.num_tokens : static_cast<int64_t>(kept->size());
    run.num_laid_out = grid.num_tokens;
    run.first_position = prompt_.next_position;
    run.is_repacked = picture.is_repacked;
    for (int64_t i = 0; i < run.num_tokens; ++i) {
      const auto cell = static_cast<uint64_t>(kept == nullptr ? i : (*kept)[static_cast<size_t>(i)]);
      const uint64_t identity[3] = {picture.digest, static_cast<uint64_t>(media_idx), cell};
      add_row(Prompt::kMediaRow, {}, XXH3_64bits(identity, sizeof identity));
    }
    // Under M-RoPE a grid takes as many positions as its longest side (arXiv 2409.12191, section 2.1). What is left of
    // a grid takes as many as the whole.
    const auto in_line = static_cast<int32_t>(run.is_repacked ? run.num_tokens : grid.num_tokens);
    prompt_.next_position += is_multidimensional_ ? std::max({grid.extent.t, grid.extent.y, grid.extent.x}) : in_line;
    prompt_.media.push_back(run);
  }

  Prompt finish() {
    if (!runs_.empty()) flush_text();
    return std::move(prompt_);
  }

 private:
  // Encodes the text so far. In front of a picture that begins the prompt there is none, but perhaps a BOS to add.
  void flush_text() {
    for (const TokenId token : model_.tokenizer->encode_runs(runs_, prompt_.num_rows() == 0)) {
      const int32_t position = prompt_.next_position++;
      add_row(token, {position, position, position}, static_cast<uint64_t>(token));
    }
    runs_.clear();
  }

  void add_row(TokenId token, TokenPosition position, uint64_t fingerprint) {
    prompt_.tokens.push_back(token);
    prompt_.positions.push_back(position);
    prompt_.fingerprints.push_back(fingerprint);
  }

  const Model& model_;
  const bool is_multidimensional_;
  std::vector<TextRun> runs_;
  Prompt prompt_;
};

}  // namespace

int64_t Prompt::num_visual() const {
  int64_t count = 0;
  for (const MediaRun& run : media) count += run.num_tokens;
  return count;
}

std::vector<uint8_t> Prompt::visual_rows() const {
  std::vector<uint8_t> is_visual(tokens.size(), 0);
  for (const MediaRun& run : media) {
    std::fill_n(is_visual.begin() + static_cast<ptrdiff_t>(run.first_row), run.num_tokens, uint8_t{1});
  }
  return is_visual;
}

void Prompt::add_budget_row() {
  tokens.push_back(kMediaRow);
  positions.push_back({next_position, next_position, next_position});
  fingerprints.push_back(0);  // sequences with a scheduler are never taken over
  ++next_position;
  has_budget_row = true;
}

Expected<Prompt> build_prompt(const Model& model, std::span<const PromptSpan> spans,
                              std::span<const PictureFacts> pictures) {
  const auto num_places = std::ranges::count(spans, PromptSpan::Kind::kImage, &PromptSpan::kind);
  if (static_cast<size_t>(num_places) != pictures.size()) {
    return invalid_argument(
        format("the chat template made %zu places for %zu pictures", static_cast<size_t>(num_places), pictures.size()));
  }
  PromptBuilder builder(model);
  std::vector<std::vector<LayoutPiece>> layouts;  // the builder's runs look into their strings
  layouts.reserve(pictures.size());
  for (const PromptSpan& span : spans) {
    if (span.kind != PromptSpan::Kind::kImage) {
      builder.add_text(span.text, span.kind == PromptSpan::Kind::kTemplate);
      continue;
    }
    const size_t picture_idx = layouts.size();
    const PictureFacts& picture = pictures[picture_idx];
    SACCADE_ASSIGN_OR_RETURN(std::vector<LayoutPiece> pieces,
                             model.vision->layout(picture.size, picture.spec.value_or(model.vision->pixel_spec())));
    layouts.push_back(std::move(pieces));
    int media_idx = 0;
    for (const LayoutPiece& piece : layouts.back()) {
      if (const auto* text = std::get_if<std::string>(&piece)) {
        builder.add_text(*text, /*is_control=*/true);
      } else {
        builder.add_grid(std::get<TokenGrid>(piece), static_cast<int>(picture_idx), media_idx++, picture);
      }
    }
  }
  return builder.finish();
}

std::vector<float> key_biases(const Prompt& prompt, std::span<const MediaTokens* const> vectors) {
  std::vector<float> biases;
  for (size_t run_idx = 0; run_idx < prompt.media.size(); ++run_idx) {
    if (vectors[run_idx] == nullptr || vectors[run_idx]->weights.empty()) continue;
    biases.resize(prompt.tokens.size(), 0.0F);
    const std::vector<float>& weights = vectors[run_idx]->weights;
    for (size_t i = 0; i < weights.size(); ++i) {
      biases[static_cast<size_t>(prompt.media[run_idx].first_row) + i] = std::log(weights[i]);
    }
  }
  return biases;
}

Tensor embed_rows(const Model& model, Prompt& prompt, int64_t first_row, std::span<const MediaTokens* const> vectors) {
  const int64_t model_dim = model.decoder->config().model_dim;
  const bool is_multidimensional = model.decoder->config().rope.is_multidimensional();
  Tensor rows({prompt.num_rows() - first_row, model_dim});
  for (int64_t row = first_row; row < prompt.num_rows(); ++row) {
    const TokenId token = prompt.tokens[static_cast<size_t>(row)];
    if (token != Prompt::kMediaRow) model.decoder->embed(token, rows.row(row - first_row));
  }
  for (size_t run_idx = 0; run_idx < prompt.media.size(); ++run_idx) {
    const MediaRun& run = prompt.media[run_idx];
    for (int64_t i = std::max<int64_t>(first_row - run.first_row, 0); i < run.num_tokens; ++i) {
      assert(vectors[run_idx] != nullptr);
      const MediaTokens& tokens = *vectors[run_idx];
      std::ranges::copy(tokens.vectors.row(i), rows.row(run.first_row + i - first_row).begin());
      const Place place = tokens.places[static_cast<size_t>(i)];
      const int32_t base = run.first_position;
      const bool is_thinned = !run.is_repacked && !tokens.cells.empty();
      const auto in_line = base + (is_thinned ? tokens.cells[static_cast<size_t>(i)] : static_cast<int32_t>(i));
      prompt.positions[static_cast<size_t>(run.first_row + i)] =
          is_multidimensional ? TokenPosition{base + place.t, base + place.y, base + place.x}
                              : TokenPosition{in_line, in_line, in_line};
    }
  }
  return rows;
}

}  // namespace saccade
