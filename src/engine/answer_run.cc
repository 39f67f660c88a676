#include "engine/answer_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "base/format.h"
#include "decoder/sampler.h"
#include "engine/answer_writer.h"
#include "engine/continuation.h"
#include "engine/decoder_plan.h"
#include "engine/describe.h"
#include "engine/explain.h"
#include "engine/past_rows.h"
#include "engine/plan_facts.h"
#include "engine/stage_timer.h"
#include "planner/memory_model.h"
#include "platform/process_memory.h"
#include "request/plan_text.h"
#include "request/request_id.h"
#include "request/validate_request.h"

namespace saccade {
namespace {

// By when a request without a limit of time should be answered, where others compete with it.
constexpr double kUnlimitedMs = 30'000;

// After so long, what was found out of other requests' conversations is looked up again.
constexpr double kStaleMs = 1;

// Of typical_work_ms, that of the last answer.
constexpr double kLastShare = 0.1;

// `uses` and `texts` are of the request's pictures.
std::vector<ChatMessage> chat_messages(const Request& request, std::span<const PictureUse> uses,
                                       std::span<const std::string> texts) {
  std::vector<ChatMessage> messages;
  size_t picture_idx = 0;
  for (const Message& message : request.messages) {
    ChatMessage chat = {message.role, {}};
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::kText) {
        chat.parts.push_back({ChatPart::Kind::kText, part.text});
        continue;
      }
      const size_t idx = picture_idx++;
      if (uses[idx] == PictureUse::kLook) chat.parts.push_back({ChatPart::Kind::kImage, ""});
      if (uses[idx] == PictureUse::kText) chat.parts.push_back({ChatPart::Kind::kText, texts[idx]});
    }
    messages.push_back(std::move(chat));
  }
  return messages;
}

double layers_per_token(const ForwardTrace& trace) {
  const int64_t total = std::reduce(trace.num_rows.begin(), trace.num_rows.end());
  return trace.num_tokens == 0 ? 0 : static_cast<double>(total) / static_cast<double>(trace.num_tokens);
}

// The sooner of its limits. `begun_at_ms` on the clock of now_ms().
double deadline_ms(const Budget& budget, double begun_at_ms) {
  const double allowed_ms =
      std::min(budget.max_latency_ms.value_or(kUnlimitedMs), budget.max_ttft_ms.value_or(kUnlimitedMs));
  return begun_at_ms + allowed_ms - budget.waited_ms;
}

}  // namespace

// A turn of a stage; what it waits for others goes to the receipt's `wait` in place of the stage's time.
class AnswerRun::Computing {
 public:
  Computing(AnswerRun& run, double& stage_ms)
      : stages_(run.answer_.receipt.stages_ms),
        stage_ms_(stage_ms),
        turn_(run.engine_.turns.take(TurnQueue::Kind::kLong, run.urgency_)),
        waited_before_ms_(turn_.waited_ms()) {}
  ~Computing() {
    stages_.wait += turn_.waited_ms();
    stage_ms_ -= turn_.waited_ms() - waited_before_ms_;
  }
  Computing(const Computing&) = delete;
  Computing& operator=(const Computing&) = delete;

  TurnQueue::Turn& turn() { return turn_; }

 private:
  StageTimes& stages_;
  double& stage_ms_;
  TurnQueue::Turn turn_;
  const double waited_before_ms_;
};

AnswerRun::AnswerRun(EngineState& engine, const Request& request, const AnswerCallbacks& callbacks)
    : engine_(engine),
      request_(request),
      callbacks_(callbacks),
      active_(engine.active),
      urgency_{request.priority, deadline_ms(request.budget, begun_at_ms_), active_.order()},
      plan_(request.plan) {}

// Short work by the model's threads; where others want these, beside them, by this one.
template <typename Work>
auto AnswerRun::with_threads(const Work& work, double& stage_ms) {
  if (engine_.active.count() > 1) {
    ThreadPool alone(1);
    return work(alone);
  }
  const Computing computing(*this, stage_ms);
  return work(*engine_.pool);
}

// Nothing of a picture but its header is read.
Status AnswerRun::open() {
  Receipt& receipt = answer_.receipt;
  {
    const StageTimer timer(receipt.stages_ms.media_decode);
    SACCADE_ASSIGN_OR_RETURN(pictures_, open_pictures(request_, engine_.model, engine_.picture_options()));
  }
  uses_.assign(pictures_.size(), PictureUse::kLook);
  texts_.resize(pictures_.size());
  SACCADE_RETURN_IF_ERROR(render());
  for (const Picture& picture : pictures_) {
    const auto& [width, height] = picture.facts.size;
    receipt.pictures.push_back({.name = picture.media.name(), .width = width, .height = height});
    SACCADE_ASSIGN_OR_RETURN(receipt.pictures.back().full_tokens, count_full_tokens(engine_.model, picture));
    picture.tell_layout(receipt.pictures.back());
  }
  return {};
}

Status AnswerRun::render() {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  SACCADE_ASSIGN_OR_RETURN(spans_, engine_.model.chat_template->render(chat_messages(request_, uses_, texts_), true));
  return {};
}

// Looked for once: a picture's text goes by its whole file. Stays empty where there is none.
Status AnswerRun::find_text(size_t picture_idx) {
  if (!texts_[picture_idx].empty()) return {};
  SACCADE_ASSIGN_OR_RETURN(const std::optional<PictureText> text, engine_.picture_texts.find(pictures_[picture_idx]));
  if (text) texts_[picture_idx] = text_in_place(*text);
  return {};
}

