#include "saccade/engine.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <new>
#include <optional>
#include <random>

#include "base/format.h"
#include "decoder/sampler.h"
#include "engine/model.h"
#include "engine/prompt.h"
#include "kernels/isa.h"
#include "media/image.h"
#include "platform/clock.h"
#include "platform/process_memory.h"
#include "platform/thread_pool.h"
#include "request/validate_request.h"
#include "response/stop_matcher.h"

namespace saccade {
namespace {

constexpr int64_t kDefaultContext = 4096;

/// A picture of the request: its bytes, and what its header says.
struct Picture {
  MediaBytes media;
  PictureFacts facts;
};

Status in_picture(const Picture& picture, const Status& status) {
  return status.with_context(picture.media.name());
}

std::vector<ChatMessage> chat_messages(const Request& request) {
  std::vector<ChatMessage> messages;
  for (const Message& message : request.messages) {
    ChatMessage chat = {message.role, {}};
    for (const ContentPart& part : message.content) {
      const bool is_text = part.kind == ContentPart::Kind::kText;
      chat.parts.push_back({is_text ? ChatPart::Kind::kText : ChatPart::Kind::kImage, part.text});
    }
    messages.push_back(std::move(chat));
  }
  return messages;
}

}  // namespace

class Engine::Impl {
 public:
  static Expected<std::unique_ptr<Impl>> load(const EngineOptions& options);

  const ModelInfo& info() const { return info_; }
  Expected<Answer> answer(const Request& request, const AnswerCallbacks& callbacks);

 private:
  // What one answer works on.
  struct Task {
    const Request& request;
    const AnswerCallbacks& callbacks;
    Stopwatch clock;
    Answer answer;
    std::vector<Picture> pictures;
    std::vector<std::vector<MediaPiece>> encoded;  // per picture; empty where the cache makes it unnecessary
    Prompt prompt;
  };

  Impl(const EngineOptions& options, Model model, Isa isa);

  Expected<std::vector<Picture>> open_pictures(const Request& request) const;
  Status build(Task& task);
  int64_t reusable_rows(const Prompt& prompt) const;
  Status encode_picture(Task& task, size_t picture_idx);
  Status encode_pictures(Task& task, int64_t first_row);
  Expected<Tensor> prefill(Task& task);
  Status generate(Task& task, Tensor logits);
  void write_receipt(Task& task);
  std::function<bool(double)> progress_of(const Task& task, std::string_view stage, double begin, double end) const;

  const EngineOptions options_;
  const Model model_;
  ThreadPool pool_;
  ModelInfo info_;
  std::shared_ptr<KvBlockPool> kv_pool_;
  // The conversation so far: the cache, and what its rows were computed from.
  KvSequence kv_;
  std::vector<uint64_t> cached_;  // [rows in kv_]
  bool is_load_counted_ = false;
};

Expected<std::unique_ptr<Engine::Impl>> Engine::Impl::load(const EngineOptions& options) {
  const Stopwatch clock;
  SACCADE_ASSIGN_OR_RETURN(const Isa isa, active_isa());
  SACCADE_ASSIGN_OR_RETURN(Model model, Model::load(options.model_path, options.mmproj_path));
  if (options.context_length < 0 || options.context_length > model.decoder->config().context_length) {
    return resource_exhausted(format("a context of %lld tokens was asked for; %s was made for 1 to %lld",
                                     static_cast<long long>(options.context_length), options.model_path.c_str(),
                                     static_cast<long long>(model.decoder->config().context_length)));
  }
  std::unique_ptr<Impl> impl(new Impl(options, std::move(model), isa));
  impl->info_.load_ms = clock.elapsed_ms();
  return impl;
}

Engine::Impl::Impl(const EngineOptions& options, Model model, Isa isa)
    : options_(options),
      model_(std::move(model)),
      pool_(options.threads),
      kv_pool_(std::make_shared<KvBlockPool>(model_.decoder->config().kv_dim(), available_memory_bytes())),
      kv_(model_.decoder->make_sequence(kv_pool_)) {
  info_.family = model_.family();
  info_.context_length = options.context_length > 0
                             ? options.context_length
                             : std::min(model_.decoder->config().context_length, kDefaultContext);
  info_.takes_pictures = model_.vision != nullptr;
  info_.threads = pool_.num_threads();
  info_.isa = isa_name(isa);
}

Expected<std::vector<Picture>> Engine::Impl::open_pictures(const Request& request) const {
  std::vector<Picture> pictures;
  const ImageLimits limits = {options_.max_image_bytes, options_.max_image_pixels};
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::kImage) continue;
      if (model_.vision == nullptr) {
        return invalid_argument("the request has a picture, but " + options_.model_path +
                                " is a language model alone; give its vision part with --mmproj FILE");
      }
      SACCADE_ASSIGN_OR_RETURN(MediaBytes media, MediaBytes::open(part, options_.max_image_bytes));
      Picture picture = {std::move(media), {}};
      auto header = probe_image(picture.media.bytes(), limits);
      if (!header) return in_picture(picture, header.status());
      picture.facts.size = {header->width, header->height};
      picture.facts.digest = XXH3_64bits(picture.media.bytes().data(), picture.media.bytes().size());
      pictures.push_back(std::move(picture));
    }
  }
  return pictures;
}

