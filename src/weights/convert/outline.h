// The model that a conversion would make of a checkpoint, from its settings alone: for reckoning with models that are
// not on this machine.
#pragma once

#include <string>

#include "saccade/status.h"
#include "tensor/dtype.h"
#include "weights/model_files.h"

namespace saccade {

/// One file with both parts, of which keys, names, shapes and types are as convert_checkpoint() would write them, but
/// for the tokenizer's; all weights are zero and take no memory. `path` is a checkpoint's folder, whose weights need
/// not be there, or a config.json. What it leaves out is as its family's documentation has it. Errors: kNotFound,
/// kCorruptData, kUnsupported (the architecture, with the known ones; a setting), kResourceExhausted (sizes that no
/// model has).
Expected<ModelFiles> outline_checkpoint(const std::string& path, DType type);

}  // namespace saccade
