// What a calibration found, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/calibrate/calibration.h"

namespace saccade {

std::string calibration_text(const Calibration& calibration);
nlohmann::ordered_json calibration_json(const Calibration& calibration);

/// What each rung lost, question by question: a JSON line for each class (for bench/certificates).
std::string losses_text(const Calibration& calibration);

}  // namespace saccade
