#include "ledger/utc_time.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

// 2026-11-27 12:34:56.789 UTC.
constexpr int64_t kNoon = 1'795'782'896'789'000;

TEST(UtcTime, DaysAndMonthsBeginAtMidnight) {
  EXPECT_EQ(day_text(kNoon), "2026-11-27");
  EXPECT_EQ(begin_of_day(kNoon), *parse_day("2026-11-27"));
  EXPECT_EQ(kNoon - begin_of_day(kNoon), ((12 * 60 + 34) * 60 + 56) * int64_t{1'000'000} + 789'000);
  EXPECT_EQ(day_of(kNoon) * kDayUs, begin_of_day(kNoon));
  EXPECT_EQ(begin_of_month(kNoon), *parse_day("2026-11-01"));
  EXPECT_EQ(begin_of_next_month(kNoon), *parse_day("2026-12-01"));
  EXPECT_EQ(begin_of_next_month(*parse_day("2026-12-31")), *parse_day("2027-01-01"));
  EXPECT_EQ(begin_of_day(begin_of_day(kNoon)), begin_of_day(kNoon));
  EXPECT_EQ(day_text(begin_of_day(kNoon) - 1), "2026-11-26");
  EXPECT_EQ(day_text(-1), "1969-12-31");
  EXPECT_EQ(day_of(-1), -1);
}

TEST(UtcTime, OnlyDaysThatThereAreAreRead) {
  EXPECT_EQ(parse_day("1970-01-01"), 0);
  EXPECT_TRUE(parse_day("2028-02-29"));
  for (const char* text : {"2026-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "2026/01/01", "2026-01-01T", "",
                           "yesterday!", "-026-01-01", "2026--1-01"}) {
    EXPECT_FALSE(parse_day(text)) << text;
  }
}

}  // namespace
}  // namespace saccade
