// One answer, from its request to its last token, stage by stage.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/budget_run.h"
#include "engine/engine_state.h"
#include "engine/picture_texts.h"
#include "engine/pictures.h"
#include "engine/prompt.h"
#include "platform/clock.h"
#include "saccade/engine.h"

namespace saccade {

/// Thread safety: one thread, and one run at a time of an engine.
class AnswerRun {
 public:
  /// All must outlive it.
  AnswerRun(EngineState& engine, const Request& request, const AnswerCallbacks& callbacks)
      : engine_(engine), request_(request), callbacks_(callbacks), plan_(request.plan) {}

  /// Errors: those of Engine::answer().
  Expected<Answer> run();

  /// Errors: those of Engine::explain().
  Expected<PlanExplanation> explain();

  // Its stages, for measuring some of them alone: each needs those before it.
  Status lay_out();
  Status encode_missing(int64_t first_row);
  Expected<Tensor> prefill(int64_t first_row);

 private:
  Status follow_plan();
  bool may_change_plan() const { return budget_ && !budget_->goes_on(); }
  Status begin_conversation();
  Status look_ahead();
  void remember_look(const Picture& picture);
  Status open();
  Status render();
  Status substitute();
  Status find_text(size_t picture_idx);
  Status provide_text(size_t picture_idx);
  Expected<std::vector<std::optional<double>>> text_rows();
  Plan plan_of_seen() const;
  Expected<PlanRequest> describe_request();
  Status plan_within_budget();
  Status read_within_budget(std::vector<PixelBatch>& pixels);
  Status look_within_budget();
  std::array<double, kSkips.size()> measure_skips(const std::vector<PixelBatch>& pixels);
  Status encode(size_t picture_idx);
  Status build();
  Status check_room() const;
  Status check_memory(int64_t first_row);
  Status run_stages();
  Status generate(Tensor logits);
  StageLoads loads() const;
  void write_receipt();
  void restore_pictures();
  ProgressFunction progress_of(std::string_view stage, double begin, double end) const;
  ProgressFunction encode_progress(size_t picture_idx) const;

  EngineState& engine_;
  const Request& request_;
  const AnswerCallbacks& callbacks_;
  const Stopwatch clock_;
  Plan plan_;
  // In the request's order, what is made of each picture, and the text that would stand in its place.
  std::vector<PictureUse> uses_;
  std::vector<std::string> texts_;
  std::vector<PictureReceipt> unseen_;  // of pictures that are not looked at
  std::optional<BudgetRun> budget_;
  Answer answer_;
  std::vector<PromptSpan> spans_;
  LookPlan look_;
  std::vector<Picture> pictures_;  // that are looked at, as receipt.pictures is until the end
  Prompt prompt_;
};

}  // namespace saccade
