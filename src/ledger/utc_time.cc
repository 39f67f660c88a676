#include "ledger/utc_time.h"

#include <charconv>
#include <chrono>
#include <system_error>

#include "base/format.h"

namespace saccade {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::months;
using std::chrono::sys_days;
using std::chrono::year_month_day;

sys_days days_of(int64_t time_us) {
  return std::chrono::floor<days>(std::chrono::sys_time<microseconds>(microseconds(time_us)));
}

int64_t us_of(sys_days day) {
  return std::chrono::duration_cast<microseconds>(day.time_since_epoch()).count();
}

std::optional<int> parse_digits(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc() && end == text.data() + text.size() && text.front() != '-';
  return is_whole ? std::optional(number) : std::nullopt;
}

}  // namespace

int64_t day_of(int64_t time_us) {
  return days_of(time_us).time_since_epoch().count();
}

int64_t begin_of_day(int64_t time_us) {
  return us_of(days_of(time_us));
}

int64_t begin_of_month(int64_t time_us) {
  const year_month_day date(days_of(time_us));
  return us_of(sys_days(date.year() / date.month() / 1));
}

int64_t begin_of_next_month(int64_t time_us) {
  const year_month_day date(days_of(time_us));
  return us_of(sys_days(date.year() / date.month() / 1 + months(1)));
}

std::string day_text(int64_t time_us) {
  const year_month_day date(days_of(time_us));
  return format("%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
}

std::optional<int64_t> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = parse_digits(text.substr(0, 4));
  const auto month = parse_digits(text.substr(5, 2));
  const auto day = parse_digits(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day)));
  return date.ok() ? std::optional(us_of(sys_days(date))) : std::nullopt;
}

}  // namespace saccade
