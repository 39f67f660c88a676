// The file that `saccade profile` makes: machines measured, and what answers taught about the models that ran on them.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "engine/machine_profile.h"
#include "planner/answer_lengths.h"
#include "planner/cost_model.h"
#include "saccade/status.h"

namespace saccade {

/// None where there is no such file, or this instruction set and number of threads were not measured. Errors:
/// kCorruptData with the path and what is wrong, those of reading.
Expected<std::optional<MachineProfile>> read_machine_profile(const std::string& path, const std::string& isa,
                                                             int threads);

/// Puts the machine into the file, in place of what it says of the same instruction set and threads. Errors: those of
/// read_machine_profile() and write_whole_file().
Status write_machine_profile(const std::string& path, const MachineProfile& profile);

/// What was learnt of a model, of its speed and of how long its answers are: `key` says of which, as what. What the
/// file, or an older one, does not have stays as it was.
Status read_learned(const std::string& path, const std::string& key, CostModel& costs, AnswerLengths& lengths);
Status write_learned(const std::string& path, const std::string& key, const CostModel& costs,
                     const AnswerLengths& lengths);

}  // namespace saccade
