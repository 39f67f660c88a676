// Asks every question by every plan: cold, in turns, so that what else the machine does falls on all plans alike.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "cli/eval_set.h"
#include "cli/sweep/grid.h"
#include "cli/sweep/results.h"
#include "request/plan_text.h"
#include "saccade/engine.h"

namespace saccade {

struct SweepTask {
  const EvalSet& set;
  std::vector<int64_t> items;    // of the set, ascending
  std::vector<NamedPlan> plans;  // the full one first
  // Plans that nobody asked for by name: one that makes no sense for the model is left out like one it can't carry out.
  std::set<std::string> offered;
  int64_t max_tokens = 128;
  int64_t num_repeats = 1;
  int64_t num_reuse = 0;  // questions that are asked again behind other ones
  uint64_t seed = 0;
};

/// `limit` of the numbers below `num_items`, drawn by the seed, ascending; all of them where it is 0 or no less.
std::vector<int64_t> choose_items(int64_t num_items, int64_t limit, uint64_t seed);

/// Asks the item by the full plan, which also wakes the machine up. Errors: those of Engine::answer(), kCancelled.
Expected<GridFacts> find_grid_facts(Engine& engine, const EvalSet& set, int64_t item, int64_t max_tokens);

/// Asks what `record` does not have yet, and puts it there and into `file`, which may be null. Plans that the model
/// can't carry out become refusals. Errors: those of Engine::answer() with the item's line, kCancelled after Ctrl-C,
/// those of ResultFile.
Status run_sweep(Engine& engine, const SweepTask& task, SweepRecord& record, ResultFile* file);

}  // namespace saccade