// Of a picture that is not looked at; made now, where it never was.
Status AnswerRun::provide_text(size_t picture_idx) {
  SACCADE_RETURN_IF_ERROR(find_text(picture_idx));
  if (!texts_[picture_idx].empty()) return {};
  const StageTimer timer(answer_.receipt.stages_ms.describe);
  SACCADE_ASSIGN_OR_RETURN(const PictureText text,
                           describe_picture(engine_, picture_part(request_, picture_idx), callbacks_));
  texts_[picture_idx] = text_in_place(text);
  return {};
}

// Has text, or nothing, stand in the place of the pictures that the plan does not look at.
Status AnswerRun::substitute() {
  uses_ = picture_uses(request_, plan_);
  if (std::ranges::count(uses_, PictureUse::kLook) == std::ssize(uses_)) return {};
  std::vector<Picture> seen;
  std::vector<PictureReceipt> told;
  for (size_t i = 0; i < uses_.size(); ++i) {
    PictureReceipt& receipt = answer_.receipt.pictures[i];
    receipt.use = uses_[i];
    if (uses_[i] == PictureUse::kText) {
      SACCADE_RETURN_IF_ERROR(provide_text(i));
      receipt.text_tokens = std::ssize(engine_.model.tokenizer->encode(texts_[i]));
    }
    if (uses_[i] == PictureUse::kLook) {
      seen.push_back(std::move(pictures_[i]));
      told.push_back(std::move(receipt));
    } else {
      unseen_.push_back(std::move(receipt));
    }
  }
  pictures_ = std::move(seen);
  answer_.receipt.pictures = std::move(told);
  return render();
}

// Opens the pictures and lays out the prompt. No pixel is touched yet, but where the plan's number of tokens depends on
// what a picture shows.
Status AnswerRun::lay_out() {
  SACCADE_RETURN_IF_ERROR(open());
  if (request_.budget.is_limited()) SACCADE_RETURN_IF_ERROR(plan_within_budget());
  if (may_change_plan()) {
    SACCADE_RETURN_IF_ERROR(look_within_budget());
  } else {
    if (!budget_) SACCADE_RETURN_IF_ERROR(enter({}));
    if (!budget_) SACCADE_RETURN_IF_ERROR(substitute());
    SACCADE_RETURN_IF_ERROR(follow_plan());
    SACCADE_RETURN_IF_ERROR(plan_decoder());
    if (!look_.keeps_layout()) SACCADE_RETURN_IF_ERROR(look_ahead());
  }
  return build();
}

// What the plan makes of pictures that are looked at, and of the prompt: the same for any that are not.
Plan AnswerRun::plan_of_seen() const {
  Plan plan = plan_;
  plan.pictures = plan.earlier_pictures = PictureUse::kLook;
  return plan;
}

// The part of the plan that comes before the decoder.
Status AnswerRun::follow_plan() {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  SACCADE_ASSIGN_OR_RETURN(look_, make_look_plan(engine_.model, request_, plan_of_seen()));
  look_.may_change = may_change_plan();
  for (Picture& picture : pictures_) set_look(look_, picture);
  return {};
}

Status AnswerRun::plan_decoder() {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  SACCADE_ASSIGN_OR_RETURN(decoder_plan_, make_decoder_plan(engine_.model, plan_of_seen()));
  return {};
}

void AnswerRun::set_decoder_plan(ConversationPlan plan) {
  decoder_plan_ = std::move(plan);
  conversation_ = engine_.conversations->begin(decoder_plan_, {});
}

Status AnswerRun::build() {
  Receipt& receipt = answer_.receipt;
  const StageTimer timer(receipt.stages_ms.prompt);
  std::vector<PictureFacts> facts;
  for (const Picture& picture : pictures_) facts.push_back(picture.facts);
  SACCADE_ASSIGN_OR_RETURN(prompt_, build_prompt(engine_.model, spans_, facts));
  for (const MediaRun& run : prompt_.media) {
    PictureReceipt& picture = receipt.pictures[static_cast<size_t>(run.picture_idx)];
    picture.visual_tokens += run.num_tokens;
    picture.laid_out_tokens += run.num_laid_out;
  }
  if (engine_.model.scheduler != nullptr) prompt_.add_budget_row();
  return check_room();
}

// Encodes the pictures ahead of the prompt, or finds which of their tokens an earlier answer by the same plan kept.
Status AnswerRun::look_ahead() {
  for (size_t i = 0; i < pictures_.size(); ++i) {
    Picture& picture = pictures_[i];
    if (const auto known = engine_.looked_at.find(picture.facts.digest)) {
      SACCADE_RETURN_IF_ERROR(recall(*known, picture));
      picture.tell_layout(answer_.receipt.pictures[i]);
      continue;
    }
    SACCADE_RETURN_IF_ERROR(encode(i));
    engine_.looked_at.put(picture.facts.digest, remember(picture));
  }
  return {};
}

Expected<PlanRequest> AnswerRun::describe_request() {
  std::vector<PictureFacts> facts;
  for (const Picture& picture : pictures_) facts.push_back(picture.facts);
  SACCADE_ASSIGN_OR_RETURN(const Prompt whole, build_prompt(engine_.model, spans_, facts));
  SACCADE_ASSIGN_OR_RETURN(PlanRequest described, describe(engine_.model, *engine_.planning, request_, pictures_,
                                                           whole.num_rows() - whole.num_visual()));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::optional<double>> rows, text_rows());
  SACCADE_RETURN_IF_ERROR(add_substitutes(engine_.model, *engine_.planning, request_, pictures_, rows, described));
  described.facts.free_bytes = static_cast<double>(engine_.free_bytes());
  described.facts.cache_bytes = static_cast<double>(engine_.spare_kv_bytes());
  described.facts.context_rows = static_cast<double>(engine_.info.context_length);
  SACCADE_RETURN_IF_ERROR(add_past(engine_, request_, spans_, pictures_, described));
  add_known_looks(described);
  return described;
}

