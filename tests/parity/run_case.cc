#include "run_case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "base/format.h"
#include "encoder/media_tokens.h"
#include "media/image.h"

namespace saccade::parity {
namespace {

// Where these come from: tools/parity/README.md.
constexpr double kVectorTolerance = 1e-4;
constexpr double kPixelTolerance = 1e-5;  // of a normalised value; a level of 8 bits is about 0.015

void append(std::vector<float>& to, const Tensor& tensor) {
  const std::span<const float> values = tensor.floats();
  to.insert(to.end(), values.begin(), values.end());
}

StageResult compare_tokens(const std::string& stage, std::span<const int32_t> ours, std::span<const int32_t> expected) {
  StageResult result = {stage, 0, 0, ""};
  const auto [our_end, expected_end] = std::mismatch(ours.begin(), ours.end(), expected.begin(), expected.end());
  if (our_end == ours.end() && expected_end == expected.end()) return result;
  result.error = 1;
  const auto idx = our_end - ours.begin();
  const auto show = [](auto position, auto end) {
    return position == end ? std::string("the end") : std::to_string(*position);
  };
  result.detail =
      format("at %lld of %lld: %s, expected %s", static_cast<long long>(idx), static_cast<long long>(expected.size()),
             show(our_end, ours.end()).c_str(), show(expected_end, expected.end()).c_str());
  return result;
}

StageResult compare_vectors(const std::string& stage, std::span<const float> ours, std::span<const float> expected) {
  StageResult result = {stage, relative_error(ours, expected), kVectorTolerance, ""};
  if (ours.size() != expected.size()) {
    result.detail = format("%lld values, expected %lld", static_cast<long long>(ours.size()),
                           static_cast<long long>(expected.size()));
  }
  return result;
}

/// Normalised pixels against 8-bit levels: the largest difference.
StageResult compare_pixels(const GoldenFamily& family, const GoldenCase& golden, std::span<const PixelBatch> pixels) {
  StageResult result = {"pixels", 0, kPixelTolerance, ""};
  for (size_t picture = 0; picture < pixels.size(); ++picture) {
    const std::span<const float> ours = pixels[picture].pixels.floats();
    const std::vector<uint8_t>& levels = golden.pixels[picture];
    if (ours.size() != levels.size()) {
      result.error = std::numeric_limits<double>::infinity();
      result.detail = format("picture %d: %s has another size than the expected %lld values", static_cast<int>(picture),
                             pixels[picture].pixels.shape().to_string().c_str(), static_cast<long long>(levels.size()));
      return result;
    }
    const size_t plane = static_cast<size_t>(pixels[picture].height()) * static_cast<size_t>(pixels[picture].width());
    for (size_t i = 0; i < ours.size(); ++i) {
      const size_t channel = i / plane % 3;
      const double expected = (levels[i] / 255.0 - family.image_mean[channel]) / family.image_std[channel];
      const double error = std::abs(ours[i] - expected);
      if (error > result.error) {
        result.error = error;
        if (error > result.tolerance) {
          result.detail = format("picture %d, tile %lld, channel %lld, pixel %lld", static_cast<int>(picture),
                                 static_cast<long long>(i / plane / 3), static_cast<long long>(channel),
                                 static_cast<long long>(i % plane));
        }
      }
    }
  }
  return result;
}

Expected<DecodedImage> read_picture(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  auto image = decode_image(file.bytes());
  if (!image) return image.status().with_context(path);
  return at_full_size(*std::move(image));
}

/// The token with the largest logit; the first of equals, as torch.argmax takes.
int32_t likeliest(std::span<const float> logits) {
  return static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
}

struct Decoded {
  Tensor logits;  // of the prompt's last rows
  std::vector<int32_t> greedy;
  std::vector<float> last_logits;
};

Expected<Decoded> decode(const Model& model, ThreadPool& pool, const PreparedCase& prepared, const GoldenCase& golden) {
  const DecoderConfig& config = model.decoder->config();
  KvSequence kv =
      model.decoder->make_sequence(std::make_shared<KvBlockPool>(config.kv_shape(DType::kF32), uint64_t{1} << 32));
  Decoded decoded;
  ForwardArgs prefill;
  prefill.rows = &prepared.rows;
  prefill.positions = prepared.prompt.positions;
  const SequenceRows prompt_rows = {&kv, prepared.prompt.num_rows()};
  prefill.sequences = {&prompt_rows, 1};
  prefill.num_logit_rows = std::min(golden.num_logit_rows, prepared.prompt.num_rows());
  SACCADE_ASSIGN_OR_RETURN(decoded.logits, model.decoder->forward(pool, prefill));
  const Tensor& logits = decoded.logits;
  std::span<const float> last = logits.row(logits.shape().num_rows() - 1);
  decoded.last_logits.assign(last.begin(), last.end());
  int32_t position = prepared.prompt.next_position;
  Tensor row({1, config.model_dim});
  while (true) {
    decoded.greedy.push_back(likeliest(decoded.last_logits));
    if (decoded.greedy.size() == golden.greedy.size()) return decoded;
    model.decoder->embed(decoded.greedy.back(), row.row(0));
    const TokenPosition place = {position, position, position};
    ++position;
    ForwardArgs step;
    step.rows = &row;
    step.positions = {&place, 1};
    const SequenceRows next_row = {&kv, 1};
    step.sequences = {&next_row, 1};
    SACCADE_ASSIGN_OR_RETURN(const Tensor next, model.decoder->forward(pool, step));
    decoded.last_logits.assign(next.floats().begin(), next.floats().end());
  }
}

}  // namespace

double relative_error(std::span<const float> ours, std::span<const float> expected) {
  if (ours.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double error = double{ours[i]} - double{expected[i]};
    difference += error * error;
    size += double{expected[i]} * double{expected[i]};
  }
  const double ratio = std::sqrt(difference / std::max(size, 1e-30));
  return std::isnan(ratio) ? std::numeric_limits<double>::infinity() : ratio;
}

Request request_for(const GoldenCase& golden, int64_t max_tokens) {
  Request request;
  auto picture = golden.pictures.begin();
  for (const ChatMessage& chat : golden.messages) {
    Message message = {chat.role, {}};
    for (const ChatPart& part : chat.parts) {
      const bool is_text = part.kind == ChatPart::Kind::kText;
      message.content.push_back(
          {is_text ? ContentPart::Kind::kText : ContentPart::Kind::kImage, part.text, is_text ? "" : *picture++, {}});
    }
    request.messages.push_back(std::move(message));
  }
  request.max_tokens = max_tokens;
  return request;
}

std::string text_of(const Tokenizer& tokenizer, std::span<const int32_t> tokens) {
  DetokenizerStream detokenizer(tokenizer);
  std::string text;
  for (const TokenId token : tokens) text += detokenizer.push(token);
  return text + detokenizer.finish();
}

Expected<PreparedCase> prepare_case(const Model& model, ThreadPool& pool, const GoldenCase& golden) {
  PreparedCase prepared;
  if (model.vision == nullptr && !golden.pictures.empty()) return invalid_argument("the model takes no pictures");
  std::vector<PictureFacts> facts;
  std::vector<MediaTokens> media;
  for (const std::string& path : golden.pictures) {
    SACCADE_ASSIGN_OR_RETURN(const DecodedImage image, read_picture(path));
    facts.push_back({image.original, 0});
    SACCADE_ASSIGN_OR_RETURN(PixelBatch pixels, prepare_pixels(image, model.vision->pixel_spec(), pool));
    EncodeTrace trace;
    trace.keep_tensors = true;
    SACCADE_ASSIGN_OR_RETURN(std::vector<MediaPiece> pieces,
                             model.vision->encode(pixels, {}, pool, trace, [](double) { return true; }));
    append(prepared.encoder, trace.encoder_output);
    append(prepared.projector, trace.projector_output);
    for (MediaPiece& piece : pieces) {
      if (auto* tokens = std::get_if<MediaTokens>(&piece)) media.push_back(std::move(*tokens));
    }
    prepared.pixels.push_back(std::move(pixels));
  }
  SACCADE_ASSIGN_OR_RETURN(const std::vector<PromptSpan> spans,
                           model.chat_template->render(golden.messages, /*add_generation_prompt=*/true));
  SACCADE_ASSIGN_OR_RETURN(prepared.prompt, build_prompt(model, spans, facts));
  std::vector<const MediaTokens*> vectors;
  for (const MediaTokens& tokens : media) vectors.push_back(&tokens);
  if (vectors.size() != prepared.prompt.media.size()) {
    return corrupt_data(format("the encoder gave %d grids, the layout promised %d", static_cast<int>(vectors.size()),
                               static_cast<int>(prepared.prompt.media.size())));
  }
  prepared.rows = embed_rows(model, prepared.prompt, 0, vectors);
  return prepared;
}

Expected<std::vector<StageResult>> run_case(const Model& model, ThreadPool& pool, const GoldenFamily& family,
                                            const GoldenCase& golden) {
  SACCADE_ASSIGN_OR_RETURN(const PreparedCase prepared, prepare_case(model, pool, golden));
  std::vector<int32_t> tokens = prepared.prompt.tokens;
  std::ranges::replace(tokens, Prompt::kMediaRow, family.image_token_id);
  std::vector<StageResult> results = {compare_tokens("tokens", tokens, golden.tokens)};
  if (!golden.pictures.empty()) results.push_back(compare_pixels(family, golden, prepared.pixels));
  if (!golden.encoder.empty()) {
    results.push_back(compare_vectors("encoder", prepared.encoder, golden.encoder));
    results.push_back(compare_vectors("projector", prepared.projector, golden.projector));
  }
  SACCADE_ASSIGN_OR_RETURN(const Decoded decoded, decode(model, pool, prepared, golden));
  results.push_back(compare_vectors("logits", decoded.logits.floats(), golden.logits));
  results.push_back(compare_tokens("greedy", decoded.greedy, golden.greedy));
  results.push_back(compare_vectors("last_logits", decoded.last_logits, golden.last_logits));
  return results;
}

}  // namespace saccade::parity
