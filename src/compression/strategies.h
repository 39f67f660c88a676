// The strategies that the registry lists, one for each file. The file says whose algorithm it is, and what differs.
#pragma once

#include "compression/strategy.h"

namespace saccade {

using StrategyFunction = Reduction(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options);

StrategyFunction prune_at_random;
StrategyFunction prune_evenly;
StrategyFunction average_cells;
StrategyFunction prune_by_attention;
StrategyFunction prune_by_query;
StrategyFunction prune_by_attention_and_query;
StrategyFunction prune_by_distance;
StrategyFunction prune_by_learned_scores;
StrategyFunction prune_by_determinant;
StrategyFunction prune_by_coverage;
StrategyFunction prune_by_relevance_coverage_diversity;
StrategyFunction prune_duplicates;
StrategyFunction merge_rest_by_key;
StrategyFunction merge_around_outliers;
StrategyFunction merge_around_outliers_and_samples;
StrategyFunction merge_pairs;

}  // namespace saccade