// Of the texts that could stand in place of the pictures, those that are there.
Expected<std::vector<std::optional<double>>> AnswerRun::text_rows() {
  std::vector<std::optional<double>> rows(pictures_.size());
  for (size_t i = 0; i < pictures_.size() && unseen_.empty(); ++i) {
    SACCADE_RETURN_IF_ERROR(find_text(i));
    if (!texts_[i].empty()) rows[i] = static_cast<double>(engine_.model.tokenizer->encode(texts_[i]).size());
  }
  return rows;
}

Status AnswerRun::begin_budget() {
  const std::lock_guard lock(engine_.planning_mutex);
  SACCADE_ASSIGN_OR_RETURN(PlanRequest described, describe_request());
  budget_.emplace(*engine_.planning, engine_.planning_mutex, std::move(described), request_.plan);
  return {};
}

// Waits until it is this request's time to begin. `options`: what its plans would take; none: nothing is known.
Status AnswerRun::enter(std::vector<WorkOption> options) {
  if (is_aside_) return {};
  const StageTimer timer(answer_.receipt.stages_ms.wait);
  Admission::Entrant entrant = {.urgency = urgency_, .account = request_.account, .options = std::move(options)};
  const Budget& budget = request_.budget;
  if (budget.max_latency_ms || budget.max_ttft_ms) {
    const double allowed_ms = budget.max_latency_ms ? *budget.max_latency_ms : *budget.max_ttft_ms;
    entrant.deadline_ms = begun_at_ms_ + allowed_ms - budget.waited_ms;
  }
  entrant.is_possible = !entrant.options.empty();
  if (entrant.options.empty()) entrant.options = {{engine_.typical_work_ms, 0}};
  SACCADE_ASSIGN_OR_RETURN(place_, engine_.admission.enter(std::move(entrant), callbacks_.stop));
  return {};
}

// Others are told what is left of this request.
void AnswerRun::commit() {
  if (place_.is_there()) place_.commit(std::max(0.0, budget_->left_ms()));
}

// Plan A.
Status AnswerRun::plan_within_budget() {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  SACCADE_RETURN_IF_ERROR(substitute());
  SACCADE_RETURN_IF_ERROR(begin_budget());
  const double arrived_ms = clock_.elapsed_ms();
  const bool has_company = engine_.active.count() > 1;
  SACCADE_RETURN_IF_ERROR(enter(has_company ? budget_->options() : std::vector<WorkOption>()));
  // What was known of kept conversations may hold no more.
  if (clock_.elapsed_ms() - arrived_ms > kStaleMs) SACCADE_RETURN_IF_ERROR(begin_budget());
  SACCADE_ASSIGN_OR_RETURN(plan_, budget_->begin(time()));
  commit();
  if (unseen_.empty()) SACCADE_RETURN_IF_ERROR(substitute());
  for (size_t i = 0; i < pictures_.size(); ++i) {
    SACCADE_RETURN_IF_ERROR(set_fineness(plan_, pictures_[i]));
    pictures_[i].tell_layout(answer_.receipt.pictures[i]);
  }
  return {};
}

Expected<PlanExplanation> AnswerRun::explain() {
  SACCADE_RETURN_IF_ERROR(validate_request(request_));
  SACCADE_RETURN_IF_ERROR(open());
  SACCADE_RETURN_IF_ERROR(substitute());
  const std::lock_guard lock(engine_.planning_mutex);
  SACCADE_ASSIGN_OR_RETURN(PlanRequest described, describe_request());
  described.facts.elapsed_ms = clock_.elapsed_ms() + request_.budget.waited_ms;
  return saccade::explain(*engine_.planning, described, request_.plan);
}

// Decodes the pictures, and finds by what they show how to look at them.
Status AnswerRun::read_within_budget(std::vector<PixelBatch>& pixels) {
  StageTimes& stages = answer_.receipt.stages_ms;
  std::vector<DecodedImage> decoded;
  for (Picture& picture : pictures_) {
    SACCADE_ASSIGN_OR_RETURN(DecodedImage image,
                             decode_picture(engine_.picture_options(), look_.plan, picture, stages));
    decoded.push_back(std::move(image));
  }
  const auto resize_all = [&]() -> Status {
    pixels.clear();
    for (size_t i = 0; i < pictures_.size(); ++i) {
      SACCADE_ASSIGN_OR_RETURN(PixelBatch batch, resize(decoded[i], pictures_[i]));
      pixels.push_back(std::move(batch));
    }
    return {};
  };
  SACCADE_RETURN_IF_ERROR(resize_all());
  auto changed = budget_->pass_media(time(), measure_skips(pixels), /*may_rescale=*/true);
  if (!changed) {
    commit();
    return {};
  }
  const bool is_rescaled = changed->scale != plan_.scale;
  plan_ = *std::move(changed);
  if (is_rescaled) {
    for (Picture& picture : pictures_) SACCADE_RETURN_IF_ERROR(set_fineness(plan_, picture));
    SACCADE_RETURN_IF_ERROR(resize_all());
    changed = budget_->pass_media(time(), measure_skips(pixels), /*may_rescale=*/false);
    if (changed) plan_ = *std::move(changed);
  }
  commit();
  return follow_plan();
}

