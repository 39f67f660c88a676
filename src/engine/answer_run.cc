#include "engine/answer_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
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

// Pictures of which is remembered which tokens a plan kept.
constexpr size_t kMaxLookedAt = 256;

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

}  // namespace

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
    SACCADE_RETURN_IF_ERROR(begin_conversation());
  } else {
    if (!budget_) SACCADE_RETURN_IF_ERROR(substitute());
    SACCADE_RETURN_IF_ERROR(follow_plan());
    SACCADE_RETURN_IF_ERROR(begin_conversation());
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

Status AnswerRun::begin_conversation() {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  SACCADE_ASSIGN_OR_RETURN(ConversationPlan plan, make_decoder_plan(engine_.model, plan_of_seen()));
  engine_.conversation.begin(std::move(plan));
  return {};
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
    const auto known = engine_.looked_at.find(picture.facts.digest);
    if (known != engine_.looked_at.end()) {
      SACCADE_RETURN_IF_ERROR(recall(known->second, picture));
      picture.tell_layout(answer_.receipt.pictures[i]);
      continue;
    }
    SACCADE_RETURN_IF_ERROR(encode(i));
    remember_look(picture);
  }
  return {};
}

void AnswerRun::remember_look(const Picture& picture) {
  if (engine_.looked_at.size() >= kMaxLookedAt) engine_.looked_at.clear();
  engine_.looked_at[picture.facts.digest] = remember(picture);
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
  described.facts.cache_bytes = static_cast<double>(engine_.kv_blocks->taken_bytes());
  described.facts.context_rows = static_cast<double>(engine_.info.context_length);
  SACCADE_RETURN_IF_ERROR(add_past(engine_, request_, spans_, pictures_, described));
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

// Plan A.
Status AnswerRun::plan_within_budget() {
  const StageTimer timer(answer_.receipt.stages_ms.prompt);
  SACCADE_RETURN_IF_ERROR(substitute());
  SACCADE_ASSIGN_OR_RETURN(PlanRequest described, describe_request());
  budget_.emplace(*engine_.planning, std::move(described), request_.plan);
  SACCADE_ASSIGN_OR_RETURN(plan_, budget_->begin(clock_.elapsed_ms()));
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
  const auto resize = [&]() -> Status {
    pixels.clear();
    for (size_t i = 0; i < pictures_.size(); ++i) {
      SACCADE_ASSIGN_OR_RETURN(PixelBatch batch, resize_picture(decoded[i], *engine_.pool, pictures_[i], stages));
      pixels.push_back(std::move(batch));
    }
    return {};
  };
  SACCADE_RETURN_IF_ERROR(resize());
  auto changed = budget_->pass_media(clock_.elapsed_ms(), measure_skips(pixels), /*may_rescale=*/true);
  if (!changed) return {};
  const bool is_rescaled = changed->scale != plan_.scale;
  plan_ = *std::move(changed);
  if (is_rescaled) {
    for (Picture& picture : pictures_) SACCADE_RETURN_IF_ERROR(set_fineness(plan_, picture));
    SACCADE_RETURN_IF_ERROR(resize());
    changed = budget_->pass_media(clock_.elapsed_ms(), measure_skips(pixels), /*may_rescale=*/false);
    if (changed) plan_ = *std::move(changed);
  }
  return follow_plan();
}

// Stage by stage for all pictures, each by the plan that what is known, and the time left, behind the one before allow.
Status AnswerRun::look_within_budget() {
  SACCADE_RETURN_IF_ERROR(follow_plan());
  if (pictures_.empty()) return {};
  std::vector<PixelBatch> pixels;
  SACCADE_RETURN_IF_ERROR(read_within_budget(pixels));
  StageTimes& stages = answer_.receipt.stages_ms;
  double num_encoded = 0;
  for (size_t i = 0; i < pictures_.size(); ++i) {
    SACCADE_ASSIGN_OR_RETURN(const EncodePlan plan,
                             plan_encoding(engine_.model, look_, pixels[i], *engine_.pool, pictures_[i], stages));
    SACCADE_RETURN_IF_ERROR(encode_picture(engine_.model, plan, pixels[i], *engine_.pool, encode_progress(i),
                                           pictures_[i], answer_.receipt.pictures[i], answer_.receipt));
    num_encoded += static_cast<double>(answer_.receipt.pictures[i].encoded_tokens);
    pixels[i] = {};
  }
  if (auto changed = budget_->pass_encode(clock_.elapsed_ms(), num_encoded)) {
    plan_ = *std::move(changed);
    SACCADE_RETURN_IF_ERROR(follow_plan());
  }
  for (Picture& picture : pictures_) {
    SACCADE_RETURN_IF_ERROR(compress_picture(engine_.model, look_, *engine_.pool, picture, stages));
    remember_look(picture);
  }
  return {};
}

// Of all pictures' tokens, what each of kSkips would leave to be looked at.
std::array<double, kSkips.size()> AnswerRun::measure_skips(const std::vector<PixelBatch>& pixels) {
  const StageTimer timer(answer_.receipt.stages_ms.compress);
  std::array<double, kSkips.size()> shares = {1, 0, 0, 0};
  for (size_t skip = 1; skip < kSkips.size(); ++skip) {
    for (size_t i = 0; i < pictures_.size(); ++i) {
      shares[skip] += measure_skip(engine_.model, pixels[i], *engine_.pool, pictures_[i], kSkips[skip].levels,
                                   kSkips[skip].margin) /
                      static_cast<double>(pictures_.size());
    }
  }
  return shares;
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
  const double held = static_cast<double>(engine_.kv_blocks->taken_bytes());
  const double needed = memory_of(engine_.shape, load).peak(held);
  const uint64_t free = engine_.free_bytes();
  if (needed <= static_cast<double>(free)) return {};
  return resource_exhausted("the answer takes " + format_bytes(static_cast<uint64_t>(needed)) + " of memory, where " +
                            format_bytes(free) +
                            " are free; let a budget choose what fits (--within), look less finely (--scale), or "
                            "allow more memory (--max-memory)");
}

ProgressFunction AnswerRun::progress_of(std::string_view stage, double begin, double end) const {
  if (!callbacks_.on_progress) return {};
  return [this, stage, begin, end](double fraction) {
    return callbacks_.on_progress({stage, begin + (end - begin) * fraction});
  };
}

// Each picture has an equal share of the bar.
ProgressFunction AnswerRun::encode_progress(size_t picture_idx) const {
  const double share = 1.0 / static_cast<double>(std::max<size_t>(1, pictures_.size()));
  const double begin = share * static_cast<double>(picture_idx);
  return progress_of("encode", begin, begin + share);
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
  Receipt& receipt = answer_.receipt;
  Picture& picture = pictures_[picture_idx];
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, read_pixels(engine_.picture_options(), look_.plan, *engine_.pool,
                                                                picture, receipt.stages_ms));
  SACCADE_ASSIGN_OR_RETURN(const EncodePlan plan,
                           plan_encoding(engine_.model, look_, pixels, *engine_.pool, picture, receipt.stages_ms));
  SACCADE_RETURN_IF_ERROR(encode_picture(engine_.model, plan, pixels, *engine_.pool, encode_progress(picture_idx),
                                         picture, receipt.pictures[picture_idx], receipt));
  return compress_picture(engine_.model, look_, *engine_.pool, picture, receipt.stages_ms);
}

