// What a file is that was given in place of a model, and what its owner can do about it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "saccade/status.h"

namespace saccade {

/// "starts with "\xff\xd8\xff\xe0": a JPEG picture; give pictures with --image": for a file that lacks GGUF's magic.
std::string describe_foreign_file(std::span<const std::byte> bytes);

/// "a Git LFS pointer; run `git lfs pull` ...": the kind of file that the first bytes tell, and what to do; empty where
/// they tell none. JSON, safetensors, GGUF and plain text are not told.
std::string kind_of_foreign_file(std::span<const std::byte> bytes);

/// The error for a folder that was given in place of a model file.
Status model_is_a_folder(const std::string& path);

}  // namespace saccade
