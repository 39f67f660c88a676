// How much else wants the processors.
#pragma once

#include <optional>
#include <string>

namespace saccade {

/// Share of the last ten seconds, 0 to 1, in which something that could run waited for a processor (pressure stall
/// information of Linux); nothing where the system won't say.
std::optional<double> cpu_pressure(const std::string& path = "/proc/pressure/cpu");

}  // namespace saccade