Expected<Tensor> AnswerRun::prefill(int64_t first_row) {
  const Model& model = engine_.model;
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
  engine_.conversation.truncate(first_row);
  ForwardTrace trace;
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, engine_.conversation.extend(*model.decoder, *engine_.pool, more, 1,
                                                                      progress_of("prefill", 0, 1), &trace));
  Receipt& receipt = answer_.receipt;
  receipt.flops.prefill = 2 * trace.multiply_adds;
  receipt.decoder.prefill_layers = layers_per_token(trace);
  for (size_t i = 0; i < trace.num_rows.size(); ++i) {
    if (trace.num_rows[i] > 0) receipt.decoder.layers.push_back(static_cast<int>(i));
  }
  receipt.decoder.last_visual_tokens =
      trace.was_pruned ? static_cast<int64_t>(trace.visual_kept.size()) : prompt_.num_visual();
  if (!std::ranges::all_of(logits.floats(), [](float logit) { return std::isfinite(logit); })) {
    engine_.conversation.truncate(first_row);
    return corrupt_data(engine_.options.model_path +
                        ": the model computed values that are not numbers; the file may be damaged, compare its "
                        "checksum with the publisher's");
  }
  return logits;
}

Status AnswerRun::generate(Tensor logits) {
  const Model& model = engine_.model;
  Receipt& receipt = answer_.receipt;
  const StageTimer timer(receipt.stages_ms.decode);
  Sampler sampler(request_.sampling, receipt.seed);
  for (const TokenId token : prompt_.tokens) {
    if (token != Prompt::kMediaRow) sampler.see(token);
  }
  AnswerWriter writer(*model.tokenizer, request_, callbacks_, answer_.text);
  const int64_t max_tokens = std::min(request_.max_tokens, engine_.info.context_length - prompt_.num_rows());
  ForwardTrace trace;
  // A guess is verified with all layers; where tokens may leave early, it would cost what it saves.
  const bool may_guess = engine_.options.speculates && !plan_.exit;
  Continuation continuation(model, *engine_.pool, engine_.conversation,
                            {prompt_.tokens, std::move(logits), prompt_.next_position, may_guess, &trace});
  bool is_ended = false;
  while (true) {
    const TokenId token = sampler.sample(continuation.logits());
    if (receipt.tokens.generated++ == 0) receipt.ttft_ms = clock_.elapsed_ms();
    is_ended = model.tokenizer->is_end(token);
    if (is_ended) break;
    writer.push(token);
    const int64_t num_left = max_tokens - receipt.tokens.generated;
    if (writer.is_stopped() || writer.is_cancelled() || num_left == 0) break;
    if (budget_ && !budget_->has_time_for_token(clock_.elapsed_ms(), receipt.tokens.generated)) break;
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

// From the prompt to the last token. The prompt's last row is always computed anew: its logits are needed.
Status AnswerRun::run_stages() {
  const int64_t first_row =
      std::min(engine_.conversation.num_common_rows(prompt_.fingerprints), prompt_.num_rows() - 1);
  answer_.receipt.tokens.cached = first_row;
  SACCADE_RETURN_IF_ERROR(encode_missing(first_row));
  if (budget_) budget_->pass_compress(clock_.elapsed_ms());
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, prefill(first_row));
  engine_.levers = budget_ ? budget_->levers() : Levers();
  if (budget_) budget_->pass_prefill(clock_.elapsed_ms());
  return generate(std::move(logits));
}

Expected<Answer> AnswerRun::run() {
  SACCADE_RETURN_IF_ERROR(validate_request(request_));
  answer_.receipt.seed = request_.sampling.seed ? *request_.sampling.seed : std::random_device{}();
  Status status = lay_out();
  if (status.is_ok()) status = run_stages();
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
  if (engine_.options.price) {
    const BilledWork work = {.text_tokens = static_cast<double>(receipt.tokens.text),
                             .image_tokens = static_cast<double>(receipt.tokens.visual),
                             .output_tokens = static_cast<double>(receipt.tokens.generated),
                             .device_ms = receipt.latency_ms};
    receipt.cost = CostReceipt{cost_usd(*engine_.options.price, work), {}};
    if (plan_.is_full()) receipt.cost->full_plan_usd = receipt.cost->usd;
  }
  if (budget_) budget_->finish(receipt.latency_ms, loads(), receipt);
  if (!engine_.is_load_counted) {
    engine_.is_load_counted = true;
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
