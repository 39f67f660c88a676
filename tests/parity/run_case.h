// Runs a question through the program's own stages and compares each with what Transformers made of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/prompt.h"
#include "golden.h"
#include "platform/thread_pool.h"
#include "saccade/request.h"
#include "saccade/status.h"
#include "text/tokenizer.h"

namespace saccade::parity {

struct StageResult {
  std::string stage;     // "tokens", "pixels", "encoder", "projector", "logits", "greedy", "last_logits"
  double error = 0;      // what is measured: see tools/parity/README.md
  double tolerance = 0;  // 0 where the two must be identical
  std::string detail;    // where the first difference is; empty if there is none

  bool passed() const { return error <= tolerance; }
};

/// The norm of the difference over the norm of what is expected; infinite if the sizes differ.
double relative_error(std::span<const float> ours, std::span<const float> expected);

/// The question as a caller of the engine puts it.
Request request_for(const GoldenCase& golden, int64_t max_tokens);

/// What an answer of these tokens says.
std::string text_of(const Tokenizer& tokenizer, std::span<const int32_t> tokens);

/// A question as far as the rows that go into the decoder.
struct PreparedCase {
  Prompt prompt;
  std::vector<PixelBatch> pixels;  // per picture
  std::vector<float> encoder;      // [num_patches of all pictures, vision_dim]
  std::vector<float> projector;    // [num_tokens of all pictures, model_dim]
  Tensor rows;                     // [prompt.num_rows(), model_dim]
};

Expected<PreparedCase> prepare_case(const Model& model, ThreadPool& pool, const GoldenCase& golden);

/// Errors are those of the program; a difference is a result, not an error.
Expected<std::vector<StageResult>> run_case(const Model& model, ThreadPool& pool, const GoldenFamily& family,
                                            const GoldenCase& golden);

}  // namespace saccade::parity
