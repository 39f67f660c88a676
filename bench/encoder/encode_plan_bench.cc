// What the parts of an EncodePlan save: the time of an encode and its multiply-adds, beside those of the full plan.
//
//   encode_plan_bench MODEL [MMPROJ [THREADS [ROUNDS [WIDTH HEIGHT]]]]
//
// The vision part of MODEL, or MMPROJ (MODEL is then any language model: only the vision part is loaded). Medians; the
// plans take turns in every round.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "encoder/vision_encoder.h"
#include "platform/clock.h"

namespace saccade {
namespace {

struct Variant {
  const char* name;
  EncodePlan plan;
  std::vector<double> ms = {};
  std::vector<double> cpu_ms = {};  // of all threads: where others work on the machine too, with one thread, the truth
  double multiply_adds = 0;
  int64_t num_tokens = 0;
};

/// Pixels of colour that change from patch to patch, so that patches are as different as those of a photograph.
DecodedImage draw_picture(int width, int height) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  std::mt19937 random(1);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
  return at_full_size(std::move(image));
}

std::vector<Variant> make_variants(size_t num_tokens, int num_layers) {
  EncodePlan half;
  EncodePlan quarter;
  for (size_t i = 0; i < num_tokens; ++i) {
    half.is_seen.push_back(i % 2 == 0 ? 1 : 0);
    quarter.is_seen.push_back(i % 4 == 0 ? 1 : 0);
  }
  EncodePlan weighted;
  weighted.weights.assign(num_tokens, 2.0F);
  EncodePlan thinned;
  for (int i = 0; i < num_layers; ++i) thinned.runs_layer.push_back(i % 4 == 3 ? 0 : 1);
  EncodePlan observed;
  observed.wants_class_attention = true;
  observed.wants_keys = true;
  std::vector<Variant> variants = {
      {"full", {}}, {"half of the tokens seen", half}, {"a quarter", quarter}, {"a weight for every token", weighted}};
  for (const int num_merges : {8, 16}) {
    EncodePlan merged;
    merged.merges = {num_merges};
    variants.push_back({num_merges == 8 ? "8 merges in each layer" : "16", merged});
  }
  if (num_layers > 4) {
    EncodePlan dropped;
    dropped.drop = LayerDrop{num_layers / 4, 0.35, 10};
    variants.push_back({"35 % kept after a quarter of the layers", dropped});
  }
  variants.push_back({"every fourth layer left out", thinned});
  variants.push_back({"full, with class attention and keys", observed});
  return variants;
}

Status run(int argc, char** argv) {
  const auto number = [&](int idx, int fallback) { return argc > idx ? std::atoi(argv[idx]) : fallback; };
  SACCADE_ASSIGN_OR_RETURN(const ModelFiles files, ModelFiles::open(argv[1], argc > 2 ? argv[2] : ""));
  const Metadata& metadata = files.vision_metadata();
  constexpr const char* kWidth = "clip.vision.projection_dim";
  SACCADE_ASSIGN_OR_RETURN(const int64_t model_dim, metadata.integer(kWidth, 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(const auto encoder, VisionEncoder::load(files, model_dim));
  ThreadPool pool(number(3, 2));
  encoder->pack_weights(pool);
  const DecodedImage picture = draw_picture(number(5, 512), number(6, 512));
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, prepare_pixels(picture, encoder->pixel_spec(), pool));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<LayoutPiece> layout, encoder->layout(picture.original));
  size_t num_tokens = 0;
  for (const LayoutPiece& piece : layout) {
    if (const auto* grid = std::get_if<TokenGrid>(&piece)) num_tokens += static_cast<size_t>(grid->num_tokens);
  }
  std::vector<Variant> variants = make_variants(num_tokens, encoder->num_layers());
  for (int round = 0; round < number(4, 5); ++round) {
    for (Variant& variant : variants) {
      EncodeTrace trace;
      const Stopwatch clock;
      const std::clock_t cpu_begin = std::clock();
      SACCADE_ASSIGN_OR_RETURN(const auto pieces, encoder->encode(pixels, variant.plan, pool, trace, nullptr));
      variant.ms.push_back(clock.elapsed_ms());
      variant.cpu_ms.push_back(1e3 * static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC);
      variant.multiply_adds = trace.multiply_adds;
      variant.num_tokens = 0;
      for (const MediaPiece& piece : pieces) {
        if (const auto* tokens = std::get_if<MediaTokens>(&piece)) variant.num_tokens += tokens->vectors.shape()[0];
      }
    }
  }
  std::printf(
      "| plan | tokens | GMAC | of full | ms | of full | CPU ms | of full "
      "|\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
  const auto median = [](std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
  };
  const Variant& full = variants[0];
  for (const Variant& variant : variants) {
    std::printf("| %s | %lld | %.2f | %.2f | %.1f | %.2f | %.1f | %.2f |\n", variant.name,
                static_cast<long long>(variant.num_tokens), variant.multiply_adds / 1e9,
                variant.multiply_adds / full.multiply_adds, median(variant.ms), median(variant.ms) / median(full.ms),
                median(variant.cpu_ms), median(variant.cpu_ms) / median(full.cpu_ms));
  }
  return {};
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: encode_plan_bench MODEL [MMPROJ [THREADS [ROUNDS [WIDTH HEIGHT]]]]\n");
    return 2;
  }
  const saccade::Status status = saccade::run(argc, argv);
  if (!status.is_ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  return status.is_ok() ? 0 : 1;
}
