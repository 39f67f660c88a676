// One answer, from its request to its last token, stage by stage.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "constraint/token_mask.h"
#include "engine/budget_run.h"
#include "engine/conversations.h"
#include "engine/decoding.h"
#include "engine/engine_state.h"
#include "engine/picture_texts.h"
#include "engine/pictures.h"
#include "engine/prompt.h"
#include "platform/clock.h"
#include "saccade/engine.h"

namespace saccade {

/// Thread safety: one thread; there may be many runs of an engine, each on its own.
class AnswerRun {
 public:
  /// All must outlive it.
  AnswerRun(EngineState& engine, const Request& request, const AnswerCallbacks& callbacks);

  /// Errors: those of Engine::answer().
  Expected<Answer> run();

  /// Errors: those of Engine::explain().
  Expected<PlanExplanation> explain();

  /// Errors: those of Engine::embed().
  Expected<Embedding> embed();

  // Its stages, for measuring some of them alone: each needs those before it.
  Status lay_out();
  Status encode_missing(int64_t first_row);
  Expected<Tensor> prefill(int64_t first_row);

  /// Asks the engine itself something on the way: nothing is kept of it, and the model's loading is not its affair.
  AnswerRun& aside() {
    is_aside_ = true;
    return *this;
  }
  /// By another plan of the decoder; behind lay_out().
  void set_decoder_plan(ConversationPlan plan);

 private:
  class Computing;
  Status follow_plan();
  bool may_change_plan() const { return budget_ && !budget_->goes_on(); }
  Status plan_decoder();
  Status look_ahead();
  Status open();
  Status render();
  Status substitute();
  Status find_text(size_t picture_idx);
  Status provide_text(size_t picture_idx);
  Expected<std::vector<std::optional<double>>> text_rows();
  Plan plan_of_seen() const;
  Expected<PlanRequest> describe_request();
  Status begin_budget();
  Status enter(std::vector<WorkOption> options);
  void commit();
  Status plan_within_budget();
  Status read_within_budget(std::vector<PixelBatch>& pixels);
  Status encode_within_budget(double& num_encoded);
  Status look_within_budget();
  std::array<double, kSkips.size()> measure_skips(const std::vector<PixelBatch>& pixels);
  Expected<PixelBatch> resize(const DecodedImage& decoded, const Picture& picture);
  Status encode(size_t picture_idx);
  Status encode(size_t picture_idx, const PixelBatch& pixels);
  Expected<bool> restore_encoded_pictures(double& num_encoded);
  Status follow_fates(Picture& picture) const;
  void add_known_looks(PlanRequest& described);
  WaitLimits wait_limits() const;
  Status compress(Picture& picture);
  Status build();
  Status check_room() const;
  Status check_memory(int64_t first_row);
  Status run_stages();
  Expected<Tensor> read_prompt(int64_t first_row);
  Expected<Tensor> run_prompt(int64_t first_row, int64_t num_logit_rows);
  Status recompute(Decoding& decoding);
  Status generate(Tensor logits);
  Status wait_for_memory(const Status& lacking);
  void free_kept_rows(int64_t num_rows);
  void write_decoding(const Decoding& decoding);
  template <typename Work>
  auto with_threads(const Work& work, double& stage_ms);
  AnswerTime time() const {
    return {clock_.elapsed_ms(), answer_.receipt.stages_ms.wait, place_.is_there() ? place_.room() : Admission::Room()};
  }
  StageLoads loads() const;
  void write_receipt();
  void restore_pictures();
  ProgressFunction progress_of(TurnQueue::Turn& turn, std::string_view stage, double begin, double end) const;
  ProgressFunction encode_progress(TurnQueue::Turn& turn, size_t picture_idx) const;

  EngineState& engine_;
  const Request& request_;
  const AnswerCallbacks& callbacks_;
  const std::optional<Price> price_ = engine_.price_now();
  const Stopwatch clock_;
  const double begun_at_ms_ = now_ms();
  const ActiveRequests::Active active_;
  const Urgency urgency_;  // until its first token
  Plan plan_;
  bool is_aside_ = false;
  // In the request's order, what is made of each picture, and the text that would stand in its place.
  std::vector<PictureUse> uses_;
  std::vector<std::string> texts_;
  std::vector<PictureReceipt> unseen_;  // of pictures that are not looked at
  std::optional<BudgetRun> budget_;
  std::optional<TokenConstraint> constraint_;  // of requests that want a format
  Answer answer_;
  std::vector<PromptSpan> spans_;
  LookPlan look_;
  std::vector<Picture> pictures_;  // that are looked at, as receipt.pictures is until the end
  Prompt prompt_;
  ConversationPlan decoder_plan_;
  Admission::Place place_;
  Conversations::InProgress conversation_;
  std::optional<uint64_t> tried_alone_;  // see ActiveRequests
};

}  // namespace saccade
