// SIGHUP as servers have it: files are to be read anew.
#pragma once

namespace saccade {

/// From here on a SIGHUP asks for that, and nothing else.
void watch_for_reload();
/// Whether it was asked for since the last call.
bool take_reload();

}  // namespace saccade