Status AnswerRun::encode_within_budget(double& num_encoded) {
  std::vector<PixelBatch> pixels;
  SACCADE_RETURN_IF_ERROR(read_within_budget(pixels));
  for (size_t i = 0; i < pictures_.size(); ++i) {
    const auto encode_it = [&] { return encode(i, pixels[i]); };
    SACCADE_ASSIGN_OR_RETURN(answer_.receipt.pictures[i].was_encoded,
                             engine_.encoded_pictures->restore_or_encode(look_, engine_.options.has_exact_pixels,
                                                                         encode_it, wait_limits(), pictures_[i]));
    SACCADE_RETURN_IF_ERROR(follow_fates(pictures_[i]));
    for (const MediaTokens* grid : grids_of(pictures_[i].pieces))
      num_encoded += static_cast<double>(grid->places.size());
    pixels[i] = {};
  }
  return {};
}

// Stage by stage for all pictures, each by the plan that what is known, and the time left, behind the one before allow.
Status AnswerRun::look_within_budget() {
  SACCADE_RETURN_IF_ERROR(follow_plan());
  if (pictures_.empty()) return plan_decoder();
  double num_encoded = 0;
  bool is_encoded = false;
  if (budget_->finds_encoded()) {
    SACCADE_ASSIGN_OR_RETURN(is_encoded, restore_encoded_pictures(num_encoded));
    if (!is_encoded) budget_->lost_encoded();
  }
  if (!is_encoded) SACCADE_RETURN_IF_ERROR(encode_within_budget(num_encoded));
  if (auto changed = budget_->pass_encode(time(), num_encoded)) {
    plan_ = *std::move(changed);
    SACCADE_RETURN_IF_ERROR(follow_plan());
  }
  commit();
  for (Picture& picture : pictures_) {
    SACCADE_RETURN_IF_ERROR(compress(picture));
    engine_.looked_at.put(picture.facts.digest, remember(picture));
  }
  return plan_decoder();
}

Expected<PixelBatch> AnswerRun::resize(const DecodedImage& decoded, const Picture& picture) {
  StageTimes& stages = answer_.receipt.stages_ms;
  return with_threads([&](ThreadPool& pool) { return resize_picture(decoded, pool, picture, stages); }, stages.resize);
}

Status AnswerRun::encode(size_t picture_idx, const PixelBatch& pixels) {
  Receipt& receipt = answer_.receipt;
  Picture& picture = pictures_[picture_idx];
  SACCADE_ASSIGN_OR_RETURN(const EncodePlan plan, with_threads(
                                                      [&](ThreadPool& pool) {
                                                        return plan_encoding(engine_.model, look_, pixels, pool,
                                                                             picture, receipt.stages_ms);
                                                      },
                                                      receipt.stages_ms.compress));
  Computing computing(*this, receipt.stages_ms.encode);
  return encode_picture(engine_.model, plan, pixels, *engine_.pool, encode_progress(computing.turn(), picture_idx),
                        picture, receipt.pictures[picture_idx], receipt);
}

Status AnswerRun::compress(Picture& picture) {
  StageTimes& stages = answer_.receipt.stages_ms;
  if (look_.strategy == nullptr) return compress_picture(engine_.model, look_, *engine_.pool, picture, stages);
  const Computing computing(*this, stages.compress);
  return compress_picture(engine_.model, look_, *engine_.pool, picture, stages);
}

// Of all pictures' tokens, what each of kSkips would leave to be looked at.
std::array<double, kSkips.size()> AnswerRun::measure_skips(const std::vector<PixelBatch>& pixels) {
  StageTimes& stages = answer_.receipt.stages_ms;
  const auto measure = [&](ThreadPool& pool) {
    const StageTimer timer(stages.compress);
    std::array<double, kSkips.size()> shares = {1, 0, 0, 0};
    for (size_t skip = 1; skip < kSkips.size(); ++skip) {
      for (size_t i = 0; i < pictures_.size(); ++i) {
        shares[skip] +=
            measure_skip(engine_.model, pixels[i], pool, pictures_[i], kSkips[skip].levels, kSkips[skip].margin) /
            static_cast<double>(pictures_.size());
      }
    }
    return shares;
  };
  return with_threads(measure, stages.compress);
}

Status AnswerRun::check_room() const {
  const ModelInfo& info = engine_.info;
  if (prompt_.num_rows() == 0) return invalid_argument("the prompt is empty");
  if (prompt_.num_rows() < info.context_length) return {};
  const int64_t largest = engine_.model.decoder->config().context_length;
  std::string advice = "ask with fewer pictures or words, or begin a new conversation";
  if (info.context_length < largest) {
    advice += format(", or a larger context (up to %lld)", static_cast<long long>(largest));
  }
  return resource_exhausted(
      format("the prompt has %lld tokens, %lld of them from pictures, but the context holds %lld; %s",
             static_cast<long long>(prompt_.num_rows()), static_cast<long long>(prompt_.num_visual()),
             static_cast<long long>(info.context_length), advice.c_str()));
}

