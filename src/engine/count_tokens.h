// How many tokens a request's prompt has, without computing anything.
#pragma once

#include "engine/model.h"
#include "engine/pictures.h"
#include "saccade/receipt.h"
#include "saccade/request.h"

namespace saccade {

/// Of the full plan, whatever the request's own is: text and visual tokens, the chat template included. Pictures are
/// read as far as their size. Errors: those of Engine::answer() up to there.
Expected<TokenCounts> count_tokens(const Model& model, const PictureOptions& options, const Request& request);

}  // namespace saccade
