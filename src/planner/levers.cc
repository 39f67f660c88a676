#include "planner/levers.h"

#include <optional>

namespace saccade {

const char* lever_name(Lever lever) {
  switch (lever) {
    case Lever::kScale:
      return "scale";
    case Lever::kSkip:
      return "skip";
    case Lever::kEncoderLayers:
      return "encoder_layers";
    case Lever::kKeep:
      return "keep";
    case Lever::kLayers:
      return "layers";
    case Lever::kPictures:
      return "pictures";
  }
  return "";
}

Plan to_plan(const Levers& levers, const Plan& fixed, const std::string& strategy) {
  Plan plan = fixed;
  if (const PictureUses& uses = levers.pictures(); levers[Lever::kPictures] > 0) {
    plan.pictures = uses.all;
    // Of all of them, once: what is said of the earlier ones says no more.
    plan.earlier_pictures = uses.all == PictureUse::kLook ? uses.earlier : PictureUse::kLook;
  }
  if (levers[Lever::kScale] < 1) plan.scale = levers[Lever::kScale];
  if (const SkipChoice& skip = levers.skip(); skip.levels >= 0 && !plan.skip_equal) {
    plan.skip_equal = skip.levels;
    plan.skip_equal_margin = skip.margin;
  }
  if (levers[Lever::kEncoderLayers] < 1) plan.encoder_layers = levers[Lever::kEncoderLayers];
  if (levers[Lever::kKeep] < 1) {
    plan.keep_share = levers[Lever::kKeep];
    if (plan.strategy.empty()) plan.strategy = strategy;
  }
  if (levers[Lever::kLayers] < 1) plan.layers = levers[Lever::kLayers];
  return plan;
}

bool is_plan_of_levers(const Levers& levers, const Plan& fixed, const std::string& strategy) {
  Plan plan = to_plan(levers, fixed, strategy);
  plan.seed = 0;  // one draw is measured as well as another
  for (std::optional<double>* share : {&plan.scale, &plan.encoder_layers, &plan.keep_share, &plan.layers}) {
    if (*share == 1) share->reset();
  }
  if (!plan.skip_equal) plan.skip_equal_margin = Plan().skip_equal_margin;
  return plan == to_plan(levers, {}, strategy);
}

}  // namespace saccade
