#include "encoder/work_progress.h"

#include <algorithm>

namespace saccade {

Status WorkProgress::add(double work) {
  constexpr double kSmallestStep = 1e-3;  // of the whole
  done_work_ += work;
  const bool is_due = done_work_ >= total_work_ || done_work_ - reported_work_ >= kSmallestStep * total_work_ ||
                      done_work_ - reported_work_ >= piece_work_;
  return is_due ? report(std::min(done_work_ / total_work_, 1.0)) : Status();
}

Status WorkProgress::finish() {
  return reported_share_ < 1 ? report(1) : Status();
}

Status WorkProgress::report(double share) {
  if (!*report_) return {};
  reported_work_ = done_work_;
  reported_share_ = share;
  if (!(*report_)(share)) return cancelled("the caller stopped the encoding of a picture");
  return {};
}

Status WorkProgress::run_in_pieces(int64_t num_rows, double work_per_row, int64_t multiple, const Body& body) {
  const double rows_of_a_piece = std::clamp(piece_work_ / work_per_row, 1.0, static_cast<double>(num_rows) + 1);
  const int64_t piece_rows = (static_cast<int64_t>(rows_of_a_piece) + multiple - 1) / multiple * multiple;
  for (int64_t first = 0; first < num_rows; first += piece_rows) {
    const int64_t count = std::min(piece_rows, num_rows - first);
    body(first, count);
    SACCADE_RETURN_IF_ERROR(add(static_cast<double>(count) * work_per_row));
  }
  return {};
}

}  // namespace saccade
