// Progress through an encode, counted in multiply-adds, in pieces small enough that cancelling is prompt.
#pragma once

#include <cstdint>
#include <functional>

#include "encoder/vision_encoder.h"
#include "saccade/status.h"

namespace saccade {

class WorkProgress {
 public:
  /// Under a second on two cores.
  static constexpr double kPieceWork = 8e9;

  /// `report` may be empty; it must outlive this. `total_work` is what the add()s will come to, as far as is known.
  WorkProgress(const ProgressFunction& report, double total_work, double piece_work = kPieceWork)
      : report_(&report), total_work_(total_work), piece_work_(piece_work) {}

  double done_work() const { return done_work_; }

  /// Counts `work` that is done. Reports at the end, and in between as often as anyone can tell the difference.
  /// Errors: kCancelled where the function returns false.
  Status add(double work);

  /// Reports that all is done, if that is not the last that was reported. Errors: kCancelled.
  Status finish();

  /// Calls `body(first, count)` over consecutive pieces of [0, num_rows), each but the last a multiple of
  /// `multiple` rows and of about piece_work, and add()s every piece. Errors: kCancelled.
  using Body = std::function<void(int64_t first, int64_t count)>;
  Status run_in_pieces(int64_t num_rows, double work_per_row, int64_t multiple, const Body& body);

 private:
  Status report(double share);

  const ProgressFunction* report_;
  double total_work_;
  double piece_work_;
  double done_work_ = 0;
  double reported_work_ = 0;
  double reported_share_ = 0;
};

}  // namespace saccade
