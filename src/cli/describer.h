// Texts in place of pictures, made while the engine has nothing else to do.
#pragma once

#include <thread>
#include <vector>

#include "saccade/engine.h"

namespace saccade {

/// Between start() and stop() the engine is its own. Thread safety: one thread.
class Describer {
 public:
  explicit Describer(Engine& engine) : engine_(engine) {}

  /// Goes through the pictures of the messages in a thread of its own. What fails is left out: it is nobody's question.
  void start(const std::vector<Message>& messages);
  /// Comes back once the engine is free, in the middle of a text if need be: that is begun anew the next time.
  void stop();

 private:
  Engine& engine_;
  std::jthread thread_;
};

}  // namespace saccade
