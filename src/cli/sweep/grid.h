// The plans that a sweep compares: built-in grids, which follow the model's own numbers, and those that a user names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "request/plan_text.h"
#include "saccade/status.h"

namespace saccade {

/// What the full plan made of the first picture.
struct GridFacts {
  int64_t visual_tokens = 0;
  int longest_side = 0;                 // of the picture as the encoder was given it, in pixels
  int num_layers = 0;                   // of the decoder
  std::vector<std::string> strategies;  // that there are
};

/// {"default", "tokens", "layers", "encoder"}.
std::vector<std::string> known_grids();

/// One of known_grids(), without the full plan. Some of it may be more than the model can do.
std::vector<NamedPlan> make_grid(std::string_view name, const GridFacts& facts);

/// A text file with a plan on each line; empty lines and what follows a # do not count. Errors: those of reading;
/// kInvalidArgument with the line.
Expected<std::vector<NamedPlan>> read_plans(const std::string& path);

/// The full plan first, as "full", then the others without those that are there already. Errors: kInvalidArgument where
/// two plans have one name, or a strategy is not among `strategies`.
Expected<std::vector<NamedPlan>> with_full_plan(std::vector<NamedPlan> plans,
                                                const std::vector<std::string>& strategies);

/// What a plan is an example of, as charts group them: "full", a strategy's name, "combined".
std::string series_of(const Plan& plan);

/// Whether it is one of the two things that every method has to beat: random tokens, and a smaller picture.
bool is_baseline(const Plan& plan);

}  // namespace saccade