// Without a budget there is no other plan to turn to.
Status AnswerRun::check_memory(int64_t first_row) {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  LookChoice look;  // of what is still to be encoded
  for (size_t i = 0; i < pictures_.size(); ++i) {
    if (answer_.receipt.pictures[i].is_cached || !pictures_[i].pieces.empty()) continue;
    SACCADE_RETURN_IF_ERROR(add_picture(engine_.model, engine_.shape, pictures_[i], look));
  }
  const MemoryLoad load = {.file_pixels = look.decoded_pixels,
                           .resized_pixels = look.resized_pixels,
                           .encoded_tokens = look.tokens,
                           .patches = look.largest_patches,
                           .tiles = look.largest_tiles,
                           .visual_tokens = look.tokens,
                           .new_rows = static_cast<double>(prompt_.num_rows() - first_row),
                           .kept_rows = static_cast<double>(prompt_.num_rows() + 1),
                           .kept_layers = static_cast<double>(engine_.shape.decoder.num_layers)};
  const double held = static_cast<double>(engine_.spare_kv_bytes());
  const double needed = memory_of(engine_.shape, load).peak(held);
  const uint64_t free = engine_.free_bytes();
  if (needed <= static_cast<double>(free)) return {};
  return resource_exhausted("the answer takes " + format_bytes(static_cast<uint64_t>(needed)) + " of memory, where " +
                            format_bytes(free) +
                            " are free; let a budget choose what fits (--within), look less finely (--scale), or "
                            "allow more memory (--max-memory)");
}

// Each time, others may go ahead.
ProgressFunction AnswerRun::progress_of(TurnQueue::Turn& turn, std::string_view stage, double begin, double end) const {
  return [this, &turn, stage, begin, end](double fraction) {
    turn.yield();
    if (callbacks_.stop.stop_requested()) return false;
    return !callbacks_.on_progress || callbacks_.on_progress({stage, begin + (end - begin) * fraction});
  };
}

// Each picture has an equal share of the bar.
ProgressFunction AnswerRun::encode_progress(TurnQueue::Turn& turn, size_t picture_idx) const {
  const double share = 1.0 / static_cast<double>(std::max<size_t>(1, pictures_.size()));
  const double begin = share * static_cast<double>(picture_idx);
  return progress_of(turn, "encode", begin, begin + share);
}

Status AnswerRun::encode_missing(int64_t first_row) {
  Receipt& receipt = answer_.receipt;
  for (size_t i = 0; i < pictures_.size(); ++i) receipt.pictures[i].is_cached = pictures_[i].pieces.empty();
  for (const MediaRun& run : prompt_.media) {
    if (run.first_row + run.num_tokens <= first_row) continue;
    receipt.pictures[static_cast<size_t>(run.picture_idx)].is_cached = false;
  }
  if (!budget_) SACCADE_RETURN_IF_ERROR(check_memory(first_row));
  for (size_t i = 0; i < pictures_.size(); ++i) {
    if (receipt.pictures[i].is_cached || !pictures_[i].pieces.empty()) continue;
    SACCADE_RETURN_IF_ERROR(encode(i));
  }
  return {};
}

Status AnswerRun::encode(size_t picture_idx) {
  Picture& picture = pictures_[picture_idx];
  PictureReceipt& told = answer_.receipt.pictures[picture_idx];
  const auto look_at_it = [&]() -> Status {
    SACCADE_ASSIGN_OR_RETURN(const DecodedImage decoded,
                             decode_picture(engine_.picture_options(), look_.plan, picture, answer_.receipt.stages_ms));
    SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, resize(decoded, picture));
    return encode(picture_idx, pixels);
  };
  SACCADE_ASSIGN_OR_RETURN(
      told.was_encoded, engine_.encoded_pictures->restore_or_encode(look_, engine_.options.has_exact_pixels, look_at_it,
                                                                    wait_limits(), picture));
  picture.tell_layout(told);
  if (told.was_encoded) SACCADE_RETURN_IF_ERROR(follow_fates(picture));
  return compress(picture);
}

// Who encoded the picture may have had no need to know what becomes of its tokens.
Status AnswerRun::follow_fates(Picture& picture) const {
  return picture.fates.shown_by.empty() ? begin_fates(engine_.model, look_, picture) : Status();
}

// While another request encodes the same picture.
WaitLimits AnswerRun::wait_limits() const {
  WaitLimits limits = {.stop = callbacks_.stop};
  if (callbacks_.on_progress) limits.gives_up = [this] { return !callbacks_.on_progress({"encode", 0}); };
  return limits;
}

// Of plans that look at all pictures, those by which they all were encoded before.
void AnswerRun::add_known_looks(PlanRequest& described) {
  if (pictures_.empty()) return;
  const LookPlan look = {.plan = plan_of_seen(), .query = {}};
  std::vector<std::vector<KnownLook>> known_looks;  // of each picture: asked for once, whatever the scales
  for (const Picture& picture : pictures_) known_looks.push_back(engine_.encoded_pictures->known(picture));
  for (const double scale : options_of(described.options, Lever::kScale)) {
    std::vector<EncodedLook> all;
    for (size_t i = 0; i < pictures_.size(); ++i) {
      Plan plan = look.plan;
      if (scale < 1) plan.scale = scale;
      if (!set_fineness(plan, pictures_[i]).is_ok()) return;
      std::vector<EncodedLook> its;
      const std::string processing = processing_of(look, engine_.options.has_exact_pixels, pictures_[i]);
      for (const KnownLook& known : known_looks[i]) {
        if (known.processing != processing) continue;
        its.push_back({scale, known.skip, known.encoder_layers, static_cast<double>(known.num_tokens)});
      }
      if (i == 0) {
        all = std::move(its);
        continue;
      }
      std::erase_if(all, [&](EncodedLook& one) {
        const auto same = std::ranges::find_if(its, [&](const EncodedLook& other) {
          return other.skip == one.skip && other.encoder_layers == one.encoder_layers;
        });
        if (same != its.end()) one.tokens += same->tokens;
        return same == its.end();
      });
    }
    described.facts.encoded.insert(described.facts.encoded.end(), all.begin(), all.end());
  }
}

