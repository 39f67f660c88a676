// Certificates of quality: Learn then Test (Angelopoulos et al., arXiv 2110.01052) with fixed-sequence testing.
#pragma once

#include <cstdint>
#include <span>

#include "planner/quality_model.h"

namespace saccade {

/// Of the hypothesis that the expected loss is over `epsilon`, where its mean over `num_samples` independent ones, each
/// of them 0 or 1, was `mean_loss`: the exact probability of so small a mean at `epsilon`.
double loss_p_value(double mean_loss, int64_t num_samples, double epsilon);

/// How many rungs, from the safest, are certified to lose no more than `epsilon`: with a probability of 1 - delta none
/// of them does.
size_t certified_rungs(std::span<const LadderRung> ladder, double epsilon, double delta);

/// The least epsilon at which so many rungs are certified; 1 where there is none.
double least_epsilon(std::span<const LadderRung> ladder, size_t num_rungs, double delta);

}  // namespace saccade
