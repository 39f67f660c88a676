// What a file is that was given in place of a model, and what its owner can do about it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace saccade {

/// "starts with "\xff\xd8\xff\xe0": a JPEG picture; give pictures with --image": for a file that lacks GGUF's magic.
std::string describe_foreign_file(std::span<const std::byte> bytes);

}  // namespace saccade
