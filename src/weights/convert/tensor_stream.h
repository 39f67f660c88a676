// Carries out a TensorPlan: reads, reorders, converts and writes its rows, a few megabytes at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "weights/convert/model_plan.h"
#include "weights/gguf_writer.h"

namespace saccade {

class TensorStream {
 public:
  explicit TensorStream(int num_threads) : pool_(num_threads) {}

  /// Calls `before_chunk` before every few megabytes with the number of elements written; its error ends the work.
  /// Adds a warning for values that are not finite in the checkpoint or do not fit f16.
  Status write(const TensorPlan& tensor, DType type, GgufWriter& writer,
               const std::function<Status(int64_t num_written)>& before_chunk, std::vector<std::string>& warnings);

 private:
  ThreadPool pool_;
};

}  // namespace saccade
