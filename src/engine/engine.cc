#include "saccade/engine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <utility>

#include "base/format.h"
#include "engine/answer_run.h"
#include "engine/count_tokens.h"
#include "engine/decoder_plan.h"
#include "engine/describe.h"
#include "engine/layer_order.h"
#include "engine/model.h"
#include "engine/model_shape.h"
#include "engine/token_facts.h"
#include "kernels/isa.h"
#include "platform/process_memory.h"
#include "platform/thread_pool.h"

namespace saccade {
namespace {

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

ModelInfo info_of(const Model& model, const EngineOptions& options, const ThreadPool& pool, Isa isa) {
  ModelInfo info;
  info.model_path = options.model_path;
  info.family = model.family();
  info.context_length = options.context_length > 0 ? options.context_length
                                                   : std::min(model.decoder->config().context_length, kDefaultContext);
  info.embedding_dim = model.decoder->config().model_dim;
  info.takes_pictures = model.vision != nullptr;
  for (const Strategy& strategy : strategies()) {
    if (model.can_choose_by(strategy)) info.strategies.emplace_back(strategy.name);
  }
  info.has_learned_layers = model.scheduler != nullptr || !model.decoder_skip_order.empty();
  // One that can't be read is an error of the first answer that goes by it.
  const auto table = read_quality_file(quality_file_path(options.model_path), measured_model(model));
  info.is_calibrated = table && table->has_value();
  info.takes_system_message = model.chat_template->takes_system_message();
  info.threads = pool.num_threads();
  info.isa = isa_name(isa);
  return info;
}

// Whether the model leaves room for any answer.
Status check_loaded(const EngineOptions& options) {
  const uint64_t resident = resident_bytes();
  if (options.max_memory_bytes == 0 || resident < options.max_memory_bytes) return {};
  return resource_exhausted(options.model_path + ": with the model loaded the process takes " + format_bytes(resident) +
                            " of memory, and may take " + format_bytes(options.max_memory_bytes) +
                            "; allow more (--max-memory), or use a smaller file");
}

// Of what conversations that have ended leave for others.
constexpr uint64_t kMaxKeptBytes = uint64_t{1} << 30;

// A fault is a bug of ours that has damaged an answer or is about to: there is nothing to go on with.
void check_blocks(const Conversations& conversations) {
  const std::string fault = conversations.find_fault();
  if (fault.empty()) return;
  std::fprintf(stderr, "saccade: the KV cache is damaged: %s\n", fault.c_str());
  std::abort();
}

// Which model made a text: its files' names and sizes.
std::string identity_of(const Model& model) {
  const MeasuredModel measured = measured_model(model);
  return format("%s %llu %s %llu", measured.file.c_str(), static_cast<unsigned long long>(measured.bytes),
                measured.mmproj_file.c_str(), static_cast<unsigned long long>(measured.mmproj_bytes));
}

}  // namespace

class Engine::Impl {
 public:
  static Expected<std::unique_ptr<Impl>> load(const EngineOptions& options,
                                              const std::function<bool(const Progress&)>& on_progress);

