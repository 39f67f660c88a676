#include "server/served_model.h"

#include <chrono>
#include <utility>

#include "platform/clock.h"

namespace saccade {

ServedModel::ServedModel(const EngineOptions& options, std::function<Status(Engine& engine)> on_loaded)
    : on_loaded_(std::move(on_loaded)), thread_([this, options] { load(options); }) {}

ServedModel::~ServedModel() {
  is_stopping_.store(true);
  thread_.join();
}

void ServedModel::load(const EngineOptions& options) {
  const auto load_engine = [&]() -> Status {
    SACCADE_ASSIGN_OR_RETURN(engine_, Engine::load(options, [this](const Progress& now) {
                               progress_.store(now.fraction);
                               return !is_stopping_.load();
                             }));
    return on_loaded_ ? on_loaded_(*engine_) : Status();
  };
  const Status status = load_engine();
  state_.store(status.is_ok() ? State::kReady : State::kFailed, std::memory_order_release);
  const std::lock_guard lock(status_mutex_);
  status_ = status;
  has_ended_.notify_all();
}

std::optional<Status> ServedModel::wait_for(int64_t timeout_ms) {
  std::unique_lock lock(status_mutex_);
  has_ended_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return status_.has_value(); });
  return status_;
}

Expected<Answer> ServedModel::answer(Request& request, double arrived_ms, const AnswerCallbacks& callbacks) {
  request.budget.waited_ms = now_ms() - arrived_ms;
  return engine_->answer(request, callbacks);
}

Expected<Embedding> ServedModel::embed(const Request& request) {
  return engine_->embed(request);
}

Expected<PlanExplanation> ServedModel::explain(Request& request, double arrived_ms) {
  request.budget.waited_ms = now_ms() - arrived_ms;
  return engine_->explain(request);
}

Expected<TokenCounts> ServedModel::count_tokens(const Request& request) {
  return engine_->count_tokens(request);
}

int64_t ServedModel::count_tokens(std::string_view text) {
  return engine_->count_tokens(text);
}

}  // namespace saccade
