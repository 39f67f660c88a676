#include "cli/plan_options.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "cli/option_checks.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

template <typename Number>
std::optional<Number> parse(std::string_view text) {
  Number number = {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "16:0.5": a layer and the share of the visual tokens that is left from there on.
std::optional<LayerPruning> parse_pruning(std::string_view text, bool ranks_before) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto layer = parse<int64_t>(text.substr(0, colon));
  const auto share = parse<double>(text.substr(colon + 1));
  if (!layer || !share || *layer < 0 || !(*share > 0 && *share <= 1)) return std::nullopt;
  return LayerPruning{*layer, *share, ranks_before};
}

void add_pruning(CLI::App& command, const char* name, bool ranks_before, const char* help, Plan& plan) {
  command
      .add_option_function<std::vector<std::string>>(
          name,
          [&plan, ranks_before](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) plan.prunings.push_back(*parse_pruning(text, ranks_before));
          },
          help)
      ->delimiter(',')
      ->allow_extra_args(false)  // the prompt follows
      ->check(CLI::Validator(
          [](const std::string& text) {
            return parse_pruning(text, false) ? "" : quote(text) + " is not LAYER:SHARE, as in 16:0.5";
          },
          ""))
      ->option_text("LAYER:SHARE,...")
      ->group(kPlanGroup);
}

}  // namespace

void add_plan_options(CLI::App& command, Plan& plan) {
  const auto grouped = [](CLI::Option* option) { return option->group(kPlanGroup); };
  const auto add_use = [&](const char* name, PictureUse& use, const char* help) {
    grouped(command
                .add_option_function<std::string>(
                    name, [&use](const std::string& text) { use = *parse_picture_use(text); }, help)
                ->check(CLI::IsMember({"look", "text", "none"})));
  };
  add_use("--pictures", plan.pictures,
          "What the model is given of the pictures: look, or text, its own caption and transcription of each, or none "
          "(default: look)");
  add_use("--earlier-pictures", plan.earlier_pictures,
          "The same of pictures before the last message, where that brings its own (default: look)");
  grouped(command
              .add_option_function<std::string>(
                  "--detail", [&plan](const std::string& text) { plan.detail = *parse_detail(text); },
                  "How finely pictures are looked at: high as the model's family does it, low once and in at most 256 "
                  "tokens, auto low where that loses no pixels (default: high)")
              ->check(CLI::IsMember({"auto", "low", "high"})));
  grouped(command
              .add_option("--picture-tokens", plan.picture_tokens,
                          "Look at each picture as finely as so many visual tokens allow")
              ->check(at_least<int64_t>(1)));
  grouped(command.add_option("--scale", plan.scale, "Sides of what is looked at, as a share of the full ones")
              ->check(between(0.0, 1.0)));
  grouped(command.add_option("--resolution", plan.resolution, "Longest side of what is looked at, in pixels")
              ->check(at_least(1)));
  grouped(command.add_flag("--crop-margins", plan.crops_margins, "Cut empty margins off first"));
  CLI::Option* skip_equal =
      grouped(command
                  .add_option("--skip-equal", plan.skip_equal,
                              "Do not look at parts that equal their neighbours within so many levels of 0 to 255")
                  ->check(between(0, 255)));
  grouped(command
              .add_option("--skip-equal-margin", plan.skip_equal_margin,
                          "Of those, look at what is no more than so many parts away from one that is looked at "
                          "(default: 1)")
              ->needs(skip_equal)
              ->check(between(0, 1000)));
  grouped(command.add_option("--merge", plan.merge, "Pairs of patches that each encoder layer merges (ToMe)")
              ->check(at_least<int64_t>(0)));
  grouped(command
              .add_option("--encoder-keep", plan.encoder_keep,
                          "Share of the patches that go through the whole encoder (IPCV)")
              ->check(between(0.0, 1.0)));
  grouped(command
              .add_option("--encoder-layers", plan.encoder_layers,
                          "Share of the encoder's layers that run (models that were trained for it)")
              ->check(between(0.0, 1.0)));
  add_choice_options(command, plan);
  grouped(command.add_flag("--repack", plan.repacks_positions, "Kept tokens stand side by side (models trained so)"));
  grouped(command
              .add_option("--layers", plan.layers,
                          "Share of the decoder's layers: of a model with a scheduler those that run, else those that "
                          "visual tokens go through")
              ->check(between(0.0, 1.0)));
  grouped(command.add_option("--skip-layers", plan.skipped_layers, "Decoder layers to leave out")
              ->delimiter(',')
              ->allow_extra_args(false)  // the prompt follows
              ->check(at_least<int64_t>(0))
              ->option_text("LAYER,..."));
  grouped(
      command.add_option("--freeze-layers", plan.frozen_layers, "Decoder layers that visual tokens pass by (ShortV)")
          ->delimiter(',')
          ->allow_extra_args(false)  // the prompt follows
          ->check(at_least<int64_t>(0))
          ->option_text("LAYER,..."));
  add_pruning(command, "--prune", false, "From LAYER on keep a share of the visual tokens (PyramidDrop)", plan);
  add_pruning(command, "--prune-fastv", true, "The same, ranked one layer earlier (FastV)", plan);
  grouped(command.add_option("--exit", plan.exit, "Leave the decoder early where the next token is this probable")
              ->check(between(0.0, 1.0)));
}

void add_choice_options(CLI::App& command, Plan& plan) {
  std::vector<std::string> names;
  for (const StrategyInfo& strategy : known_strategies()) names.push_back(strategy.name);
  const auto grouped = [](CLI::Option* option) { return option->group(kPlanGroup); };
  grouped(
      command.add_option("--keep", plan.keep, "Visual tokens to keep of each picture")->check(at_least<int64_t>(1)));
  grouped(command.add_option("--keep-share", plan.keep_share, "The same as a share of all of them")
              ->check(between(0.0, 1.0)));
  grouped(command.add_option("--strategy", plan.strategy, "Who chooses them (default: divprune)")
              ->check(CLI::IsMember(names)));
  grouped(command.add_option("--keep-threshold", plan.keep_threshold,
                             "Let the strategy decide how many, by this threshold"));
  grouped(command.add_option("--plan-seed", plan.seed, "Of the strategy random")->check(at_least<uint64_t>(0)));
}

}  // namespace saccade