// False: one of them left the cache since the plan was made.
Expected<bool> AnswerRun::restore_encoded_pictures(double& num_encoded) {
  const StageTimer timer(answer_.receipt.stages_ms.media_decode);
  for (size_t i = 0; i < pictures_.size(); ++i) {
    SACCADE_ASSIGN_OR_RETURN(const bool is_there,
                             engine_.encoded_pictures->restore(look_, engine_.options.has_exact_pixels, pictures_[i]));
    if (!is_there) {
      for (Picture& picture : pictures_) {
        picture.pieces.clear();
        forget_look(picture);
        SACCADE_RETURN_IF_ERROR(set_fineness(plan_, picture));
      }
      return false;
    }
  }
  for (size_t i = 0; i < pictures_.size(); ++i) {
    answer_.receipt.pictures[i].was_encoded = true;
    SACCADE_RETURN_IF_ERROR(follow_fates(pictures_[i]));
    for (const MediaTokens* grid : grids_of(pictures_[i].pieces))
      num_encoded += static_cast<double>(grid->places.size());
  }
  return true;
}

// The prompt from a row on through the decoder; see Conversation::extend().
Expected<Tensor> AnswerRun::run_prompt(int64_t first_row, int64_t num_logit_rows) {
  const Model& model = engine_.model;
  Computing computing(*this, answer_.receipt.stages_ms.prefill);
  const StageTimer timer(answer_.receipt.stages_ms.prefill);
  std::vector<const MediaTokens*> vectors;
  for (const MediaRun& run : prompt_.media) vectors.push_back(find_vectors(pictures_, run));
  Tensor rows = embed_rows(model, prompt_, first_row, vectors);
  if (prompt_.has_budget_row) {
    const int64_t num_scheduled = model.scheduler->num_scheduled(plan_.layers.value_or(1.0));
    model.scheduler->embed_budget(num_scheduled, rows.row(rows.shape()[0] - 1));
  }
  const std::vector<uint8_t> is_visual = prompt_.visual_rows();
  const std::vector<float> biases = key_biases(prompt_, vectors);
  const auto skipped = static_cast<size_t>(first_row);
  const NewRows more = {rows, std::span(prompt_.positions).subspan(skipped),
                        std::span(prompt_.fingerprints).subspan(skipped), std::span(is_visual).subspan(skipped),
                        biases.empty() ? std::span<const float>() : std::span(biases).subspan(skipped)};
  conversation_->truncate(first_row);
  free_kept_rows(std::ssize(more.positions));
  ForwardTrace trace;
  SACCADE_ASSIGN_OR_RETURN(Tensor result,
                           conversation_->extend(*model.decoder, *engine_.pool, more, num_logit_rows,
                                                 progress_of(computing.turn(), "prefill", 0, 1), &trace));
  Receipt& receipt = answer_.receipt;
  receipt.flops.prefill += 2 * trace.multiply_adds;
  receipt.decoder.prefill_layers = layers_per_token(trace);
  receipt.decoder.layers.clear();
  for (size_t i = 0; i < trace.num_rows.size(); ++i) {
    if (trace.num_rows[i] > 0) receipt.decoder.layers.push_back(static_cast<int>(i));
  }
  receipt.decoder.last_visual_tokens =
      trace.was_pruned ? static_cast<int64_t>(trace.visual_kept.size()) : prompt_.num_visual();
  if (!std::ranges::all_of(result.floats(), [](float value) { return std::isfinite(value); })) {
    conversation_->truncate(first_row);
    return corrupt_data(engine_.options.model_path +
                        ": the model computed values that are not numbers; the file may be damaged, compare its "
                        "checksum with the publisher's");
  }
  return result;
}

Expected<Tensor> AnswerRun::prefill(int64_t first_row) {
  return run_prompt(first_row, 1);
}

Expected<Embedding> AnswerRun::embed() {
  SACCADE_RETURN_IF_ERROR(validate_request(request_));
  SACCADE_RETURN_IF_ERROR(lay_out());
  conversation_ = engine_.conversations->begin(decoder_plan_, {});
  SACCADE_RETURN_IF_ERROR(encode_missing(0));
  SACCADE_ASSIGN_OR_RETURN(const Tensor rows, run_prompt(0, 0));
  Embedding embedding = {.vector = std::vector<float>(static_cast<size_t>(rows.shape()[1])), .space = "pooled"};
  for (int64_t row = 0; row < rows.shape()[0]; ++row) {
    std::ranges::transform(embedding.vector, rows.row(row), embedding.vector.begin(), std::plus<float>());
  }
  const float length =
      std::sqrt(std::inner_product(embedding.vector.begin(), embedding.vector.end(), embedding.vector.begin(), 0.0F));
  for (float& value : embedding.vector) value /= std::max(length, std::numeric_limits<float>::min());
  embedding.image_tokens = prompt_.num_visual();
  embedding.text_tokens = prompt_.num_rows() - embedding.image_tokens;
  return embedding;
}

// Rows of conversations that nobody goes on with make room where memory is short.
void AnswerRun::free_kept_rows(int64_t num_rows) {
  const KvShape& shape = engine_.kv_blocks->shape();
  const auto needed = static_cast<uint64_t>(2 * num_rows * shape.num_heads * shape.row_bytes() *
                                            engine_.model.decoder->config().num_layers);
  while (engine_.kv_blocks->free_bytes() < needed && engine_.free_bytes() < needed) {
    if (!engine_.conversations->drop_one()) return;
  }
}

