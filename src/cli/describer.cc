#include "cli/describer.h"

#include <utility>

namespace saccade {

void Describer::start(const std::vector<Message>& messages) {
  std::vector<ContentPart> pictures;
  for (const Message& message : messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::kImage) pictures.push_back(part);
    }
  }
  if (pictures.empty()) return;
  thread_ = std::jthread([this, pictures = std::move(pictures)](const std::stop_token& stop) {
    AnswerCallbacks callbacks;
    callbacks.on_progress = [&](const Progress&) { return !stop.stop_requested(); };
    for (const ContentPart& picture : pictures) {
      if (!stop.stop_requested()) (void)engine_.describe(picture, callbacks);
    }
  });
}

void Describer::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace saccade
