// Random models, machines, quality tables and requests, for trying the planner without any model loaded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "planner/planner.h"

namespace saccade {

class RandomRequests {
 public:
  explicit RandomRequests(uint64_t seed) : random_(seed) {}

  double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }
  int64_t count(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  bool chance(double share) { return between(0, 1) < share; }

  ModelShape shape() {
    ModelShape shape;
    TowerShape tower;
    tower.num_layers = count(4, 32);
    tower.dim = 64 * count(4, 24);
    tower.ffn_dim = 4 * tower.dim;
    tower.patch_elements = 3 * 14 * 14;
    tower.patches_per_token = chance(0.5) ? 1 : 4;
    tower.projector_weights = static_cast<double>(tower.dim) * 1024;
    shape.tower = tower;
    DecoderShape& decoder = shape.decoder;
    decoder.num_layers = count(4, 48);
    decoder.model_dim = 64 * count(4, 64);
    decoder.q_dim = decoder.model_dim;
    decoder.kv_dim = decoder.model_dim / (chance(0.5) ? 1 : 4);
    decoder.ffn_dim = 3 * decoder.model_dim;
    decoder.vocab_size = count(500, 50000);
    return shape;
  }

  Hardware hardware() {
    Hardware hardware = unmeasured_processor();
    for (Hardware::Rate& rate : hardware.linear) rate.gflops *= between(0.2, 5);
    hardware.memory_gbytes *= between(0.2, 5);
    return hardware;
  }

  /// Descending losses at rest 0; not always monotone where measured ones would not be either.
  ClassQuality quality() {
    ClassQuality quality;
    for (size_t lever = 0; lever < kNumLevers; ++lever) {
      const bool has_indices = is_index(static_cast<Lever>(lever));
      double loss = 0;
      for (int i = 0; i < 4; ++i) {
        quality.curves[lever].push_back({has_indices ? i : 1 - 0.25 * i, loss});
        loss += between(0, 0.15);
      }
    }
    return quality;
  }

  LeverOptions options() {
    LeverOptions options = {{{1}, {0}, {1}, {1}, {1}, {0}}};
    for (const Lever lever : {Lever::kScale, Lever::kEncoderLayers, Lever::kKeep, Lever::kLayers}) {
      const int64_t num = count(0, 5);
      for (int64_t i = 1; i <= num; ++i) {
        options_of(options, lever).push_back(1 - 0.75 * static_cast<double>(i) / static_cast<double>(num));
      }
    }
    const int64_t num_skips = count(1, static_cast<int64_t>(kSkips.size()));
    for (int64_t i = 1; i < num_skips; ++i) options_of(options, Lever::kSkip).push_back(static_cast<double>(i));
    return options;
  }

  PlanRequest request() {
    PlanRequest request;
    request.options = options();
    request.task_class = kAnyClass;
    PlanFacts& facts = request.facts;
    const double side = static_cast<double>(count(8, 64));
    for (const double scale : options_of(request.options, Lever::kScale)) {
      LookChoice look = {.scale = scale};
      look.tokens = std::max(4.0, std::floor(side * scale) * std::floor(side * scale));
      look.patches = look.tokens;
      look.tiles = 1;
      look.resized_pixels = look.tokens * 196;
      facts.looks.push_back(look);
    }
    facts.file_pixels = 1e6;
    facts.share_seen = {1, between(0.5, 1), between(0.3, 0.6), between(0.1, 0.4)};
    facts.text_rows = static_cast<double>(count(5, 200));
    facts.expected_tokens = static_cast<double>(count(1, 50));
    facts.p95_tokens = facts.expected_tokens * 2;
    facts.elapsed_ms = between(0, 5);
    if (chance(0.3)) add_substitutes(request);
    return request;
  }

  /// As of two pictures, one of which may be given up, or both.
  void add_substitutes(PlanRequest& request) {
    PlanFacts& facts = request.facts;
    PictureChoice one = {facts.looks, facts.file_pixels / 2, facts.text_rows};
    for (LookChoice& look : one.looks) {
      for (double* part : {&look.tokens, &look.patches, &look.tiles, &look.resized_pixels}) *part /= 2;
    }
    facts.instead[2] = one;
    facts.instead[3] = {{}, 0, facts.text_rows + static_cast<double>(count(10, 300))};
    facts.instead[4] = {{}, 0, facts.text_rows};
    options_of(request.options, Lever::kPictures) = {0, 2, 3, 4};
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace saccade
