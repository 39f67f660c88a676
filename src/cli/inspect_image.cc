#include "cli/inspect_image.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"
#include "cli/exit_code.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/printable_text.h"
#include "cli/terminal.h"
#include "engine/model.h"
#include "media/content_crop.h"
#include "media/paint.h"
#include "media/png_writer.h"
#include "media/redundancy.h"
#include "platform/clock.h"
#include "platform/thread_pool.h"
#include "platform/whole_file.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

constexpr const char* kEstimator = "matrix-based Renyi entropy of order 2";

/// What a model's encoder would be given, and how much of it PixelPrune would leave.
struct EncoderFacts {
  std::string family;
  PixelLayout layout;
  int cell_px = 0;  // side of a visual token, in pixels of a tile
  PatchPruning exact;
  PatchPruning within_8;
  std::vector<Box> boxes;   // of its cells in the picture
  CellRange global_view;    // of those
  ImageSize cell_in_image;  // the first cell beside the global view, in whole pixels of the picture
};

/// What its tokens are behind the encoder.
struct MeasuredTokens {
  TokenFacts facts;
  std::string problem;  // why they are not measured; empty if they are
  double elapsed_ms = 0;
};

struct ImageFacts {
  ImageSize size;
  ImageSize cell;
  Redundancy redundancy;
  ContentCrop content;
  std::optional<EncoderFacts> encoder;
  std::optional<MeasuredTokens> tokens;
  double decode_ms = 0;
  double measure_ms = 0;
};

/// The side of one visual token: every family's first grid is that of one tile.
Expected<int> cell_size(const VisionEncoder& vision, ImageSize size, const PixelLayout& layout) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<LayoutPiece> pieces, vision.layout(size));
  for (const LayoutPiece& piece : pieces) {
    if (const auto* grid = std::get_if<TokenGrid>(&piece)) return layout.tile.width / grid->extent.x;
  }
  return internal_error("the model's layout of a picture has no tokens");
}

Expected<EncoderFacts> measure_encoder_input(const DecodedImage& decoded, const InspectImageOptions& options,
                                             ThreadPool& pool) {
  SACCADE_ASSIGN_OR_RETURN(const Model model, Model::load(options.model_path, options.mmproj_path));
  if (model.vision == nullptr) {
    return invalid_argument(options.model_path + " is a language model alone; give its vision part with --mmproj FILE");
  }
  const PixelSpec& spec = model.vision->pixel_spec();
  EncoderFacts facts;
  facts.family = model.vision->family();
  SACCADE_ASSIGN_OR_RETURN(facts.layout, plan_pixels(decoded.original, spec));
  SACCADE_ASSIGN_OR_RETURN(facts.cell_px, cell_size(*model.vision, decoded.original, facts.layout));
  const ImageSize cell = {facts.cell_px, facts.cell_px};
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, prepare_pixels(decoded, spec, pool));
  const Normalization& normalization = std::visit(
      [](const auto& s) -> auto& { return s.normalization; }, spec);
  facts.exact = prune_equal_patches(pixels, cell, normalization, {0}, pool);
  facts.within_8 = prune_equal_patches(pixels, cell, normalization, {8}, pool);
  facts.boxes = cells_in_picture(decoded.original, spec, facts.layout, cell);
  facts.global_view = cells_of_global_view(spec, facts.layout, cell);
  const int grid_tile = facts.global_view.begin == 0 && facts.global_view.end > 0 ? 1 : 0;
  const Box tile = tile_in_picture(decoded.original, spec, facts.layout, grid_tile);
  const auto in_image = [&](double tile_side, int tile_px) {
    return std::max(1, static_cast<int>(std::lround(tile_side * facts.cell_px / tile_px)));
  };
  facts.cell_in_image = {in_image(tile.width, facts.layout.tile.width),
                         in_image(tile.height, facts.layout.tile.height)};
  return facts;
}