Status Engine::Impl::build(Task& task) {
  SACCADE_ASSIGN_OR_RETURN(task.pictures, open_pictures(task.request));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<PromptSpan> spans,
                           model_.chat_template->render(chat_messages(task.request), /*add_generation_prompt=*/true));
  std::vector<PictureFacts> facts;
  for (const Picture& picture : task.pictures) facts.push_back(picture.facts);
  SACCADE_ASSIGN_OR_RETURN(task.prompt, build_prompt(model_, spans, facts));
  task.encoded.resize(task.pictures.size());
  if (task.prompt.num_rows() == 0) return invalid_argument("the prompt is empty");
  if (task.prompt.num_rows() >= info_.context_length) {
    const int64_t largest = model_.decoder->config().context_length;
    std::string advice = "ask with fewer pictures or words, or begin a new conversation";
    if (info_.context_length < largest) {
      advice += format(", or a larger context (up to %lld)", static_cast<long long>(largest));
    }
    return resource_exhausted(
        format("the prompt has %lld tokens, %lld of them from pictures, but the context holds %lld; %s",
               static_cast<long long>(task.prompt.num_rows()), static_cast<long long>(task.prompt.num_visual()),
               static_cast<long long>(info_.context_length), advice.c_str()));
  }
  return {};
}

// Rows of the cache that begin the prompt too. The last row is always computed anew: its logits are needed.
int64_t Engine::Impl::reusable_rows(const Prompt& prompt) const {
  const auto [prompt_end, cached_end] =
      std::mismatch(prompt.fingerprints.begin(), prompt.fingerprints.end(), cached_.begin(), cached_.end());
  return std::min(static_cast<int64_t>(prompt_end - prompt.fingerprints.begin()), prompt.num_rows() - 1);
}

std::function<bool(double)> Engine::Impl::progress_of(const Task& task, std::string_view stage, double begin,
                                                      double end) const {
  if (!task.callbacks.on_progress) return [](double) { return true; };
  return [&task, stage, begin, end](double fraction) {
    return task.callbacks.on_progress({stage, begin + (end - begin) * fraction});
  };
}

