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
    Strategy{.name = "uniform", .description = "tokens at evenly spaced places", .function = prune_evenly},
    Strategy{.name = "downscale",
             .description = "the grid averaged down, as if the picture were smaller",
             .function = average_cells},
    Strategy{.name = "attention",
             .description = "those that the tower's class row attends to most",
             .class_attention = Need::kRequired,
             .is_nested = true,
             .function = prune_by_attention},
    Strategy{.name = "query",
             .description = "those most like the question's words",
             .query = Need::kRequired,
             .decides_count = true,
             .is_nested = true,
             .function = prune_by_query},
    Strategy{.name = "hybrid",
             .description = "by attention times likeness to the question's words",
             .class_attention = Need::kRequired,
             .query = Need::kOptional,
             .is_nested = true,
             .function = prune_by_attention_and_query},
    Strategy{.name = "divprune",
             .description = "those farthest from one another (DivPrune)",
             .is_nested = true,
             .function = prune_by_distance},
    Strategy{.name = "cdpruner",
             .description = "the most diverse of those that the question asks for (CDPruner)",
             .query = Need::kOptional,
             .is_nested = true,
             .function = prune_by_determinant},
    Strategy{.name = "facility",
             .description = "those that cover the others best, and most what the question asks for (EADP)",
             .query = Need::kOptional,
             .is_nested = true,
             .function = prune_by_coverage},
    Strategy{.name = "tops",
             .description = "by relevance, coverage and diversity together (TOPS)",
             .query = Need::kOptional,
             .is_nested = true,
             .function = prune_by_relevance_coverage_diversity},
    Strategy{.name = "learned",
             .description = "half by the model's own scorer of what the question needs, half farthest from one another",
             .query = Need::kRequired,
             .question_scores = Need::kRequired,
             .function = prune_by_learned_scores},
    Strategy{.name = "vispruner",
             .description = "half by attention, half what is left when duplicates are taken away (VisPruner)",
             .class_attention = Need::kRequired,
             .function = prune_duplicates},
    Strategy{.name = "visionzip",
             .description = "the top by attention, and the rest merged into a few by key (VisionZip)",
             .class_attention = Need::kRequired,
             .keys = Need::kOptional,
             .function = merge_rest_by_key},
    Strategy{.name = "prumerge",
             .description = "outliers of attention, each with its nearest keys merged in (PruMerge)",
             .class_attention = Need::kRequired,
             .keys = Need::kOptional,
             .decides_count = true,
             .function = merge_around_outliers},
    Strategy{.name = "prumerge+",
             .description = "the same with evenly spaced tokens besides (PruMerge+)",
             .class_attention = Need::kRequired,
             .keys = Need::kOptional,
             .decides_count = true,
             .function = merge_around_outliers_and_samples},
    Strategy{.name = "tome",
             .description = "the most alike pairs merged, again and again (ToMe)",
             .decides_count = true,
             .function = merge_pairs},
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
