// Flags that every command which runs a model shares.
#pragma once

#include <CLI/CLI.hpp>

#include "saccade/engine.h"

namespace saccade {

/// Adds MODEL, --mmproj, --threads and --context to `command`, to be parsed into `options`.
void add_model_options(CLI::App& command, EngineOptions& options);

/// Adds --max-tokens, --temperature, --top-k, --top-p, --min-p, --repetition-penalty, --seed and --stop.
void add_sampling_options(CLI::App& command, Request& request);

}  // namespace saccade
