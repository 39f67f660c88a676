#include "weights/convert/rope_settings.h"

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/format.h"

namespace saccade {
namespace {

// llama3's divisors ("Llama 3.1" scaling, transformers' modeling_rope_utils): long wavelengths are divided by `factor`,
// short ones kept, those between blended.
Expected<std::vector<float>> llama3_divisors(const Config& rope, double theta, int64_t head_dim) {
  SACCADE_ASSIGN_OR_RETURN(const double factor, rope.number_or("factor", 8));
  SACCADE_ASSIGN_OR_RETURN(const double low, rope.number_or("low_freq_factor", 1));
  SACCADE_ASSIGN_OR_RETURN(const double high, rope.number_or("high_freq_factor", 4));
  SACCADE_ASSIGN_OR_RETURN(const double original, rope.number_or("original_max_position_embeddings", 8192));
  if (factor <= 0 || low <= 0 || high <= low) return corrupt_data(rope.path() + ": llama3 rope factors make no sense");
  std::vector<float> divisors;
  for (int64_t i = 0; i < head_dim; i += 2) {
    const double frequency = std::pow(theta, -static_cast<double>(i) / static_cast<double>(head_dim));
    const double wavelength = 2 * std::numbers::pi / frequency;
    double divisor = 1;
    if (wavelength > original / low) {
      divisor = factor;
    } else if (wavelength >= original / high) {
      const double smooth = (original / wavelength - low) / (high - low);
      divisor = 1 / ((1 - smooth) / factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

Status write_yarn(GgufKeys& keys, const Config& rope, const std::string& prefix) {
  SACCADE_ASSIGN_OR_RETURN(const double factor, rope.number_or("factor", 1));
  SACCADE_ASSIGN_OR_RETURN(const int64_t original, rope.integer("original_max_position_embeddings", 1, 1 << 30));
  keys.set_string(prefix + "rope.scaling.type", "yarn");
  keys.set_f32(prefix + "rope.scaling.factor", static_cast<float>(factor));
  keys.set_u32(prefix + "rope.scaling.original_context_length", static_cast<uint32_t>(original));
  // config.json's attention_factor stands in place of 0.1 ln(factor) + 1; the key multiplies it.
  if (rope.has("attention_factor")) {
    SACCADE_ASSIGN_OR_RETURN(const double wanted, rope.number_or("attention_factor", 1));
    const double usual = factor > 1 ? 0.1 * std::log(factor) + 1 : 1;
    keys.set_f32(prefix + "rope.scaling.attn_factor", static_cast<float>(wanted / usual));
  }
  for (const char* name : {"mscale", "mscale_all_dim"}) {
    if (rope.has(name)) return unsupported(std::string("rope scaling of type yarn with ") + name);
  }
  constexpr std::array<std::array<const char*, 2>, 2> kOptional = {
      {{"beta_fast", "yarn_beta_fast"}, {"beta_slow", "yarn_beta_slow"}}};
  for (const auto& [name, key] : kOptional) {
    if (!rope.has(name)) continue;
    SACCADE_ASSIGN_OR_RETURN(const double value, rope.number_or(name, 0));
    keys.set_f32(prefix + "rope.scaling." + key, static_cast<float>(value));
  }
  return {};
}

Status write_linear(GgufKeys& keys, const Config& rope, const std::string& prefix) {
  SACCADE_ASSIGN_OR_RETURN(const double factor, rope.number_or("factor", 1));
  keys.set_string(prefix + "rope.scaling.type", "linear");
  keys.set_f32(prefix + "rope.scaling.factor", static_cast<float>(factor));
  return {};
}

// M-RoPE: how many frequencies follow time, row and column. llama.cpp wants four numbers, the last unused.
Status write_sections(GgufKeys& keys, const Config& rope, const std::string& prefix, int64_t head_dim) {
  if (!rope.has("mrope_section")) return {};
  SACCADE_ASSIGN_OR_RETURN(const std::vector<double> sections, rope.numbers("mrope_section"));
  std::array<int32_t, 4> values = {};
  int64_t sum = 0;
  for (size_t i = 0; i < sections.size() && i < values.size(); ++i) {
    if (sections[i] < 0 || sections[i] > 1e6) return corrupt_data(rope.path() + ": mrope_section makes no sense");
    values[i] = static_cast<int32_t>(sections[i]);
    sum += values[i];
  }
  if (sections.size() > values.size() || sum != head_dim / 2) {
    return corrupt_data(rope.path() + format(": mrope_section does not add up to half the head size of %d",
                                             static_cast<int>(head_dim)));
  }
  keys.set_i32s(prefix + "rope.dimension_sections", values);
  return {};
}

}  // namespace

Status write_rope_settings(PlanBuilder& builder, const Config& settings, const std::string& prefix, int64_t head_dim) {
  // Transformers 5 has everything in rope_parameters; 4 had rope_theta beside rope_scaling, whose kind was "type".
  Config rope(settings.path());
  rope.add(settings.find("rope_parameters")).add(settings.find("rope_scaling"));
  SACCADE_ASSIGN_OR_RETURN(const double outer_theta, settings.number_or("rope_theta", 10000));
  SACCADE_ASSIGN_OR_RETURN(const double theta, rope.number_or("rope_theta", outer_theta));
  SACCADE_ASSIGN_OR_RETURN(const std::string old_kind, rope.string_or("type", "default"));
  SACCADE_ASSIGN_OR_RETURN(const std::string kind, rope.string_or("rope_type", old_kind));
  GgufKeys& keys = builder.plan().language_keys;
  keys.set_f32(prefix + "rope.freq_base", static_cast<float>(theta));
  SACCADE_RETURN_IF_ERROR(write_sections(keys, rope, prefix, head_dim));
  if (kind == "default" || kind == "mrope") return {};
  if (kind == "linear") return write_linear(keys, rope, prefix);
  if (kind == "yarn") return write_yarn(keys, rope, prefix);
  if (kind == "llama3") {
    SACCADE_ASSIGN_OR_RETURN(std::vector<float> divisors, llama3_divisors(rope, theta, head_dim));
    builder.add_values(ModelPart::kLanguage, "rope_freqs.weight", std::move(divisors));
    return {};
  }
  if (kind == "dynamic") {
    builder.warn("dynamic rope scaling is not carried over: past the original context answers may differ");
    return {};
  }
  return unsupported(settings.path() + ": rope scaling " + quote(kind) + " cannot be converted");
}

}  // namespace saccade
