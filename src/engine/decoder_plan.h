// A request's plan, as the decoder carries it out.
#pragma once

#include "engine/conversation.h"
#include "engine/model.h"
#include "saccade/plan.h"
#include "saccade/status.h"

namespace saccade {

/// Errors: kInvalidArgument (a layer or share out of range, what contradicts itself), kUnsupported (a share of layers
/// where the model has neither a scheduler nor an order of its layers).
Expected<ConversationPlan> make_decoder_plan(const Model& model, const Plan& plan);

}  // namespace saccade
