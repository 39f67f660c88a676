#include "engine/past_rows.h"

#include <algorithm>
#include <utility>

#include "engine/decoder_plan.h"
#include "engine/plan_facts.h"
#include "engine/prompt.h"

namespace saccade {
namespace {

// Between the ends of what may be chosen: a setting that was measured need not be one of those that are combined.
bool is_free(const LeverOptions& options, const Levers& levers) {
  for (size_t i = 0; i < kNumLevers; ++i) {
    const auto [least, most] = std::ranges::minmax(options[i]);
    if (levers.values[i] < least || levers.values[i] > most) return false;
  }
  return true;
}

// The prompt as it would be if the pictures were looked at by the plan; of those that were before, with the tokens that
// were kept then.
Expected<Prompt> prompt_by(const EngineState& engine, const LookPlan& look, const std::vector<PromptSpan>& spans,
                           std::span<Picture> pictures) {
  std::vector<PictureFacts> facts;
  for (Picture& picture : pictures) {
    SACCADE_RETURN_IF_ERROR(set_fineness(look.plan, picture));
    set_look(look, picture);
    const auto known = engine.looked_at.find(picture.facts.digest);
    if (known != engine.looked_at.end()) SACCADE_RETURN_IF_ERROR(recall(known->second, picture));
    facts.push_back(picture.facts);
  }
  return build_prompt(engine.model, spans, facts);
}

// Rows ahead of the first picture: they do not depend on how pictures are looked at.
int64_t rows_before_pictures(const Prompt& prompt) {
  return prompt.media.empty() ? prompt.num_rows() : prompt.media.front().first_row;
}

// What is left to do behind the first `num_rows` rows.
Expected<GoingOn> going_on(const EngineState& engine, const Prompt& prompt, int64_t num_rows,
                           std::span<const Picture> pictures) {
  GoingOn going_on = {.levers = engine.levers, .past = {.layers = engine.levers[Lever::kLayers]}, .looks = {}};
  const std::vector<uint8_t> is_visual = prompt.visual_rows();
  going_on.past.visual = static_cast<double>(std::count(is_visual.begin(), is_visual.begin() + num_rows, 1));
  going_on.past.text = static_cast<double>(num_rows) - going_on.past.visual;
  std::vector<uint8_t> is_held(pictures.size(), 1);
  for (const MediaRun& run : prompt.media) {
    if (run.first_row + run.num_tokens > num_rows) is_held[static_cast<size_t>(run.picture_idx)] = 0;
  }
  LookChoice rest = {.scale = engine.levers[Lever::kScale]};
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (is_held[i] != 0) continue;
    const auto& [width, height] = pictures[i].original;
    going_on.file_pixels += static_cast<double>(width) * static_cast<double>(height);
    SACCADE_RETURN_IF_ERROR(add_picture(engine.model, engine.shape, pictures[i], rest));
  }
  if (rest.tokens > 0) going_on.looks = {rest};
  return going_on;
}

}  // namespace

Status add_past(const EngineState& engine, const Request& request, const std::vector<PromptSpan>& spans,
                std::span<Picture> pictures, PlanRequest& described) {
  const bool saw_all = engine.levers[Lever::kPictures] == 0;  // else its prompt was another
  if (engine.conversation.num_rows() == 0 || !saw_all || !is_free(described.options, engine.levers)) return {};
  Plan before = to_plan(engine.levers, request.plan, engine.planning->strategy);
  before.pictures = before.earlier_pictures = PictureUse::kLook;  // `pictures` are those that are looked at
  const auto decoder_plan = make_decoder_plan(engine.model, before);
  const auto look = make_look_plan(engine.model, request, before);
  // A plan that this request can't be answered by, or by which nothing was computed.
  if (!decoder_plan || !look || !engine.conversation.can_go_on(*decoder_plan)) return {};
  SACCADE_ASSIGN_OR_RETURN(const Prompt prompt, prompt_by(engine, *look, spans, pictures));
  const int64_t num_common = engine.conversation.num_common_rows(prompt.fingerprints);
  const int64_t num_rows = std::min(num_common, prompt.num_rows() - 1);  // the last one is always computed
  const int64_t num_before = std::min(num_rows, rows_before_pictures(prompt));
  described.facts.past = {.text = static_cast<double>(num_before), .layers = engine.levers[Lever::kLayers]};
  if (num_rows > num_before) {
    SACCADE_ASSIGN_OR_RETURN(described.going_on, going_on(engine, prompt, num_rows, pictures));
  }
  for (Picture& picture : pictures) forget_look(picture);
  return {};
}

}  // namespace saccade