// Until another answer has given back what it held. Errors: `lacking`, where there is no other. Who waits holds nothing
// that another could wait for.
Status AnswerRun::wait_for_memory(const Status& lacking) {
  {
    const TurnQueue::Turn turn = engine_.turns.take(TurnQueue::Kind::kLong, urgency_);
    conversation_->truncate(0);
  }
  const StageTimer timer(answer_.receipt.stages_ms.wait);
  return engine_.active.wait_for_others(tried_alone_) ? Status() : lacking;
}

// The prompt's rows from `first_row` on, or, where others took the memory for it meanwhile, all of them.
Expected<Tensor> AnswerRun::read_prompt(int64_t first_row) {
  while (true) {
    Expected<Tensor> logits = prefill(first_row);
    if (logits || logits.status().code() != StatusCode::kResourceExhausted) return logits;
    if (engine_.conversations->drop_one()) continue;
    SACCADE_RETURN_IF_ERROR(wait_for_memory(logits.status()));
    if (first_row > 0) SACCADE_RETURN_IF_ERROR(encode_missing(0));
    first_row = 0;
  }
}

// What an answer that gave way had computed, each row as it was.
Status AnswerRun::recompute(Decoding& decoding) {
  SACCADE_RETURN_IF_ERROR(encode_missing(0));
  SACCADE_ASSIGN_OR_RETURN(const Tensor unused, read_prompt(0));
  Computing computing(*this, answer_.receipt.stages_ms.decode);
  const Decoder& decoder = *engine_.model.decoder;
  const std::span<const TokenId> tokens = decoding.continuation().computed();
  const auto most = static_cast<size_t>(decoder.num_independent_rows());
  for (size_t begin = 0; begin < tokens.size(); begin += most) {
    const auto part = tokens.subspan(begin, std::min(most, tokens.size() - begin));
    Tensor rows({std::ssize(part), decoder.config().model_dim});
    std::vector<TokenPosition> positions;
    std::vector<uint64_t> fingerprints;
    for (size_t i = 0; i < part.size(); ++i) {
      decoder.embed(part[i], rows.row(static_cast<int64_t>(i)));
      const auto position = prompt_.next_position + static_cast<int32_t>(begin + i);
      positions.push_back({position, position, position});
      fingerprints.push_back(static_cast<uint64_t>(part[i]));
    }
    SACCADE_ASSIGN_OR_RETURN(const Tensor logits, conversation_->extend(decoder, *engine_.pool,
                                                                        {rows, positions, fingerprints, {}, {}, true}));
    computing.turn().yield();
  }
  return {};
}

Status AnswerRun::generate(Tensor logits) {
  Receipt& receipt = answer_.receipt;
  const int64_t max_tokens = std::min(request_.max_tokens, engine_.info.context_length - prompt_.num_rows());
  Budget rest = request_.budget;
  rest.max_ttft_ms.reset();
  const Urgency urgency = {request_.priority, deadline_ms(rest, begun_at_ms_), active_.order()};
  Decoding::Start start = {.tokenizer = *engine_.model.tokenizer,
                           .request = request_,
                           .callbacks = callbacks_,
                           .conversation = *conversation_,
                           .seed = receipt.seed,
                           .urgency = urgency,
                           .max_tokens = max_tokens,
                           .has_time = {},
                           .constraint = constraint_ ? &*constraint_ : nullptr,
                           .answer = answer_};
  if (budget_) {
    start.has_time = [this](int64_t num_drawn) { return budget_->has_time_for_token(time(), num_drawn); };
  }
  // A guess is verified with all layers; where tokens may leave early, it would cost what it saves.
  const bool may_guess = engine_.options.speculates && !plan_.exit;
  const StageTimer timer(receipt.stages_ms.decode);
  Decoding decoding(std::move(start), {prompt_.tokens, std::move(logits), prompt_.next_position, may_guess});
  Status status = decoding.draw() ? engine_.steps->run(decoding) : Status();
  while (status.code() == StatusCode::kResourceExhausted) {
    if (!engine_.conversations->drop_one()) SACCADE_RETURN_IF_ERROR(wait_for_memory(status));
    status = recompute(decoding);
    if (status.is_ok()) status = engine_.steps->run(decoding);
  }
  SACCADE_RETURN_IF_ERROR(status);
  decoding.finish();
  write_decoding(decoding);
  return {};
}

void AnswerRun::write_decoding(const Decoding& decoding) {
  Receipt& receipt = answer_.receipt;
  receipt.tokens.generated = decoding.num_drawn();
  receipt.tokens.guessed = decoding.continuation().num_guessed();
  receipt.tokens.guessed_right = decoding.continuation().num_guessed_right();
  receipt.ttft_ms = decoding.first_token_at_ms() - begun_at_ms_;
  receipt.flops.decode = 2 * decoding.trace.multiply_adds;
  receipt.decoder.decode_layers = layers_per_token(decoding.trace);
  receipt.finish_reason = decoding.finish_reason();
  receipt.stages_ms.wait += decoding.waited_ms;
  receipt.stages_ms.decode -= decoding.waited_ms;
  if (budget_ && decoding.num_other_rows > 0) budget_->shared_its_steps();
}

