#include "saccade/engine.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <new>
#include <numeric>
#include <random>
#include <unordered_map>

#include "base/format.h"
#include "decoder/sampler.h"
#include "engine/answer_writer.h"
#include "engine/continuation.h"
#include "engine/conversation.h"
#include "engine/decoder_plan.h"
#include "engine/layer_order.h"
#include "engine/model.h"
#include "engine/pictures.h"
#include "engine/prompt.h"
#include "engine/stage_timer.h"
#include "engine/token_facts.h"
#include "kernels/isa.h"
#include "platform/process_memory.h"
#include "platform/thread_pool.h"
#include "request/validate_request.h"

namespace saccade {
namespace {

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

// What is thrown below becomes a Status here: memory can run out anywhere, and callbacks are the caller's code.
template <typename Call>
auto catch_exceptions(const std::string& no_memory, const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return resource_exhausted(no_memory);
  } catch (const std::exception& error) {
    return internal_error(std::string("an unexpected failure: ") + error.what());
  }
}

DType kv_dtype(const EngineOptions& options) {
  switch (options.kv_type) {
    case KvType::kF32:
      return DType::kF32;
    case KvType::kF16:
      return DType::kF16;
    case KvType::kQ8_0:
      return DType::kQ8_0;
  }
  return DType::kF16;
}

double layers_per_token(const ForwardTrace& trace) {
  const int64_t total = std::reduce(trace.num_rows.begin(), trace.num_rows.end());
  return trace.num_tokens == 0 ? 0 : static_cast<double>(total) / static_cast<double>(trace.num_tokens);
}

// Pictures of which is remembered which tokens a plan kept.
constexpr size_t kMaxLookedAt = 256;

}  // namespace

class Engine::Impl {
 public:
  static Expected<std::unique_ptr<Impl>> load(const EngineOptions& options,
                                              const std::function<bool(const Progress&)>& on_progress);

  const ModelInfo& info() const { return info_; }
  Expected<Answer> answer(const Request& request, const AnswerCallbacks& callbacks);
  void forget();
  Expected<std::vector<LayerNeed>> measure_layers(std::span<const Request> requests,
                                                  const std::function<bool(const Progress& progress)>& on_progress);
  Expected<TokenFacts> measure_tokens(const ContentPart& picture, const Plan& plan,
                                      const std::function<bool(const Progress& progress)>& on_progress);

 private:
  // What one answer works on.
  struct Task {
    const Request& request;
    const AnswerCallbacks& callbacks;
    Stopwatch clock;
    Answer answer;
    LookPlan look;
    std::vector<Picture> pictures;
    Prompt prompt;
  };

  Impl(const EngineOptions& options, Model model, std::unique_ptr<ThreadPool> pool, Isa isa);

  PictureOptions picture_options() const {
    return {{options_.max_image_bytes, options_.max_image_pixels}, options_.has_exact_pixels};
  }
  Status lay_out(Task& task);
  Status look_ahead(Task& task);
  Status encode(Task& task, size_t picture_idx, double begin, double end);
  Status check_room(const Prompt& prompt) const;
  Status run(Task& task);
  Status encode_pictures(Task& task, int64_t first_row);
  Expected<Tensor> prefill(Task& task, int64_t first_row);
  Status generate(Task& task, Tensor logits);
  void write_receipt(Task& task);
  ProgressFunction progress_of(const Task& task, std::string_view stage, double begin, double end) const;

  const EngineOptions options_;
  const Model model_;
  const std::unique_ptr<ThreadPool> pool_;
  ModelInfo info_;
  Conversation conversation_;
  std::unordered_map<uint64_t, LookedAt> looked_at_;  // by the digest of a picture and a plan
  bool is_load_counted_ = false;
};

Expected<std::unique_ptr<Engine::Impl>> Engine::Impl::load(const EngineOptions& options,
                                                           const std::function<bool(const Progress&)>& on_progress) {
  const Stopwatch clock;
  SACCADE_ASSIGN_OR_RETURN(const Isa isa, active_isa());
  auto pool = std::make_unique<ThreadPool>(ThreadPoolOptions{options.threads, options.is_pinned});
  ProgressFunction progress;
  if (on_progress) progress = [&](double fraction) { return on_progress({"load", fraction}); };
  SACCADE_ASSIGN_OR_RETURN(Model model, Model::load(options.model_path, options.mmproj_path, pool.get(), progress,
                                                    options.enlarges_pictures));
  if (options.context_length < 0 || options.context_length > model.decoder->config().context_length) {
    return resource_exhausted(format("a context of %lld tokens was asked for; %s was made for 1 to %lld",
                                     static_cast<long long>(options.context_length), options.model_path.c_str(),
                                     static_cast<long long>(model.decoder->config().context_length)));
  }
  std::unique_ptr<Impl> impl(new Impl(options, std::move(model), std::move(pool), isa));
  impl->info_.load_ms = clock.elapsed_ms();
  return impl;
}

