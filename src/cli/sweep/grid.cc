#include "cli/sweep/grid.h"

#include <algorithm>
#include <cstddef>
#include <sstream>

#include "base/format.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

constexpr uint64_t kMaxPlanFileBytes = 1 << 20;

long long as_long(int64_t value) {
  return static_cast<long long>(value);
}

int64_t share_of(int64_t whole, double share) {
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(whole) * share + 0.5));
}

class GridMaker {
 public:
  explicit GridMaker(const GridFacts& facts) : facts_(facts) {}

  void keep(const std::string& strategy, double share) {
    if (std::ranges::find(facts_.strategies, strategy) == facts_.strategies.end()) return;
    Plan plan;
    plan.strategy = strategy;
    plan.keep = share_of(facts_.visual_tokens, share);
    add(format("%s-%lld", strategy.c_str(), as_long(*plan.keep)), plan);
  }
  void resolution(double share) {
    Plan plan;
    plan.resolution = static_cast<int>(share_of(facts_.longest_side, share));
    add(format("resolution-%d", *plan.resolution), plan);
  }
  void skip_equal(int levels) {
    Plan plan;
    plan.skip_equal = levels;
    add(format("skip-equal-%d", levels), plan);
  }
  // By the strategy that the engine takes where none is named.
  void skip_equal_and_keep(double share) {
    Plan plan;
    plan.skip_equal = 0;
    plan.keep = share_of(facts_.visual_tokens, share);
    add(format("skip-equal-0+keep-%lld", as_long(*plan.keep)), plan);
  }
  void crop_margins() {
    Plan plan;
    plan.crops_margins = true;
    add("crop-margins", plan);
  }
  // Of the tokens in each layer.
  void merge(double share) {
    Plan plan;
    plan.merge = share_of(facts_.visual_tokens, share);
    add(format("merge-%lld", as_long(plan.merge)), plan);
  }
  void encoder_keep(double share) {
    Plan plan;
    plan.encoder_keep = share;
    add(format("encoder-keep-%g", share), plan);
  }
  void layers(double share) {
    Plan plan;
    plan.layers = share;
    add(format("layers-%g", share), plan);
  }
  void prune(double depth, double share) {
    Plan plan;
    plan.prunings = {{std::max<int64_t>(1, share_of(facts_.num_layers, depth)), share, false}};
    add(format("prune-%lld:%g", as_long(plan.prunings[0].layer), share), plan);
  }
  void exit(double confidence) {
    Plan plan;
    plan.exit = confidence;
    add(format("exit-%g", confidence), plan);
  }

  std::vector<NamedPlan> take() { return std::move(plans_); }

 private:
  void add(std::string name, Plan plan) { plans_.push_back({std::move(name), std::move(plan)}); }

  const GridFacts& facts_;
  std::vector<NamedPlan> plans_;
};

void add_default_grid(GridMaker& grid) {
  grid.skip_equal(0);
  for (const char* strategy : {"divprune", "attention", "tops", "cdpruner", "random", "downscale"}) {
    for (const double share : {0.5, 0.25, 0.125}) grid.keep(strategy, share);
  }
  for (const double share : {0.75, 0.5}) grid.resolution(share);
  grid.merge(1.0 / 32);
  for (const double share : {0.85, 0.6}) grid.layers(share);
  for (const double share : {0.5, 0.25}) grid.skip_equal_and_keep(share);
}

void add_token_grid(GridMaker& grid, const GridFacts& facts) {
  for (const std::string& strategy : facts.strategies) {
    for (const double share : {0.75, 0.5, 0.25, 0.125, 0.0625}) grid.keep(strategy, share);
  }
}

void add_layer_grid(GridMaker& grid) {
  for (const double share : {0.9, 0.8, 0.7, 0.6, 0.5}) grid.layers(share);
  for (const double depth : {0.25, 0.5, 0.75}) {
    for (const double share : {0.5, 0.25}) grid.prune(depth, share);
  }
  for (const double confidence : {0.99, 0.9, 0.7}) grid.exit(confidence);
}

