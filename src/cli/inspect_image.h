// saccade inspect --image: how redundant a picture is, and where.
#pragma once

#include <string>

#include "saccade/plan.h"

namespace saccade {

struct InspectImageOptions {
  std::string image_path;
  std::string model_path;   // may be empty: the picture alone
  std::string mmproj_path;  // may be empty
  std::string map_path;     // of the PNG file to write; empty: none
  int cell_px = 28;         // side of what stands for one visual token; of a model its own counts
  Plan plan;                // who chooses how many of the model's visual tokens
  bool is_json = false;
};

/// Prints the facts and writes the map. Returns the exit code.
int inspect_image(const InspectImageOptions& options);

}  // namespace saccade