Engine::Impl::Impl(const EngineOptions& options, Model model, std::unique_ptr<ThreadPool> pool, Isa isa)
    : options_(options),
      model_(std::move(model)),
      pool_(std::move(pool)),
      conversation_(model_.decoder->make_sequence(std::make_shared<KvBlockPool>(
          model_.decoder->config().kv_shape(kv_dtype(options)), available_memory_bytes()))) {
  info_.family = model_.family();
  info_.context_length = options.context_length > 0
                             ? options.context_length
                             : std::min(model_.decoder->config().context_length, kDefaultContext);
  info_.takes_pictures = model_.vision != nullptr;
  for (const Strategy& strategy : strategies()) {
    if (model_.can_choose_by(strategy)) info_.strategies.emplace_back(strategy.name);
  }
  info_.has_learned_layers = model_.scheduler != nullptr || !model_.decoder_skip_order.empty();
  info_.takes_system_message = model_.chat_template->takes_system_message();
  info_.threads = pool_->num_threads();
  info_.isa = isa_name(isa);
}

// Opens the pictures and lays out the prompt. No pixel is touched yet, but where the plan's number of tokens depends on
// what a picture shows.
Status Engine::Impl::lay_out(Task& task) {
  Receipt& receipt = task.answer.receipt;
  {
    const StageTimer timer(receipt.stages_ms.media_decode);
    SACCADE_ASSIGN_OR_RETURN(task.pictures, open_pictures(task.request, model_, picture_options().limits));
  }
  std::vector<PromptSpan> spans;
  {
    const StageTimer timer(receipt.stages_ms.prompt);
    SACCADE_ASSIGN_OR_RETURN(spans, model_.chat_template->render(chat_messages(task.request), true));
    SACCADE_ASSIGN_OR_RETURN(task.look, make_look_plan(model_, task.request));
    SACCADE_ASSIGN_OR_RETURN(ConversationPlan plan, make_decoder_plan(model_, task.request.plan));
    conversation_.begin(std::move(plan));
  }
  for (Picture& picture : task.pictures) {
    const auto& [width, height] = picture.facts.size;
    picture.facts.digest ^= task.look.digest;
    picture.facts.is_repacked = task.look.plan.repacks_positions;
    receipt.pictures.push_back({.name = picture.media.name(), .width = width, .height = height});
    picture.tell_layout(receipt.pictures.back());
  }
  if (!task.look.keeps_layout()) SACCADE_RETURN_IF_ERROR(look_ahead(task));
  const StageTimer timer(receipt.stages_ms.prompt);
  std::vector<PictureFacts> facts;
  for (const Picture& picture : task.pictures) facts.push_back(picture.facts);
  SACCADE_ASSIGN_OR_RETURN(task.prompt, build_prompt(model_, spans, facts));
  for (const MediaRun& run : task.prompt.media) {
    PictureReceipt& picture = receipt.pictures[static_cast<size_t>(run.picture_idx)];
    picture.visual_tokens += run.num_tokens;
    picture.laid_out_tokens += run.num_laid_out;
  }
  if (model_.scheduler != nullptr) task.prompt.add_budget_row();
  return check_room(task.prompt);
}

// Encodes the pictures ahead of the prompt, or finds which of their tokens an earlier answer by the same plan kept.
Status Engine::Impl::look_ahead(Task& task) {
  const double share = 1.0 / static_cast<double>(std::max<size_t>(1, task.pictures.size()));
  for (size_t i = 0; i < task.pictures.size(); ++i) {
    Picture& picture = task.pictures[i];
    const auto known = looked_at_.find(picture.facts.digest);
    if (known != looked_at_.end()) {
      SACCADE_RETURN_IF_ERROR(recall(known->second, picture));
      picture.tell_layout(task.answer.receipt.pictures[i]);
      continue;
    }
    SACCADE_RETURN_IF_ERROR(encode(task, i, share * static_cast<double>(i), share * static_cast<double>(i + 1)));
    if (looked_at_.size() >= kMaxLookedAt) looked_at_.clear();
    looked_at_[picture.facts.digest] = remember(picture);
  }
  return {};
}