Status Engine::Impl::encode_picture(Task& task, size_t picture_idx) {
  StageTimes& stages = task.answer.receipt.stages_ms;
  const Picture& picture = task.pictures[picture_idx];
  Stopwatch decode_clock;
  auto image = decode_image(picture.media.bytes(), {options_.max_image_bytes, options_.max_image_pixels});
  if (!image) return in_picture(picture, image.status());
  if (image->size() != picture.facts.size) {
    return in_picture(picture, corrupt_data("the picture decodes to another size than its header says"));
  }
  stages.media_decode += decode_clock.elapsed_ms();
  Stopwatch resize_clock;
  auto pixels = prepare_pixels(*image, model_.vision->pixel_spec());
  if (!pixels) return in_picture(picture, pixels.status());
  stages.resize += resize_clock.elapsed_ms();
  task.answer.receipt.pictures[picture_idx].num_tiles = pixels->num_tiles();
  EncodeTrace trace;
  const double share = 1.0 / static_cast<double>(task.pictures.size());
  const double begin = share * static_cast<double>(picture_idx);
  auto pieces = model_.vision->encode(*pixels, pool_, trace, progress_of(task, "encode", begin, begin + share));
  if (!pieces) return in_picture(picture, pieces.status());
  stages.encode += trace.encode_ms;
  stages.project += trace.project_ms;
  task.encoded[picture_idx] = *std::move(pieces);
  return {};
}

Status Engine::Impl::encode_pictures(Task& task, int64_t first_row) {
  for (const Picture& picture : task.pictures) {
    task.answer.receipt.pictures.push_back(
        {picture.media.name(), picture.facts.size.width, picture.facts.size.height, 0, 0});
  }
  for (const MediaRun& run : task.prompt.media) {
    const auto picture_idx = static_cast<size_t>(run.picture_idx);
    task.answer.receipt.pictures[picture_idx].visual_tokens += run.num_tokens;
    const bool is_needed = run.first_row + run.num_tokens > first_row;
    if (is_needed && task.encoded[picture_idx].empty()) {
      SACCADE_RETURN_IF_ERROR(encode_picture(task, picture_idx));
    }
  }
  return {};
}

Expected<Tensor> Engine::Impl::prefill(Task& task) {
  const int64_t first_row = reusable_rows(task.prompt);
  SACCADE_RETURN_IF_ERROR(encode_pictures(task, first_row));
  const Stopwatch clock;
  std::vector<const MediaTokens*> vectors;
  for (const MediaRun& run : task.prompt.media) {
    int media_idx = 0;
    const MediaTokens* found = nullptr;
    for (const MediaPiece& piece : task.encoded[static_cast<size_t>(run.picture_idx)]) {
      const auto* tokens = std::get_if<MediaTokens>(&piece);
      if (tokens != nullptr && media_idx++ == run.media_idx) found = tokens;
    }
    vectors.push_back(found);
  }
  const Tensor rows = embed_rows(model_, task.prompt, first_row, vectors);
  kv_.truncate(first_row);
  cached_.resize(static_cast<size_t>(first_row));
  ForwardArgs args;
  args.rows = &rows;
  args.positions = std::span(task.prompt.positions).subspan(static_cast<size_t>(first_row));
  args.kv = &kv_;
  args.progress = progress_of(task, "prefill", 0, 1);
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, model_.decoder->forward(pool_, args));
  if (!std::ranges::all_of(logits.floats(), [](float logit) { return std::isfinite(logit); })) {
    kv_.truncate(first_row);
    return corrupt_data(options_.model_path +
                        ": the model computed values that are not numbers; the file may be damaged, compare its "
                        "checksum with the publisher's");
  }
  cached_ = task.prompt.fingerprints;
  task.answer.receipt.tokens.cached = first_row;
  task.answer.receipt.stages_ms.prefill = clock.elapsed_ms();
  return logits;
}

