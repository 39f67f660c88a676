// Days and months of UTC. Times are microseconds since 1970.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace saccade {

constexpr int64_t kDayUs = 86'400'000'000;

/// Days since 1970-01-01.
int64_t day_of(int64_t time_us);

int64_t begin_of_day(int64_t time_us);
int64_t begin_of_month(int64_t time_us);
int64_t begin_of_next_month(int64_t time_us);

/// "2026-11-01".
std::string day_text(int64_t time_us);

/// The beginning of a day written so; absent where it is none.
std::optional<int64_t> parse_day(std::string_view text);

}  // namespace saccade