Status Engine::Impl::check_room(const Prompt& prompt) const {
  if (prompt.num_rows() == 0) return invalid_argument("the prompt is empty");
  if (prompt.num_rows() < info_.context_length) return {};
  const int64_t largest = model_.decoder->config().context_length;
  std::string advice = "ask with fewer pictures or words, or begin a new conversation";
  if (info_.context_length < largest) {
    advice += format(", or a larger context (up to %lld)", static_cast<long long>(largest));
  }
  return resource_exhausted(
      format("the prompt has %lld tokens, %lld of them from pictures, but the context holds %lld; %s",
             static_cast<long long>(prompt.num_rows()), static_cast<long long>(prompt.num_visual()),
             static_cast<long long>(info_.context_length), advice.c_str()));
}

ProgressFunction Engine::Impl::progress_of(const Task& task, std::string_view stage, double begin, double end) const {
  if (!task.callbacks.on_progress) return {};
  return [&task, stage, begin, end](double fraction) {
    return task.callbacks.on_progress({stage, begin + (end - begin) * fraction});
  };
}

Status Engine::Impl::encode_pictures(Task& task, int64_t first_row) {
  Receipt& receipt = task.answer.receipt;
  for (size_t i = 0; i < task.pictures.size(); ++i) receipt.pictures[i].is_cached = task.pictures[i].pieces.empty();
  for (const MediaRun& run : task.prompt.media) {
    if (run.first_row + run.num_tokens <= first_row) continue;
    receipt.pictures[static_cast<size_t>(run.picture_idx)].is_cached = false;
  }
  const double share = 1.0 / static_cast<double>(task.pictures.size());
  for (size_t i = 0; i < task.pictures.size(); ++i) {
    if (receipt.pictures[i].is_cached || !task.pictures[i].pieces.empty()) continue;
    const double begin = share * static_cast<double>(i);
    SACCADE_RETURN_IF_ERROR(encode(task, i, begin, begin + share));
  }
  return {};
}

Status Engine::Impl::encode(Task& task, size_t picture_idx, double begin, double end) {
  Receipt& receipt = task.answer.receipt;
  return encode_picture(model_, picture_options(), task.look, *pool_, progress_of(task, "encode", begin, end),
                        task.pictures[picture_idx], receipt.pictures[picture_idx], receipt);
}

Expected<Tensor> Engine::Impl::prefill(Task& task, int64_t first_row) {
  const StageTimer timer(task.answer.receipt.stages_ms.prefill);
  std::vector<const MediaTokens*> vectors;
  for (const MediaRun& run : task.prompt.media) vectors.push_back(find_vectors(task.pictures, run));
  Tensor rows = embed_rows(model_, task.prompt, first_row, vectors);
  if (task.prompt.has_budget_row) {
    const int64_t num_scheduled = model_.scheduler->num_scheduled(task.request.plan.layers.value_or(1.0));
    model_.scheduler->embed_budget(num_scheduled, rows.row(rows.shape()[0] - 1));
  }
  const std::vector<uint8_t> is_visual = task.prompt.visual_rows();
  const std::vector<float> biases = key_biases(task.prompt, vectors);
  const auto skipped = static_cast<size_t>(first_row);
  const NewRows more = {rows, std::span(task.prompt.positions).subspan(skipped),
                        std::span(task.prompt.fingerprints).subspan(skipped), std::span(is_visual).subspan(skipped),
                        biases.empty() ? std::span<const float>() : std::span(biases).subspan(skipped)};
  conversation_.truncate(first_row);
  ForwardTrace trace;
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, conversation_.extend(*model_.decoder, *pool_, more, 1,
                                                               progress_of(task, "prefill", 0, 1), &trace));
  Receipt& receipt = task.answer.receipt;
  receipt.flops.prefill = 2 * trace.multiply_adds;
  receipt.decoder.prefill_layers = layers_per_token(trace);
  for (size_t i = 0; i < trace.num_rows.size(); ++i) {
    if (trace.num_rows[i] > 0) receipt.decoder.layers.push_back(static_cast<int>(i));
  }
  receipt.decoder.last_visual_tokens =
      trace.was_pruned ? static_cast<int64_t>(trace.visual_kept.size()) : task.prompt.num_visual();
  if (!std::ranges::all_of(logits.floats(), [](float logit) { return std::isfinite(logit); })) {
    conversation_.truncate(first_row);
    return corrupt_data(options_.model_path +
                        ": the model computed values that are not numbers; the file may be damaged, compare its "
                        "checksum with the publisher's");
  }
  return logits;
}

