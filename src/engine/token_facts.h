// How much a picture's tokens say twice, and what a strategy's choice leaves of it.
#pragma once

#include "engine/model.h"
#include "engine/pictures.h"
#include "platform/thread_pool.h"
#include "saccade/engine.h"

namespace saccade {

/// As Engine::measure_tokens() says.
Expected<TokenFacts> measure_tokens(const Model& model, const PictureOptions& options, ThreadPool& pool,
                                    const ContentPart& picture, const Plan& plan, const ProgressFunction& progress);

}  // namespace saccade