Status Engine::Impl::generate(Task& task, Tensor logits) {
  const Stopwatch clock;
  Receipt& receipt = task.answer.receipt;
  Sampler sampler(task.request.sampling, receipt.seed);
  for (const TokenId token : task.prompt.tokens) {
    if (token != Prompt::kMediaRow) sampler.see(token);
  }
  DetokenizerStream detokenizer(*model_.tokenizer);
  StopMatcher stops(task.request.stop);
  bool is_wanted = true;
  const auto emit = [&](const std::string& text) {
    task.answer.text += text;
    if (!text.empty() && task.callbacks.on_text) is_wanted = task.callbacks.on_text(text);
  };
  const int64_t room = info_.context_length - task.prompt.num_rows();
  const int64_t max_tokens = std::min(task.request.max_tokens, room);
  int32_t position = task.prompt.next_position;
  Tensor row({1, model_.decoder->config().model_dim});
  receipt.finish_reason = "length";
  while (true) {
    const TokenId token = sampler.sample(logits.row(0));
    if (receipt.tokens.generated == 0) receipt.ttft_ms = task.clock.elapsed_ms();
    ++receipt.tokens.generated;
    if (model_.tokenizer->is_end(token)) {
      receipt.finish_reason = "stop";
      break;
    }
    emit(stops.push(detokenizer.push(token)));
    if (stops.is_stopped()) receipt.finish_reason = "stop";
    if (!is_wanted) receipt.finish_reason = "cancelled";
    if (stops.is_stopped() || !is_wanted || receipt.tokens.generated == max_tokens) break;
    sampler.see(token);
    model_.decoder->embed(token, row.row(0));
    const TokenPosition here = {position, position, position};
    ++position;
    ForwardArgs args;
    args.rows = &row;
    args.positions = {&here, 1};
    args.kv = &kv_;
    SACCADE_ASSIGN_OR_RETURN(logits, model_.decoder->forward(pool_, args));
    cached_.push_back(static_cast<uint64_t>(token));
  }
  if (is_wanted) emit(stops.push(detokenizer.finish()));
  if (is_wanted) emit(stops.finish());
  receipt.stages_ms.decode = clock.elapsed_ms();
  return {};
}

void Engine::Impl::write_receipt(Task& task) {
  Receipt& receipt = task.answer.receipt;
  receipt.model = std::filesystem::path(options_.model_path).filename().string();
  receipt.family = info_.family;
  receipt.isa = info_.isa;
  receipt.threads = info_.threads;
  receipt.latency_ms = task.clock.elapsed_ms();
  if (!is_load_counted_) {
    is_load_counted_ = true;
    receipt.stages_ms.load = info_.load_ms;
    receipt.latency_ms += info_.load_ms;
    receipt.ttft_ms += info_.load_ms;
  }
  receipt.tokens.visual = task.prompt.num_visual();
  receipt.tokens.text = task.prompt.num_rows() - receipt.tokens.visual;
  const double decode_seconds = receipt.stages_ms.decode / 1000;
  const auto after_first = static_cast<double>(receipt.tokens.generated - 1);
  receipt.tokens_per_second = after_first > 0 && decode_seconds > 0 ? after_first / decode_seconds : 0;
  receipt.peak_memory_bytes = peak_resident_bytes();
  receipt.chat_template = model_.chat_template->source();
  receipt.chat_template_note = model_.chat_template->fallback_reason();
}

Expected<Answer> Engine::Impl::answer(const Request& request, const AnswerCallbacks& callbacks) {
  Task task = {request, callbacks, {}, {}, {}, {}, {}};
  SACCADE_RETURN_IF_ERROR(validate_request(request));
  task.answer.receipt.seed = request.sampling.seed ? *request.sampling.seed : std::random_device{}();
  SACCADE_RETURN_IF_ERROR(build(task));
  auto logits = prefill(task);
  if (!logits && logits.status().code() != StatusCode::kCancelled) return logits.status();
  if (logits) {
    SACCADE_RETURN_IF_ERROR(generate(task, *std::move(logits)));
  } else {
    task.answer.receipt.finish_reason = "cancelled";
  }
  write_receipt(task);
  return std::move(task.answer);
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

const ModelInfo& Engine::info() const {
  return impl_->info();
}

Expected<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options) {
  try {
    SACCADE_ASSIGN_OR_RETURN(std::unique_ptr<Impl> impl, Impl::load(options));
    return std::unique_ptr<Engine>(new Engine(std::move(impl)));
  } catch (const std::bad_alloc&) {
    return resource_exhausted(options.model_path + ": there is not enough memory to load the model");
  }
}

Expected<Answer> Engine::answer(const Request& request, const AnswerCallbacks& callbacks) {
  try {
    return impl_->answer(request, callbacks);
  } catch (const std::bad_alloc&) {
    return resource_exhausted("there is not enough memory for this request; use a smaller context or picture");
  }
}

}  // namespace saccade
