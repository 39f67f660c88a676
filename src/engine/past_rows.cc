#include "engine/past_rows.h"

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include "engine/decoder_plan.h"
#include "engine/plan_facts.h"
#include "engine/prompt.h"

namespace saccade {
namespace {

// Each has the prompt laid out once more.
constexpr size_t kMostPlansTried = 4;

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
    if (const auto known = engine.looked_at.find(picture.facts.digest))
      SACCADE_RETURN_IF_ERROR(recall(*known, picture));
    facts.push_back(picture.facts);
  }
  return build_prompt(engine.model, spans, facts);
}

// Rows ahead of the first picture: they do not depend on how pictures are looked at.
int64_t rows_before_pictures(const Prompt& prompt) {
  return prompt.media.empty() ? prompt.num_rows() : prompt.media.front().first_row;
}

// What is left to do behind the first `num_rows` rows.
Expected<GoingOn> going_on(const EngineState& engine, const Levers& levers, const Prompt& prompt, int64_t num_rows,
                           std::span<const Picture> pictures) {
  GoingOn going_on = {.levers = levers, .past = {.layers = levers[Lever::kLayers]}, .looks = {}};
  const std::vector<uint8_t> is_visual = prompt.visual_rows();
  going_on.past.visual = static_cast<double>(std::count(is_visual.begin(), is_visual.begin() + num_rows, 1));
  going_on.past.text = static_cast<double>(num_rows) - going_on.past.visual;
  std::vector<uint8_t> is_held(pictures.size(), 1);
  for (const MediaRun& run : prompt.media) {
    if (run.first_row + run.num_tokens > num_rows) is_held[static_cast<size_t>(run.picture_idx)] = 0;
  }
  LookChoice rest = {.scale = levers[Lever::kScale]};
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (is_held[i] != 0) continue;
    const auto& [width, height] = pictures[i].original;
    going_on.file_pixels += static_cast<double>(width) * static_cast<double>(height);
    SACCADE_RETURN_IF_ERROR(add_picture(engine.model, engine.shape, pictures[i], rest));
  }
  if (rest.tokens > 0) going_on.looks = {rest};
  return going_on;
}

// A conversation's rows that a request could take over.
struct CommonRows {
  Levers levers = {};
  int64_t num_rows = 0;
  int64_t num_before = 0;  // of these, before the first picture
  std::optional<GoingOn> going_on = {};
};

// What conversations that were answered by the same levers have of the request's prompt, at best; nothing where it
// can't be answered by such a plan, or none of them was computed by it.
Expected<std::optional<CommonRows>> find_past(const EngineState& engine, const Request& request,
                                              const std::vector<PromptSpan>& spans, std::span<Picture> pictures,
                                              const std::list<KeptConversation>& kept, const Levers& levers) {
  Plan before = to_plan(levers, request.plan, engine.planning->strategy);
  before.pictures = before.earlier_pictures = PictureUse::kLook;  // `pictures` are those that are looked at
  const auto decoder_plan = make_decoder_plan(engine.model, before);
  const auto look = make_look_plan(engine.model, request, before);
  if (!decoder_plan || !look) return std::optional<CommonRows>();
  for (Picture& picture : pictures) forget_look(picture);
  SACCADE_ASSIGN_OR_RETURN(const Prompt prompt, prompt_by(engine, *look, spans, pictures));
  CommonRows past = {.levers = levers};
  bool is_found = false;
  for (const KeptConversation& other : kept) {
    if (other.levers != levers || !other.conversation.can_go_on(*decoder_plan)) continue;
    is_found = true;
    past.num_rows = std::max(past.num_rows, other.conversation.num_common_rows(prompt.fingerprints));
  }
  if (!is_found) return std::optional<CommonRows>();
  past.num_rows = std::min(past.num_rows, prompt.num_rows() - 1);  // the last one is always computed
  past.num_before = std::min(past.num_rows, rows_before_pictures(prompt));
  if (past.num_rows > past.num_before) {
    SACCADE_ASSIGN_OR_RETURN(past.going_on, going_on(engine, levers, prompt, past.num_rows, pictures));
  }
  return std::optional(std::move(past));
}

}  // namespace

Status add_past(const EngineState& engine, const Request& request, const std::vector<PromptSpan>& spans,
                std::span<Picture> pictures, PlanRequest& described) {
  std::vector<Levers> tried;
  std::optional<CommonRows> best;
  Status status;
  engine.conversations->visit_kept([&](const std::list<KeptConversation>& kept) {
    for (const KeptConversation& conversation : kept) {
      const Levers& levers = conversation.levers;
      const bool saw_all = levers[Lever::kPictures] == 0;  // else its prompt was another
      const bool is_known = std::ranges::find(tried, levers) != tried.end();
      if (is_known || !saw_all || !is_free(described.options, levers)) continue;
      tried.push_back(levers);
      auto past = find_past(engine, request, spans, pictures, kept, levers);
      if (!past) {
        status = past.status();
        return;
      }
      const bool is_more = *past && (!best || (*past)->num_rows > best->num_rows);
      if (is_more) best = **std::move(past);
      if (tried.size() == kMostPlansTried) return;
    }
  });
  SACCADE_RETURN_IF_ERROR(status);
  for (Picture& picture : pictures) forget_look(picture);
  if (!best) return {};
  described.facts.past = {.text = static_cast<double>(best->num_before), .layers = best->levers[Lever::kLayers]};
  described.going_on = std::move(best->going_on);
  return {};
}

}  // namespace saccade