/// A picture of too many tokens is still one whose pixels can be shown.
Expected<MeasuredTokens> measure_tokens(const InspectImageOptions& options) {
  EngineOptions engine_options;
  engine_options.model_path = options.model_path;
  engine_options.mmproj_path = options.mmproj_path;
  SACCADE_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, load_engine(engine_options));
  const ContentPart picture = {ContentPart::Kind::kImage, "", options.image_path, {}};
  MeasuredTokens tokens;
  const Stopwatch clock;
  ProgressLine line;
  auto facts = engine->measure_tokens(picture, options.plan, [&](const Progress& now) {
    line.show(now.stage, now.fraction);
    return !is_interrupted();
  });
  tokens.elapsed_ms = clock.elapsed_ms();
  if (facts) {
    tokens.facts = *std::move(facts);
  } else if (facts.status().code() == StatusCode::kResourceExhausted) {
    tokens.problem = facts.status().message();
  } else {
    return facts.status();
  }
  return tokens;
}

Expected<DecodedImage> read_image(const std::string& path) {
  const ImageLimits limits;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, limits.max_file_bytes));
  auto image = decode_image(bytes, limits);
  if (!image) return image.status().with_context(path);
  return at_full_size(*std::move(image));
}

Expected<ImageFacts> measure(const InspectImageOptions& options, DecodedImage& decoded) {
  ImageFacts facts;
  const Stopwatch decode_time;
  SACCADE_ASSIGN_OR_RETURN(decoded, read_image(options.image_path));
  facts.decode_ms = decode_time.elapsed_ms();
  facts.size = decoded.original;
  facts.cell = {options.cell_px, options.cell_px};
  ThreadPool pool(0);
  if (!options.model_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(facts.encoder, measure_encoder_input(decoded, options, pool));
    facts.cell = facts.encoder->cell_in_image;
    SACCADE_ASSIGN_OR_RETURN(facts.tokens, measure_tokens(options));
  }
  const Stopwatch measure_time;
  facts.redundancy = measure_redundancy(decoded.image, facts.cell, pool);
  facts.content = find_content(decoded);
  facts.measure_ms = measure_time.elapsed_ms();
  return facts;
}

/// Of the picture's cell that holds the middle of `box`.
double similarity_at(const ImageFacts& facts, const Box& box) {
  const Redundancy& redundancy = facts.redundancy;
  const auto cell_at = [](double position, int cell, int count) {
    return std::clamp(static_cast<int>(position / cell), 0, count - 1);
  };
  const int row = cell_at(box.top + box.height / 2, facts.cell.height, redundancy.rows);
  const int col = cell_at(box.left + box.width / 2, facts.cell.width, redundancy.cols);
  return redundancy
      .similarity[static_cast<size_t>(row) * static_cast<size_t>(redundancy.cols) + static_cast<size_t>(col)];
}

bool is_predicted(const PatchPruning& pruning, int cell_idx) {
  return pruning.is_seen[static_cast<size_t>(cell_idx)] == 0;
}

/// The cells that the encoder would be given beside a global view, or the picture's own.
std::vector<CellHeat> heat_of(const ImageFacts& facts) {
  std::vector<CellHeat> heat;
  if (facts.encoder) {
    const EncoderFacts& encoder = *facts.encoder;
    for (int i = 0; i < static_cast<int>(encoder.boxes.size()); ++i) {
      if (i >= encoder.global_view.begin && i < encoder.global_view.end) continue;
      const Box& box = encoder.boxes[static_cast<size_t>(i)];
      heat.push_back(
          {box, similarity_at(facts, box), is_predicted(encoder.exact, i), is_predicted(encoder.within_8, i)});
    }
    return heat;
  }
  for (int i = 0; i < facts.redundancy.num_cells(); ++i) {
    const int row = i / facts.redundancy.cols;
    const int col = i % facts.redundancy.cols;
    const double width = facts.cell.width;
    const double height = facts.cell.height;
    const Box box = {col * width, row * height, width, height};
    heat.push_back({box, facts.redundancy.similarity[static_cast<size_t>(i)], is_predicted(facts.redundancy.exact, i),
                    is_predicted(facts.redundancy.within_8, i)});
  }
  return heat;
}