Status Engine::Impl::generate(Task& task, Tensor logits) {
  Receipt& receipt = task.answer.receipt;
  const StageTimer timer(receipt.stages_ms.decode);
  Sampler sampler(task.request.sampling, receipt.seed);
  for (const TokenId token : task.prompt.tokens) {
    if (token != Prompt::kMediaRow) sampler.see(token);
  }
  AnswerWriter writer(*model_.tokenizer, task.request, task.callbacks, task.answer.text);
  const int64_t max_tokens = std::min(task.request.max_tokens, info_.context_length - task.prompt.num_rows());
  ForwardTrace trace;
  // A guess is verified with all layers; where tokens may leave early, it would cost what it saves.
  const bool may_guess = options_.speculates && !task.request.plan.exit;
  Continuation continuation(model_, *pool_, conversation_,
                            {task.prompt.tokens, std::move(logits), task.prompt.next_position, may_guess, &trace});
  bool is_ended = false;
  while (true) {
    const TokenId token = sampler.sample(continuation.logits());
    if (receipt.tokens.generated++ == 0) receipt.ttft_ms = task.clock.elapsed_ms();
    is_ended = model_.tokenizer->is_end(token);
    if (is_ended) break;
    writer.push(token);
    const int64_t num_left = max_tokens - receipt.tokens.generated;
    if (writer.is_stopped() || writer.is_cancelled() || num_left == 0) break;
    sampler.see(token);
    SACCADE_RETURN_IF_ERROR(continuation.push(token, num_left));
  }
  receipt.flops.decode = 2 * trace.multiply_adds;
  receipt.decoder.decode_layers = layers_per_token(trace);
  receipt.tokens.guessed = continuation.num_guessed();
  receipt.tokens.guessed_right = continuation.num_guessed_right();
  writer.finish();
  receipt.finish_reason = is_ended || writer.is_stopped() ? "stop" : "length";
  if (writer.is_cancelled()) receipt.finish_reason = "cancelled";
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
    if (receipt.ttft_ms) *receipt.ttft_ms += info_.load_ms;
  }
  receipt.decoder.num_layers = static_cast<int>(model_.decoder->config().num_layers);
  receipt.tokens.visual = task.prompt.num_visual();
  receipt.tokens.budget = task.prompt.has_budget_row ? 1 : 0;
  receipt.tokens.text = task.prompt.num_rows() - receipt.tokens.visual - receipt.tokens.budget;
  const double decode_seconds = receipt.stages_ms.decode / 1000;
  const auto after_first = static_cast<double>(receipt.tokens.generated - 1);
  receipt.tokens_per_second = after_first > 0 && decode_seconds > 0 ? after_first / decode_seconds : 0;
  receipt.peak_memory_bytes = peak_resident_bytes();
  receipt.chat_template = model_.chat_template->source();
  receipt.chat_template_note = model_.chat_template->fallback_reason();
}

// From the prompt to the last token. The prompt's last row is always computed anew: its logits are needed.
Status Engine::Impl::run(Task& task) {
  const int64_t first_row =
      std::min(conversation_.num_common_rows(task.prompt.fingerprints), task.prompt.num_rows() - 1);
  task.answer.receipt.tokens.cached = first_row;
  SACCADE_RETURN_IF_ERROR(encode_pictures(task, first_row));
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, prefill(task, first_row));
  return generate(task, std::move(logits));
}

Expected<Answer> Engine::Impl::answer(const Request& request, const AnswerCallbacks& callbacks) {
  Task task = {request, callbacks, {}, {}, {}, {}, {}};
  SACCADE_RETURN_IF_ERROR(validate_request(request));
  task.answer.receipt.seed = request.sampling.seed ? *request.sampling.seed : std::random_device{}();
  Status status = lay_out(task);
  if (status.is_ok()) status = run(task);
  if (status.code() == StatusCode::kCancelled) {
    task.answer.receipt.finish_reason = "cancelled";
  } else if (!status.is_ok()) {
    return status;
  } else if (request.wants_looks) {
    for (const Picture& picture : task.pictures) task.answer.looks.push_back(make_picture_look(model_, picture));
  }
  write_receipt(task);
  return std::move(task.answer);
}