// From the prompt to the last token. The prompt's last row is always computed anew: its logits are needed.
Status AnswerRun::run_stages() {
  conversation_ = engine_.conversations->begin(decoder_plan_, prompt_.fingerprints);
  const int64_t first_row = conversation_->num_rows();
  answer_.receipt.tokens.cached = first_row;
  SACCADE_RETURN_IF_ERROR(encode_missing(first_row));
  if (budget_) budget_->pass_compress(time());
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, read_prompt(first_row));
  if (budget_) {
    budget_->pass_prefill(time());
    commit();
  }
  return generate(std::move(logits));
}

Expected<Answer> AnswerRun::run() {
  SACCADE_RETURN_IF_ERROR(validate_request(request_));
  {
    const StageTimer timer(answer_.receipt.stages_ms.prompt);
    SACCADE_ASSIGN_OR_RETURN(constraint_, engine_.constraints->make(request_.format));
  }
  answer_.receipt.seed = request_.sampling.seed ? *request_.sampling.seed : std::random_device{}();
  Status status = lay_out();
  if (status.is_ok()) status = run_stages();
  if (conversation_ && !is_aside_) {
    engine_.conversations->keep(std::move(conversation_), budget_ ? budget_->levers() : Levers());
  }
  if (status.code() == StatusCode::kCancelled) {
    answer_.receipt.finish_reason = "cancelled";
  } else if (!status.is_ok()) {
    return status;
  } else if (request_.wants_looks) {
    auto picture = pictures_.begin();
    for (const PictureUse use : uses_) {
      answer_.looks.push_back(use == PictureUse::kLook ? make_picture_look(engine_.model, *picture++) : PictureLook());
    }
  }
  write_receipt();
  return std::move(answer_);
}

// What was computed, all pictures together.
StageLoads AnswerRun::loads() const {
  const Receipt& receipt = answer_.receipt;
  StageLoads loads;
  const int64_t per_token =
      engine_.planning->costs.shape().tower ? engine_.planning->costs.shape().tower->patches_per_token : 1;
  for (const PictureReceipt& picture : receipt.pictures) {
    loads.looked = loads.looked || picture.encoded_tokens > 0;
    loads.encoded_tokens += static_cast<double>(picture.encoded_tokens);
    loads.tiles += picture.num_tiles;
  }
  loads.patches = loads.encoded_tokens * static_cast<double>(per_token);
  loads.past_rows = static_cast<double>(receipt.tokens.cached);
  const std::vector<uint8_t> is_visual = prompt_.visual_rows();
  const auto num_new = prompt_.num_rows() - receipt.tokens.cached;
  const auto num_visual = std::count(is_visual.end() - num_new, is_visual.end(), 1);
  loads.visual_tokens = static_cast<double>(num_visual);
  loads.text_rows = static_cast<double>(num_new - num_visual);
  loads.generated_tokens = static_cast<double>(receipt.tokens.generated);
  return loads;
}

void AnswerRun::write_receipt() {
  Receipt& receipt = answer_.receipt;
  receipt.request_id = request_.id.empty() ? new_request_id() : request_.id;
  receipt.plan = plan_text(plan_);
  receipt.model = std::filesystem::path(engine_.options.model_path).filename().string();
  receipt.family = engine_.info.family;
  receipt.isa = engine_.info.isa;
  receipt.threads = engine_.info.threads;
  receipt.latency_ms = clock_.elapsed_ms();
  receipt.decoder.num_layers = static_cast<int>(engine_.model.decoder->config().num_layers);
  receipt.tokens.visual = prompt_.num_visual();
  receipt.tokens.budget = prompt_.has_budget_row ? 1 : 0;
  receipt.tokens.text = prompt_.num_rows() - receipt.tokens.visual - receipt.tokens.budget;
  if (price_) {
    const BilledWork work = {.text_tokens = static_cast<double>(receipt.tokens.text),
                             .image_tokens = static_cast<double>(receipt.tokens.visual),
                             .output_tokens = static_cast<double>(receipt.tokens.generated),
                             .device_ms = time().worked_ms()};
    receipt.cost = CostReceipt{cost_usd(*price_, work), {}};
    if (plan_.is_full()) receipt.cost->full_plan_usd = receipt.cost->usd;
  }
  if (budget_) budget_->finish(time(), loads(), receipt);
  const double typical_ms = engine_.typical_work_ms;
  engine_.typical_work_ms = typical_ms + (typical_ms > 0 ? kLastShare : 1) * (time().worked_ms() - typical_ms);
  if (!is_aside_ && !engine_.is_load_counted.exchange(true)) {
    receipt.stages_ms.load = engine_.info.load_ms;
    receipt.latency_ms += engine_.info.load_ms;
    if (receipt.ttft_ms) *receipt.ttft_ms += engine_.info.load_ms;
  }
  const double decode_seconds = receipt.stages_ms.decode / 1000;
  const auto after_first = static_cast<double>(receipt.tokens.generated - 1);
  receipt.tokens_per_second = after_first > 0 && decode_seconds > 0 ? after_first / decode_seconds : 0;
  receipt.peak_memory_bytes = peak_resident_bytes();
  receipt.chat_template = engine_.model.chat_template->source();
  receipt.chat_template_note = engine_.model.chat_template->fallback_reason();
  restore_pictures();
}

// The receipt tells of all pictures, in the order of the request.
void AnswerRun::restore_pictures() {
  std::vector<PictureReceipt> all;
  auto seen = answer_.receipt.pictures.begin();
  auto unseen = unseen_.begin();
  for (const PictureUse use : uses_) all.push_back(std::move(use == PictureUse::kLook ? *seen++ : *unseen++));
  answer_.receipt.pictures = std::move(all);
}

}  // namespace saccade
