#include "engine/model.h"

#include <algorithm>

#include "base/format.h"
#include "engine/skip_order.h"

namespace saccade {
namespace {

// A control token that is not in the vocabulary would go into the prompt as the letters of its name.
Status check_control_tokens(const Tokenizer& tokenizer, const VisionEncoder& vision) {
  const ControlTokens tokens = vision.control_tokens();
  const auto is_known = [&](const std::string& token) { return tokenizer.special(token).has_value(); };
  const auto missing = [&](const std::string& token) {
    return unsupported("control token " + quote(token) + ", which " + vision.family() +
                       " puts around pictures, is not in the vocabulary");
  };
  const auto required = std::ranges::find_if_not(tokens.required, is_known);
  if (required != tokens.required.end()) return missing(*required);
  if (std::ranges::none_of(tokens.all_or_none, is_known)) return {};
  const auto optional = std::ranges::find_if_not(tokens.all_or_none, is_known);
  return optional == tokens.all_or_none.end() ? Status() : missing(*optional);
}

// The strategy that AdaLLaVA checkpoints name; null where they name none.
Expected<const Strategy*> read_own_strategy(const Metadata& metadata) {
  constexpr const char* kKey = "ada.token_selecting";
  SACCADE_ASSIGN_OR_RETURN(const std::string name, metadata.string_or(kKey, "none"));
  if (name == "none") return nullptr;
  if (name != "prumerge" && name != "prumerge+") {
    return unsupported(format("key %s is %s; known are none, prumerge, prumerge+", kKey, quote(name).c_str()));
  }
  return find_strategy(name);
}

Status in_file(const Status& status, const std::string& path) {
  return status.message().starts_with(path) ? status : status.with_context(path);
}

}  // namespace

std::string Model::family() const {
  const std::string& architecture = decoder->config().architecture;
  return vision == nullptr ? architecture : architecture + "+" + vision->family();
}

Expected<Model> Model::load(const std::string& model_path, const std::string& mmproj_path, ThreadPool* pool,
                            const ProgressFunction& progress, bool enlarges_pictures) {
  Model model;
  SACCADE_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::open(model_path, mmproj_path));
  model.files = std::make_unique<const ModelFiles>(std::move(files));
  const auto in_model = [&](const Status& status) { return in_file(status, model_path); };

  auto tokenizer = Tokenizer::from_metadata(model.files->language_metadata());
  if (!tokenizer) return in_model(tokenizer.status());
  model.tokenizer = *std::move(tokenizer);
  SACCADE_RETURN_IF_ERROR(model.load_decoder(pool, progress));
  const DecoderConfig& config = model.decoder->config();
  if (model.tokenizer->vocab_size() > config.vocab_size) {
    return corrupt_data(format("%s: the vocabulary has %d tokens, but token_embd.weight only %lld rows",
                               model_path.c_str(), model.tokenizer->vocab_size(),
                               static_cast<long long>(config.vocab_size)));
  }
  std::string marker;
  std::string placeholder;
  if (model.files->has_vision()) {
    SACCADE_RETURN_IF_ERROR(model.load_vision(pool, enlarges_pictures));
    if (Status status = check_control_tokens(*model.tokenizer, *model.vision); !status.is_ok()) return in_model(status);
    marker = model.vision->image_marker();
    placeholder = model.vision->image_placeholder();
  }
  model.chat_template =
      ChatTemplate::make(model.files->language_metadata(), *model.tokenizer, std::move(marker), std::move(placeholder));
  return model;
}

Expected<Model> Model::outline(ModelFiles files) {
  Model model;
  model.files = std::make_unique<const ModelFiles>(std::move(files));
  SACCADE_RETURN_IF_ERROR(model.load_decoder(nullptr, {}));
  if (model.files->has_vision()) SACCADE_RETURN_IF_ERROR(model.load_vision(nullptr, true));
  return model;
}

Status Model::load_decoder(ThreadPool* pool, const ProgressFunction& progress) {
  const std::string& path = files->language_file().path();
  auto loaded = Decoder::load(*files);
  if (!loaded) return in_file(loaded.status(), path);
  if (pool != nullptr) SACCADE_RETURN_IF_ERROR((*loaded)->pack_weights(*pool, progress));
  decoder = *std::move(loaded);
  auto loaded_scheduler = LayerScheduler::load(*files, decoder->config());
  if (!loaded_scheduler) return in_file(loaded_scheduler.status(), files->vision_file().path());
  scheduler = *std::move(loaded_scheduler);
  auto skip_order = read_skip_order(files->language_metadata(), kDecoderSkipOrderKey, decoder->config().num_layers);
  if (!skip_order) return in_file(skip_order.status(), path);
  decoder_skip_order = *std::move(skip_order);
  return {};
}

Status Model::load_vision(ThreadPool* pool, bool enlarges_pictures) {
  const std::string& path = files->vision_file().path();
  const DecoderConfig& config = decoder->config();
  auto loaded = VisionEncoder::load(*files, config.model_dim);
  if (!loaded) return in_file(loaded.status(), path);
  if (!enlarges_pictures) (*loaded)->keep_small_pictures();
  if (pool != nullptr) (*loaded)->pack_weights(*pool);
  vision = *std::move(loaded);
  auto order = read_skip_order(files->vision_metadata(), kEncoderSkipOrderKey, vision->num_layers());
  if (!order) return in_file(order.status(), path);
  encoder_skip_order = *std::move(order);
  auto loaded_scorer = TokenScorer::load(*files, config.model_dim);
  if (!loaded_scorer) return in_file(loaded_scorer.status(), path);
  token_scorer = *std::move(loaded_scorer);
  auto strategy = read_own_strategy(files->vision_metadata());
  if (!strategy) return in_file(strategy.status(), path);
  own_strategy = *strategy;
  if (vision->has_2d_positions() == config.rope.is_multidimensional()) return {};
  return unsupported(path + ": is the vision part of another model: a " + vision->family() +
                     " encoder does not go with a " + config.architecture + " language model");
}

}  // namespace saccade
