#include "request/plan_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/format.h"
#include "base/trimmed.h"

namespace saccade {
namespace {

// One part of a plan: how it is read from the text behind its "=", and written; none where the plan does not have it.
struct Part {
  const char* name;
  const char* allowed;  // for messages: "a whole number, 1 or more"; empty: the part has no value
  bool (*read)(std::string_view value, Plan& plan);  // false: not `allowed`
  std::optional<std::string> (*write)(const Plan& plan);
};

template <typename Number>
std::optional<Number> read_number(std::string_view text, Number min, Number max) {
  Number number = {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number >= min && number <= max ? std::optional(number) : std::nullopt;  // false for NaN
}

// The shortest text that is read as the same number.
template <typename Number>
std::string write_number(Number number) {
  std::array<char, 64> text = {};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return {text.data(), end};
}

template <typename Number>
bool set(std::optional<Number>& target, std::string_view text, Number min, Number max) {
  target = read_number<Number>(text, min, max);
  return target.has_value();
}

template <typename Number>
std::optional<std::string> written(const std::optional<Number>& number) {
  return number ? std::optional(write_number(*number)) : std::nullopt;
}

constexpr double kLeastShare = std::numeric_limits<double>::min();  // a share is over 0

bool set_share(std::optional<double>& target, std::string_view text) {
  return set(target, text, kLeastShare, 1.0);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    pieces.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return pieces;
}

bool set_layers(std::vector<int64_t>& target, std::string_view text) {
  for (const std::string_view piece : split(text, '+')) {
    const auto layer = read_number<int64_t>(piece, 0, std::numeric_limits<int64_t>::max());
    if (!layer) return false;
    target.push_back(*layer);
  }
  return true;
}

std::optional<std::string> written_layers(const std::vector<int64_t>& layers) {
  if (layers.empty()) return std::nullopt;
  std::string text;
  for (const int64_t layer : layers) text += (text.empty() ? "" : "+") + write_number(layer);
  return text;
}

bool add_prunings(Plan& plan, std::string_view text, bool ranks_before) {
  for (const std::string_view piece : split(text, '+')) {
    const size_t colon = std::min(piece.find(':'), piece.size());
    const auto layer = read_number<int64_t>(piece.substr(0, colon), 0, std::numeric_limits<int64_t>::max());
    const auto share = read_number<double>(piece.substr(std::min(colon + 1, piece.size())), kLeastShare, 1);
    if (!layer || !share) return false;
    plan.prunings.push_back({*layer, *share, ranks_before});
  }
  std::ranges::stable_sort(plan.prunings, {}, &LayerPruning::layer);
  return true;
}

std::optional<std::string> written_prunings(const Plan& plan, bool ranks_before) {
  std::string text;
  for (const LayerPruning& pruning : plan.prunings) {
    if (pruning.ranks_before != ranks_before) continue;
    text += (text.empty() ? "" : "+") + write_number(pruning.layer) + ":" + write_number(pruning.keep_share);
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

bool set_use(PictureUse& target, std::string_view text) {
  const auto use = parse_picture_use(text);
  target = use.value_or(target);
  return use.has_value();
}

std::optional<std::string> written_use(PictureUse use) {
  return use == PictureUse::kLook ? std::nullopt : std::optional<std::string>(to_string(use));
}

// A name that is neither empty nor holds what separates parts.
bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_of(",=: \t") == std::string_view::npos;
}

std::optional<std::string> written_flag(bool is_set) {
  return is_set ? std::optional<std::string>("") : std::nullopt;
}

constexpr const char* kShare = "a number over 0 and at most 1";
constexpr const char* kCount = "a whole number, 1 or more";
constexpr const char* kLayers = "layers from 0 on with plus signs between them, as in 3+5";
constexpr const char* kUses = "look, text or none";
constexpr const char* kPrunings = "LAYER:SHARE with plus signs between them, as in 8:0.5+16:0.25";

// In the order of the fields of Plan.
constexpr auto kParts = std::to_array<Part>({
    {"pictures", kUses, [](std::string_view text, Plan& plan) { return set_use(plan.pictures, text); },
     [](const Plan& plan) { return written_use(plan.pictures); }},
    {"earlier-pictures", kUses, [](std::string_view text, Plan& plan) { return set_use(plan.earlier_pictures, text); },
     [](const Plan& plan) { return written_use(plan.earlier_pictures); }},
    {"detail", "auto, low or high",
     [](std::string_view text, Plan& plan) {
       const auto detail = parse_detail(text);
       plan.detail = detail.value_or(plan.detail);
       return detail.has_value();
     },
     [](const Plan& plan) {
       return plan.detail == Detail::kHigh ? std::nullopt : std::optional<std::string>(to_string(plan.detail));
     }},
    {"picture-tokens", kCount,
     [](std::string_view text, Plan& plan) {
       return set(plan.picture_tokens, text, int64_t{1}, std::numeric_limits<int64_t>::max());
     },
     [](const Plan& plan) { return written(plan.picture_tokens); }},
    {"scale", kShare, [](std::string_view text, Plan& plan) { return set_share(plan.scale, text); },
     [](const Plan& plan) { return written(plan.scale); }},
    {"resolution", kCount,
     [](std::string_view text, Plan& plan) { return set(plan.resolution, text, 1, std::numeric_limits<int>::max()); },
     [](const Plan& plan) { return written(plan.resolution); }},
    {"crop-margins", "", [](std::string_view, Plan& plan) { return plan.crops_margins = true; },
     [](const Plan& plan) { return written_flag(plan.crops_margins); }},
    {"skip-equal", "a whole number, 0 to 255",
     [](std::string_view text, Plan& plan) { return set(plan.skip_equal, text, 0, 255); },
     [](const Plan& plan) { return written(plan.skip_equal); }},
    {"skip-equal-margin", "a whole number, 0 to 1000",
     [](std::string_view text, Plan& plan) {
       const auto margin = read_number<int>(text, 0, 1000);
       plan.skip_equal_margin = margin.value_or(plan.skip_equal_margin);
       return margin.has_value();
     },
     [](const Plan& plan) {
       const bool is_default = plan.skip_equal_margin == Plan().skip_equal_margin;
       return is_default ? std::nullopt : std::optional(write_number(plan.skip_equal_margin));
     }},
    {"merge", kCount,
     [](std::string_view text, Plan& plan) {
       const auto merge = read_number<int64_t>(text, 1, std::numeric_limits<int64_t>::max());
       plan.merge = merge.value_or(0);
       return merge.has_value();
     },
     [](const Plan& plan) { return plan.merge == 0 ? std::nullopt : std::optional(write_number(plan.merge)); }},
    {"encoder-keep", kShare, [](std::string_view text, Plan& plan) { return set_share(plan.encoder_keep, text); },
     [](const Plan& plan) { return written(plan.encoder_keep); }},
    {"encoder-layers", kShare, [](std::string_view text, Plan& plan) { return set_share(plan.encoder_layers, text); },
     [](const Plan& plan) { return written(plan.encoder_layers); }},
    {"keep", kCount,
     [](std::string_view text, Plan& plan) {
       return set<int64_t>(plan.keep, text, 1, std::numeric_limits<int64_t>::max());
     },
     [](const Plan& plan) { return written(plan.keep); }},
    {"keep-share", kShare, [](std::string_view text, Plan& plan) { return set_share(plan.keep_share, text); },
     [](const Plan& plan) { return written(plan.keep_share); }},
    {"strategy", "the name of a strategy",
     [](std::string_view text, Plan& plan) {
       plan.strategy = text;
       return is_name(text);
     },
     [](const Plan& plan) { return plan.strategy.empty() ? std::nullopt : std::optional(plan.strategy); }},
    {"keep-threshold", "a number",
     [](std::string_view text, Plan& plan) {
       return set(plan.keep_threshold, text, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
     },
     [](const Plan& plan) { return written(plan.keep_threshold); }},
    {"repack", "", [](std::string_view, Plan& plan) { return plan.repacks_positions = true; },
     [](const Plan& plan) { return written_flag(plan.repacks_positions); }},
    {"layers", kShare, [](std::string_view text, Plan& plan) { return set_share(plan.layers, text); },
     [](const Plan& plan) { return written(plan.layers); }},
    {"skip-layers", kLayers, [](std::string_view text, Plan& plan) { return set_layers(plan.skipped_layers, text); },
     [](const Plan& plan) { return written_layers(plan.skipped_layers); }},
    {"freeze-layers", kLayers, [](std::string_view text, Plan& plan) { return set_layers(plan.frozen_layers, text); },
     [](const Plan& plan) { return written_layers(plan.frozen_layers); }},
    {"prune", kPrunings, [](std::string_view text, Plan& plan) { return add_prunings(plan, text, false); },
     [](const Plan& plan) { return written_prunings(plan, false); }},
    {"prune-fastv", kPrunings, [](std::string_view text, Plan& plan) { return add_prunings(plan, text, true); },
     [](const Plan& plan) { return written_prunings(plan, true); }},
    {"exit", kShare, [](std::string_view text, Plan& plan) { return set_share(plan.exit, text); },
     [](const Plan& plan) { return written(plan.exit); }},
    {"plan-seed", "a whole number, 0 or more",
     [](std::string_view text, Plan& plan) {
       const auto seed = read_number<uint64_t>(text, 0, std::numeric_limits<uint64_t>::max());
       plan.seed = seed.value_or(0);
       return seed.has_value();
     },
     [](const Plan& plan) { return plan.seed == 0 ? std::nullopt : std::optional(write_number(plan.seed)); }},
});

Status read_part(std::string_view text, std::vector<std::string_view>& seen, Plan& plan) {
  const size_t equals = std::min(text.find('='), text.size());
  const std::string_view name = trimmed(text.substr(0, equals));
  const auto part = std::ranges::find_if(kParts, [&](const Part& candidate) { return candidate.name == name; });
  if (part == kParts.end()) {
    std::string names;
    for (const Part& known : kParts) names += (names.empty() ? "" : ", ") + std::string(known.name);
    return invalid_argument("there is no part " + quote(name) + "; there are " + names);
  }
  if (std::ranges::find(seen, name) != seen.end()) return invalid_argument(std::string(name) + " is there twice");
  seen.push_back(name);
  const bool has_value = equals < text.size();
  const bool takes_value = *part->allowed != '\0';
  if (has_value && !takes_value) return invalid_argument(std::string(name) + " takes no value");
  if (!has_value && takes_value) {
    return invalid_argument(std::string(name) + " needs a value: " + std::string(name) + "=..., " + part->allowed);
  }
  const std::string_view value = has_value ? trimmed(text.substr(equals + 1)) : std::string_view();
  if (part->read(value, plan)) return {};
  return invalid_argument(std::string(name) + " is " + quote(value) + "; it must be " + part->allowed);
}

}  // namespace

Expected<Plan> parse_plan(std::string_view text) {
  Plan plan;
  if (trimmed(text) == "full") return plan;
  std::vector<std::string_view> seen;
  for (const std::string_view piece : split(text, ',')) {
    const Status status = read_part(trimmed(piece), seen, plan);
    if (!status.is_ok()) return status.with_context("plan " + quote(trimmed(text), 200));
  }
  return plan;
}

// A colon belongs to a part ("prune=8:0.5") once an equals sign was there.
Expected<NamedPlan> parse_named_plan(std::string_view text) {
  const size_t colon = text.find_first_of(":=,");
  const bool has_name = colon != std::string_view::npos && text[colon] == ':';
  NamedPlan named;
  SACCADE_ASSIGN_OR_RETURN(named.plan, parse_plan(has_name ? text.substr(colon + 1) : text));
  named.name = has_name ? std::string(trimmed(text.substr(0, colon))) : plan_text(named.plan);
  if (named.name.empty()) return invalid_argument("plan " + quote(trimmed(text), 200) + ": has an empty name");
  return named;
}

std::string plan_text(const Plan& plan) {
  std::string text;
  for (const Part& part : kParts) {
    const auto value = part.write(plan);
    if (!value) continue;
    if (!text.empty()) text += ',';
    text += part.name;
    if (*part.allowed != '\0') text += "=" + *value;
  }
  return text.empty() ? "full" : text;
}

std::vector<std::string> plan_parts(const Plan& plan) {
  std::vector<std::string> names;
  for (const Part& part : kParts) {
    if (part.write(plan)) names.emplace_back(part.name);
  }
  return names;
}

std::vector<std::string> known_plan_parts() {
  std::vector<std::string> names;
  for (const Part& part : kParts) names.emplace_back(part.name);
  return names;
}

}  // namespace saccade