  // There is nobody left to tell of an error: the next engine learns anew.
  ~Impl() {
    if (state_->planning) (void)keep_learned(*state_->planning, state_->options, state_->info);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const ModelInfo& info() const { return state_->info; }
  Expected<Answer> answer(const Request& request, const AnswerCallbacks& callbacks);
  Expected<Embedding> embed(const Request& request);
  Expected<PlanExplanation> explain(const Request& request);
  Expected<TokenCounts> count_tokens(const Request& request) {
    return saccade::count_tokens(state_->model, state_->picture_options(), request);
  }
  int64_t count_tokens(std::string_view text) const { return std::ssize(state_->model.tokenizer->encode(text)); }
  Expected<std::vector<DriftAlarm>> learn(std::span<const LabelledAnswer> answers, const LearningOptions& options) {
    SACCADE_RETURN_IF_ERROR(begin_planning());
    const std::lock_guard lock(state_->planning_mutex);
    return saccade::learn(answers, options, *state_->planning);
  }
  Expected<PictureText> describe(const ContentPart& picture, const AnswerCallbacks& callbacks) {
    return describe_picture(*state_, picture, callbacks);
  }
  void set_price(const std::optional<Price>& price);
  void forget();
  Expected<std::vector<LayerNeed>> measure_layers(std::span<const Request> requests,
                                                  const std::function<bool(const Progress& progress)>& on_progress);
  Expected<TokenFacts> measure_tokens(const ContentPart& picture, const Plan& plan,
                                      const std::function<bool(const Progress& progress)>& on_progress);

 private:
  Status begin_planning();
  explicit Impl(std::unique_ptr<EngineState> state) : state_(std::move(state)) {}

  const std::unique_ptr<EngineState> state_;
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
  TaskRules rules;
  if (!options.task_rules_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(rules, TaskRules::read(options.task_rules_path));
  }
  ModelInfo info = info_of(model, options, *pool, isa);
  info.load_ms = clock.elapsed_ms();
  SACCADE_RETURN_IF_ERROR(check_loaded(options));
  auto kv_blocks = std::make_shared<KvBlockPool>(
      model.decoder->config().kv_shape(kv_dtype(options)),
      options.max_kv_bytes > 0 ? options.max_kv_bytes : free_memory_bytes(options.max_memory_bytes));
  const ModelShape shape = shape_of(model, kv_dtype(options));
  const std::string identity = identity_of(model);
  std::unique_ptr<EngineState> state(new EngineState{.options = options,
                                                     .model = std::move(model),
                                                     .shape = shape,
                                                     .pool = std::move(pool),
                                                     .info = std::move(info),
                                                     .rules = std::move(rules),
                                                     .kv_blocks = std::move(kv_blocks),
                                                     .picture_texts = PictureTexts(identity, options.picture_texts),
                                                     .admission = Admission({options.max_running, options.max_waiting}),
                                                     .encoded_pictures = nullptr,
                                                     .conversations = nullptr,
                                                     .steps = nullptr});
  EngineState& engine = *state;
  engine.price = options.price;
  const Decoder& decoder = *engine.model.decoder;
  engine.conversations = std::make_unique<Conversations>(decoder, engine.kv_blocks, kMaxKeptBytes);
  SACCADE_ASSIGN_OR_RETURN(engine.encoded_pictures, make_picture_cache(options, identity));
  engine.constraints = std::make_unique<Constraints>(*engine.model.tokenizer);
  StepLoop::Hooks hooks;
  hooks.make_room = [&engine] { return engine.conversations->drop_one(); };
  if (options.checks_itself) hooks.on_step = [&engine] { check_blocks(*engine.conversations); };
  engine.steps = std::make_unique<StepLoop>(decoder, *engine.pool, engine.turns, std::move(hooks));
  return std::unique_ptr<Impl>(new Impl(std::move(state)));
}

Status Engine::Impl::begin_planning() {
  const std::lock_guard lock(state_->planning_mutex);
  if (state_->planning) return {};
  SACCADE_ASSIGN_OR_RETURN(state_->planning,
                           make_planning(state_->model, state_->options, state_->info, kv_dtype(state_->options)));
  state_->planning->rules = state_->rules;
  state_->planning->price = state_->price_now();
  return {};
}

// Not both at a time: a planning that is begun meanwhile takes the price that it finds.
void Engine::Impl::set_price(const std::optional<Price>& price) {
  const std::lock_guard planning_lock(state_->planning_mutex);
  if (state_->planning) state_->planning->price = price;
  const std::lock_guard lock(state_->price_mutex);
  state_->price = price;
}

Expected<PlanExplanation> Engine::Impl::explain(const Request& request) {
  SACCADE_RETURN_IF_ERROR(begin_planning());
  const AnswerCallbacks unused;
  return AnswerRun(*state_, request, unused).explain();
}

Expected<Embedding> Engine::Impl::embed(const Request& asked) {
  Request request = asked;
  request.budget = {};
  const AnswerCallbacks unused;
  return AnswerRun(*state_, request, unused).aside().embed();
}

Expected<Answer> Engine::Impl::answer(const Request& request, const AnswerCallbacks& callbacks) {
  if (request.budget.max_cost_usd && !state_->price_now()) {
    return invalid_argument("the request has a budget of money, but there are no prices to count by");
  }
  if (request.budget.is_limited()) SACCADE_RETURN_IF_ERROR(begin_planning());
  return AnswerRun(*state_, request, callbacks).run();
}

void Engine::Impl::forget() {
  state_->conversations->clear();
  state_->looked_at.clear();
  state_->encoded_pictures->forget();
}

Expected<std::vector<LayerNeed>> Engine::Impl::measure_layers(
    std::span<const Request> requests, const std::function<bool(const Progress& progress)>& on_progress) {
  const int64_t num_layers = state_->model.decoder->config().num_layers;
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
    request.budget = {};
    SACCADE_RETURN_IF_ERROR(validate_request(request));
    AnswerRun run(*state_, request, callbacks);
    SACCADE_RETURN_IF_ERROR(run.lay_out());
    SACCADE_ASSIGN_OR_RETURN(ConversationPlan whole, make_decoder_plan(state_->model, {}));
    run.set_decoder_plan(std::move(whole));
    SACCADE_RETURN_IF_ERROR(run.encode_missing(0));
    SACCADE_ASSIGN_OR_RETURN(const Tensor full, run.prefill(0));
    ++num_done;
    for (LayerNeed& need : needs) {
      Plan plan;
      plan.frozen_layers = {need.layer};
      SACCADE_ASSIGN_OR_RETURN(ConversationPlan frozen, make_decoder_plan(state_->model, plan));
      run.set_decoder_plan(std::move(frozen));
      SACCADE_ASSIGN_OR_RETURN(const Tensor logits, run.prefill(0));
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
  const TurnQueue::Turn turn = state_->turns.take(TurnQueue::Kind::kLong, {});
  return saccade::measure_tokens(state_->model, state_->picture_options(), *state_->pool, picture, plan, progress);
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

Expected<std::vector<DriftAlarm>> Engine::learn(std::span<const LabelledAnswer> answers,
                                                const LearningOptions& options) {
  return catch_exceptions("there is not enough memory to learn from these answers",
                          [&] { return impl_->learn(answers, options); });
}

Expected<PictureText> Engine::describe(const ContentPart& picture, const AnswerCallbacks& callbacks) {
  return catch_exceptions("there is not enough memory for this picture",
                          [&] { return impl_->describe(picture, callbacks); });
}

void Engine::set_price(const std::optional<Price>& price) {
  impl_->set_price(price);
}

Expected<Embedding> Engine::embed(const Request& request) {
  return catch_exceptions("there is not enough memory for this request", [&] { return impl_->embed(request); });
}

Expected<PlanExplanation> Engine::explain(const Request& request) {
  return catch_exceptions("there is not enough memory for this request", [&] { return impl_->explain(request); });
}

Expected<TokenCounts> Engine::count_tokens(const Request& request) {
  return catch_exceptions("there is not enough memory for this request", [&] { return impl_->count_tokens(request); });
}

int64_t Engine::count_tokens(std::string_view text) {
  return impl_->count_tokens(text);
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
