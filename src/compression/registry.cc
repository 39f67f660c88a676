// Which strategies there are. To add one: its function in strategies.h, and one line here.
#include <array>
#include <string>

#include "base/format.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

constexpr std::array kStrategies = {
    Strategy{.name = "random",
             .description = "tokens drawn by the seed: what every other strategy has to beat",
             .is_nested = true,
             .function = prune_at_random},
    Strategy{.name = "attention",
             .description = "those that the tower's class row attends to most",
             .class_attention = Need::kRequired,
             .is_nested = true,
             .function = prune_by_attention},
    Strategy{.name = "divprune",
             .description = "those farthest from one another (DivPrune)",
             .is_nested = true,
             .function = prune_by_distance},
};

}  // namespace

std::span<const Strategy> strategies() {
  return kStrategies;
}

Expected<const Strategy*> find_strategy(std::string_view name) {
  std::string known;
  for (const Strategy& strategy : kStrategies) {
    if (strategy.name == name) return &strategy;
    if (!known.empty()) known += ", ";
    known += strategy.name;
  }
  return not_found(format("no compression strategy %s; there are %s", quote(name).c_str(), known.c_str()));
}

}  // namespace saccade