void add_encoder_grid(GridMaker& grid) {
  for (const double share : {0.875, 0.75, 0.625, 0.5, 0.375}) grid.resolution(share);
  for (const int levels : {0, 2, 8}) grid.skip_equal(levels);
  grid.crop_margins();
  for (const double share : {1.0 / 64, 1.0 / 32, 1.0 / 16}) grid.merge(share);
  for (const double share : {0.7, 0.5, 0.3}) grid.encoder_keep(share);
}

Status check_strategy(const NamedPlan& named, const std::vector<std::string>& strategies) {
  const std::string& strategy = named.plan.strategy;
  if (strategy.empty() || std::ranges::find(strategies, strategy) != strategies.end()) return {};
  std::string names;
  for (const std::string& known : strategies) names += (names.empty() ? "" : ", ") + known;
  return invalid_argument("plan " + quote(named.name, 200) + ": there is no strategy " + quote(strategy) +
                          "; there are " + names);
}

}  // namespace

std::vector<std::string> known_grids() {
  return {"default", "tokens", "layers", "encoder"};
}

std::vector<NamedPlan> make_grid(std::string_view name, const GridFacts& facts) {
  GridMaker grid(facts);
  if (name == "default") add_default_grid(grid);
  if (name == "tokens") add_token_grid(grid, facts);
  if (name == "layers") add_layer_grid(grid);
  if (name == "encoder") add_encoder_grid(grid);
  return grid.take();
}

Expected<std::vector<NamedPlan>> read_plans(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxPlanFileBytes));
  std::istringstream in(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::vector<NamedPlan> plans;
  std::string line;
  for (int line_idx = 1; std::getline(in, line); ++line_idx) {
    line.resize(std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto plan = parse_named_plan(line);
    if (!plan) return plan.status().with_context(format("%s:%d", path.c_str(), line_idx));
    plans.push_back(*std::move(plan));
  }
  if (plans.empty()) return invalid_argument(path + ": holds no plans");
  return plans;
}

Expected<std::vector<NamedPlan>> with_full_plan(std::vector<NamedPlan> plans,
                                                const std::vector<std::string>& strategies) {
  std::vector<NamedPlan> all = {{"full", Plan()}};
  std::vector<std::string> texts = {"full"};
  for (NamedPlan& named : plans) {
    SACCADE_RETURN_IF_ERROR(check_strategy(named, strategies));
    std::string text = plan_text(named.plan);
    if (std::ranges::find(texts, text) != texts.end()) continue;
    if (std::ranges::find(all, named.name, &NamedPlan::name) != all.end()) {
      return invalid_argument("two plans are named " + quote(named.name, 200) + "; the second is " + text);
    }
    texts.push_back(std::move(text));
    all.push_back(std::move(named));
  }
  return all;
}

std::string series_of(const Plan& plan) {
  std::string series;
  const auto add = [&](bool is_there, const std::string& name) {
    if (is_there) series = series.empty() ? name : "combined";
  };
  add(plan.detail != Detail::kHigh || plan.picture_tokens || plan.scale || plan.resolution, "smaller picture");
  add(plan.crops_margins, "margins cut off");
  add(plan.skip_equal.has_value(), "equal parts skipped");
  add(plan.merge > 0, "merged in the encoder");
  add(plan.encoder_keep.has_value(), "fewer patches encoded");
  add(plan.encoder_layers.has_value(), "fewer encoder layers");
  add(plan.keep || plan.keep_share || plan.keep_threshold || !plan.strategy.empty(),
      plan.strategy.empty() ? "default strategy" : plan.strategy);
  add(plan.layers || !plan.skipped_layers.empty() || !plan.frozen_layers.empty(), "fewer decoder layers");
  add(!plan.prunings.empty(), "pruned in the decoder");
  add(plan.exit.has_value(), "early exit");
  return series.empty() ? "full" : series;
}

bool is_baseline(const Plan& plan) {
  const std::string series = series_of(plan);
  return series == "random" || series == "downscale" || series == "smaller picture";
}

}  // namespace saccade