Status write_map(const InspectImageOptions& options, const ImageFacts& facts, const Image& image) {
  std::error_code ignored;
  if (std::filesystem::equivalent(options.map_path, options.image_path, ignored)) {
    return invalid_argument(options.map_path + ": is the picture itself; give another name for its map");
  }
  return write_png(paint_heat(image, heat_of(facts)), options.map_path);
}

std::string hex_color(const std::array<uint8_t, 3>& color) {
  return format("#%02x%02x%02x", color[0], color[1], color[2]);
}

nlohmann::ordered_json encoder_json(const EncoderFacts& encoder) {
  return {{"family", encoder.family},
          {"tiles", encoder.layout.num_tiles},
          {"tile", {{"width", encoder.layout.tile.width}, {"height", encoder.layout.tile.height}}},
          {"cell_px", encoder.cell_px},
          {"cells", encoder.exact.num_cells()},
          {"unique_cells", encoder.exact.num_seen},
          {"unique_cells_within_8", encoder.within_8.num_seen}};
}

nlohmann::ordered_json tokens_json(const MeasuredTokens& tokens) {
  if (!tokens.problem.empty()) return {{"problem", tokens.problem}};
  const TokenFacts& facts = tokens.facts;
  return {{"count", facts.num_tokens},
          {"neighbour_cosine", facts.neighbour_cosine},
          {"unique_share", facts.unique_share},
          {"effective_rank", facts.effective_rank},
          {"entropy_bits", facts.entropy_bits},
          {"entropy_estimator", kEstimator},
          {"kept",
           {{"strategy", facts.strategy},
            {"count", facts.num_kept},
            {"mutual_bits", facts.mutual_bits},
            {"mutual_bits_of_all", facts.mutual_bits_of_all},
            {"conditional_bits", facts.conditional_bits},
            {"conditional_bits_of_all", facts.conditional_bits_of_all}}},
          {"elapsed_ms", tokens.elapsed_ms}};
}

void print_facts(const InspectImageOptions& options, const ImageFacts& facts) {
  const Redundancy& redundancy = facts.redundancy;
  const Window& content = facts.content.original;
  nlohmann::ordered_json json = {
      {"path", options.image_path},
      {"width", facts.size.width},
      {"height", facts.size.height},
      {"cell", {{"width", facts.cell.width}, {"height", facts.cell.height}}},
      {"rows", redundancy.rows},
      {"cols", redundancy.cols},
      {"unique_share", redundancy.unique_share},
      {"unique_share_within_8", redundancy.unique_share_within_8},
      {"neighbour_correlation", redundancy.neighbour_correlation},
      {"background", {{"color", hex_color(redundancy.background)}, {"share", redundancy.background_share}}},
      {"survives", {{"half", redundancy.survives_half}, {"quarter", redundancy.survives_quarter}}},
      {"edge_share", redundancy.edge_share},
      {"cell_entropy_bits", redundancy.cell_entropy_bits},
      {"content",
       {{"left", content.left},
        {"top", content.top},
        {"width", content.size.width},
        {"height", content.size.height},
        {"is_cut", facts.content.is_cut}}},
  };
  if (facts.encoder) json["encoder"] = encoder_json(*facts.encoder);
  if (facts.tokens) json["tokens"] = tokens_json(*facts.tokens);
  if (!options.map_path.empty()) json["map"] = options.map_path;
  json["decode_ms"] = facts.decode_ms;
  json["measure_ms"] = facts.measure_ms;
  print_json(json);
}

void print_row(const char* name, const std::string& value) {
  std::printf("  %-13s %s\n", name, one_line(value).c_str());
}

std::string percent(double share) {
  return format("%.1f %%", 100 * share);
}

std::string content_text(const ImageFacts& facts) {
  if (!facts.content.is_cut) return "no empty margins worth cutting";
  const Window& content = facts.content.original;
  const double kept = static_cast<double>(content.size.width) * content.size.height /
                      (static_cast<double>(facts.size.width) * facts.size.height);
  return format("%d x %d pixels at (%d, %d); the other %s are empty margins", content.size.width, content.size.height,
                content.left, content.top, percent(1 - kept).c_str());
}

