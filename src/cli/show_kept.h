// Pictures of what the model was given of its pictures: `saccade ask --show-kept`.
#pragma once

#include <string>
#include <vector>

#include "saccade/engine.h"
#include "saccade/status.h"

namespace saccade {

/// Where the n-th picture's goes, from 0: `path`, then with -2, -3 before its ending.
std::string shown_path(const std::string& path, size_t picture_idx);

/// Whether the files could be written, told before the model is loaded. Errors: kInvalidArgument (a file that is one of
/// the pictures), those of check_writable().
Status check_shown_paths(const std::string& path, const std::vector<std::string>& images);

/// Paints the looks of an answer over the pictures of its request and writes them as PNG files, whose paths are
/// returned. Errors: those of reading and decoding a picture, of writing a file.
Expected<std::vector<std::string>> show_kept(const Request& request, const Answer& answer, const std::string& path);

}  // namespace saccade
