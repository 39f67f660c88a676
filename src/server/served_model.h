// The model that a server answers with: loaded in the background, asked by many threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "saccade/engine.h"

namespace saccade {

/// Thread safety: any thread.
class ServedModel {
 public:
  enum class State : uint8_t { kLoading, kReady, kFailed };

  /// Begins to load. `on_loaded` may be empty; it has the engine to itself, and may fail the loading.
  ServedModel(const EngineOptions& options, std::function<Status(Engine& engine)> on_loaded);
  /// Stops a loading that goes on.
  ~ServedModel();
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;

  State state() const { return state_.load(std::memory_order_acquire); }
  double progress() const { return progress_.load(); }  // 0..1
  /// Waits until it is loaded, or can't be: the error is then that of Engine::load() or of `on_loaded`. Absent where
  /// the time was up.
  std::optional<Status> wait_for(int64_t timeout_ms);

  // The engine's calls, once the state is kReady. `arrived_ms`, by now_ms(), is when the request was first heard of.
  const ModelInfo& info() const { return engine_->info(); }
  Expected<Answer> answer(Request& request, double arrived_ms, const AnswerCallbacks& callbacks);
  Expected<Embedding> embed(const Request& request);
  Expected<PlanExplanation> explain(Request& request, double arrived_ms);
  Expected<TokenCounts> count_tokens(const Request& request);
  int64_t count_tokens(std::string_view text);
  void set_price(const std::optional<Price>& price) { engine_->set_price(price); }

 private:
  void load(const EngineOptions& options);

  const std::function<Status(Engine& engine)> on_loaded_;
  std::atomic<State> state_ = State::kLoading;
  std::atomic<double> progress_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::unique_ptr<Engine> engine_;  // written before the state says that it is there
  std::mutex status_mutex_;
  std::condition_variable has_ended_;
  std::optional<Status> status_;  // guarded by status_mutex_; absent while it loads
  std::thread thread_;
};

}  // namespace saccade
