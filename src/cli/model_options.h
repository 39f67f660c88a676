// Flags that every command which runs a model shares.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "saccade/engine.h"

namespace saccade {

/// Adds MODEL, --mmproj and what else an engine is loaded with to `command`, to be parsed into `options`.
void add_model_options(CLI::App& command, EngineOptions& options);

/// Adds --texts.
void add_texts_option(CLI::App& command, std::string& path);
/// Has an engine that is loaded with `options` keep its pictures' texts there; nothing where the path is empty. Errors:
/// those of PictureTextFile::open().
Status open_texts(const std::string& path, EngineOptions& options);

/// Where profiles are kept: the user's cache folder; empty where there is none.
std::string default_profile_path();

/// Engine::load with a line of progress; Ctrl-C stops it.
Expected<std::unique_ptr<Engine>> load_engine(const EngineOptions& options);

/// Adds --exact-pixels and --no-upscale.
void add_picture_options(CLI::App& command, bool& has_exact_pixels, bool& enlarges_pictures);

/// Adds --max-tokens, --temperature, --top-k, --top-p, --min-p, --repetition-penalty, --seed and --stop.
void add_sampling_options(CLI::App& command, Request& request);

/// Adds --max-tokens alone.
void add_max_tokens(CLI::App& command, int64_t& max_tokens);

}  // namespace saccade