void Engine::Impl::forget() {
  conversation_.truncate(0);
  looked_at_.clear();
}

Expected<std::vector<LayerNeed>> Engine::Impl::measure_layers(
    std::span<const Request> requests, const std::function<bool(const Progress& progress)>& on_progress) {
  const int64_t num_layers = model_.decoder->config().num_layers;
  std::vector<LayerNeed> needs;
  for (int64_t layer = 0; layer < num_layers; ++layer) needs.push_back({layer, 0});
  const double num_steps = static_cast<double>(requests.size()) * static_cast<double>(num_layers + 1);
  double num_done = 0;
  AnswerCallbacks callbacks;
  callbacks.on_progress = [&](const Progress&) {
    return !on_progress || on_progress({"layers", num_done / num_steps});
  };
  for (const Request& asked : requests) {
    Request request = asked;
    request.plan = {};
    SACCADE_RETURN_IF_ERROR(validate_request(request));
    Task task = {request, callbacks, {}, {}, {}, {}, {}};
    SACCADE_RETURN_IF_ERROR(lay_out(task));
    SACCADE_RETURN_IF_ERROR(encode_pictures(task, 0));
    SACCADE_ASSIGN_OR_RETURN(const Tensor full, prefill(task, 0));
    ++num_done;
    for (LayerNeed& need : needs) {
      Plan plan;
      plan.frozen_layers = {need.layer};
      SACCADE_ASSIGN_OR_RETURN(ConversationPlan frozen, make_decoder_plan(model_, plan));
      conversation_.begin(std::move(frozen));
      SACCADE_ASSIGN_OR_RETURN(const Tensor logits, prefill(task, 0));
      need.divergence += divergence(full.row(0), logits.row(0)) / static_cast<double>(requests.size());
      ++num_done;
    }
  }
  std::ranges::stable_sort(needs, {}, &LayerNeed::divergence);
  return needs;
}

Expected<TokenFacts> Engine::Impl::measure_tokens(const ContentPart& picture, const Plan& plan,
                                                  const std::function<bool(const Progress& progress)>& on_progress) {
  ProgressFunction progress;
  if (on_progress) progress = [&](double fraction) { return on_progress({"encode", fraction}); };
  return saccade::measure_tokens(model_, picture_options(), *pool_, picture, plan, progress);
}

std::vector<StrategyInfo> known_strategies() {
  std::vector<StrategyInfo> known;
  for (const Strategy& strategy : strategies()) {
    known.push_back({std::string(strategy.name), std::string(strategy.description)});
  }
  return known;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

const ModelInfo& Engine::info() const {
  return impl_->info();
}

Expected<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options,
                                               const std::function<bool(const Progress&)>& on_progress) {
  return catch_exceptions(options.model_path + ": there is not enough memory to load the model",
                          [&]() -> Expected<std::unique_ptr<Engine>> {
                            SACCADE_ASSIGN_OR_RETURN(std::unique_ptr<Impl> impl, Impl::load(options, on_progress));
                            return std::unique_ptr<Engine>(new Engine(std::move(impl)));
                          });
}

void Engine::forget() {
  impl_->forget();
}

Expected<std::vector<LayerNeed>> Engine::measure_layers(
    std::span<const Request> requests, const std::function<bool(const Progress& progress)>& on_progress) {
  return catch_exceptions("there is not enough memory for these requests",
                          [&] { return impl_->measure_layers(requests, on_progress); });
}

Expected<TokenFacts> Engine::measure_tokens(const ContentPart& picture, const Plan& plan,
                                            const std::function<bool(const Progress& progress)>& on_progress) {
  return catch_exceptions("there is not enough memory for this picture",
                          [&] { return impl_->measure_tokens(picture, plan, on_progress); });
}

Expected<Answer> Engine::answer(const Request& request, const AnswerCallbacks& callbacks) {
  return catch_exceptions("there is not enough memory for this request; use a smaller context or picture",
                          [&] { return impl_->answer(request, callbacks); });
}

}  // namespace saccade
