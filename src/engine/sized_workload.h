// What the planner's operators are given for a request of which only the sizes are known: no picture is read, nothing
// is computed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "media/image.h"
#include "planner/workload.h"
#include "saccade/plan.h"
#include "saccade/status.h"

namespace saccade {

struct WorkloadSpec {
  Plan plan;
  // AdaLLaVA's: the share of the decoder's layers that are paid for, rounded down. Of a model with a scheduler it says
  // how many of those behind the prefix run, of another how many of all; beside it, plan.layers is not looked at.
  std::optional<double> budget;
  int64_t prompt_tokens = 68;  // that are text
  int64_t num_pictures = 1;
  ImageSize picture = {640, 480};
  int64_t generated_tokens = 64;
  int64_t batch = 1;
};

struct SizedWorkload {
  Workload workload;
  int64_t num_tiles = 0;           // of all pictures
  int64_t laid_out_tokens = 0;     // visual, of all pictures
  int64_t visual_tokens = 0;       // of these, what goes into the decoder
  int64_t text_tokens = 0;         // with those around tiles and the budget's own
  double layers = 0;               // that a row of text goes through, in the mean
  std::vector<std::string> notes;  // what was assumed
};

/// `shape` is the model's. Errors: kInvalidArgument (what contradicts itself), kUnsupported (a lever whose effect
/// depends on what a picture shows or an answer says, or that the model does not have), those of plan_pixels().
Expected<SizedWorkload> size_workload(const Model& model, const ModelShape& shape, const WorkloadSpec& spec);

}  // namespace saccade
