// What calibration measured of a model, kept in a file beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "planner/quality_model.h"
#include "saccade/status.h"

namespace saccade {

/// What a table was measured of: the same files, with their tokens chosen in the same way.
struct MeasuredModel {
  std::string file;  // its name, without a folder
  uint64_t bytes = 0;
  std::string mmproj_file;  // of a pair; empty: there is none
  uint64_t mmproj_bytes = 0;
  std::string strategy;  // that chose the tokens which are kept; empty: none did

  bool operator==(const MeasuredModel&) const = default;
};

/// MODEL.gguf.quality.json.
std::string quality_file_path(const std::string& model_path);

/// None where there is no such file. Errors, with the path: kInvalidArgument (it is of another model), kUnsupported (of
/// a later version), kCorruptData with the field, those of reading.
Expected<std::optional<QualityTable>> read_quality_file(const std::string& path, const MeasuredModel& model);

/// Whole or not at all. Errors: those of write_whole_file().
Status write_quality_file(const std::string& path, const MeasuredModel& model, const QualityTable& table);

}  // namespace saccade
