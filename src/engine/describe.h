// Making the text that stands in place of a picture.
#pragma once

#include "engine/answer_run.h"
#include "saccade/engine.h"
#include "saccade/picture_text.h"

namespace saccade {

/// See Engine::describe().
Expected<PictureText> describe_picture(EngineState& engine, const ContentPart& picture,
                                       const AnswerCallbacks& callbacks);

}  // namespace saccade