void print_tokens(const MeasuredTokens& tokens) {
  if (!tokens.problem.empty()) {
    print_row("tokens", "not measured: " + tokens.problem);
    return;
  }
  const TokenFacts& facts = tokens.facts;
  const auto as_long = [](int64_t count) { return static_cast<long long>(count); };
  print_row("tokens", format("%lld, %s of them unlike those before (cosine under 0.9), neighbours' cosine %.3f",
                             as_long(facts.num_tokens), percent(facts.unique_share).c_str(), facts.neighbour_cosine));
  print_row("rank", format("%.1f effectively (participation ratio of the cosines), of at most %lld",
                           facts.effective_rank, as_long(facts.num_tokens)));
  print_row("information", format("%.2f of at most %.2f bits (%s)", facts.entropy_bits,
                                  std::log2(static_cast<double>(facts.num_tokens)), kEstimator));
  print_row("kept", format("%lld by %s: they share I(X; Y) = %.2f bits with all (all: %.2f), H(X|Y) = %.2f are lost "
                           "(all: %.2f)",
                           as_long(facts.num_kept), facts.strategy.c_str(), facts.mutual_bits, facts.mutual_bits_of_all,
                           facts.conditional_bits, facts.conditional_bits_of_all));
}

void print_table(const InspectImageOptions& options, const ImageFacts& facts) {
  const Redundancy& redundancy = facts.redundancy;
  std::printf("%s\n", one_line(options.image_path).c_str());
  print_row("picture", format("%d x %d pixels, in %d x %d cells of %d x %d", facts.size.width, facts.size.height,
                              redundancy.cols, redundancy.rows, facts.cell.width, facts.cell.height));
  print_row("unique",
            format("%s of the cells are not predicted exactly by their neighbours, %s not within 8 levels",
                   percent(redundancy.unique_share).c_str(), percent(redundancy.unique_share_within_8).c_str()));
  print_row("neighbours", format("correlation %.3f (1: cells equal those beside them, 0: no more than any two pixels)",
                                 redundancy.neighbour_correlation));
  print_row("background", format("%s of the cells are %s", percent(redundancy.background_share).c_str(),
                                 hex_color(redundancy.background).c_str()));
  print_row("resolution",
            format("%s of the variance survives halving it, %s a quarter of it",
                   percent(redundancy.survives_half).c_str(), percent(redundancy.survives_quarter).c_str()));
  print_row("edges", percent(redundancy.edge_share) + " of the pixels");
  print_row("entropy", format("%.2f bits within a cell (plug-in estimate, 16 levels)", redundancy.cell_entropy_bits));
  print_row("content", content_text(facts));
  if (facts.encoder) {
    const EncoderFacts& encoder = *facts.encoder;
    print_row("encoder",
              format("%s: %d %s of %d x %d, %d cells of %d x %d pixels; %d unique, %d within 8 levels",
                     encoder.family.c_str(), encoder.layout.num_tiles, encoder.layout.num_tiles == 1 ? "tile" : "tiles",
                     encoder.layout.tile.width, encoder.layout.tile.height, encoder.exact.num_cells(), encoder.cell_px,
                     encoder.cell_px, encoder.exact.num_seen, encoder.within_8.num_seen));
  }
  if (facts.tokens) print_tokens(*facts.tokens);
  std::string times = format("decoding %.1f ms, measuring %.1f ms", facts.decode_ms, facts.measure_ms);
  if (facts.tokens) times += format(", encoding and measuring tokens %.1f ms", facts.tokens->elapsed_ms);
  print_row("time", times);
  if (options.map_path.empty()) {
    print_row("map", "--map FILE.png writes the picture with its redundant cells marked");
  } else {
    print_row("map", options.map_path);
  }
}

}  // namespace

int inspect_image(const InspectImageOptions& options) {
  DecodedImage decoded;
  const auto facts = measure(options, decoded);
  if (!facts) return report_error(facts.status(), options.is_json);
  if (!options.map_path.empty()) {
    if (Status status = write_map(options, *facts, decoded.image); !status.is_ok()) {
      return report_error(status, options.is_json);
    }
  }
  options.is_json ? print_facts(options, *facts) : print_table(options, *facts);
  return kExitOk;
}

}  // namespace saccade
