#include "engine/describe.h"

#include <string>
#include <utility>

#include "base/trimmed.h"

namespace saccade {
namespace {

// A question's own conversation, with the engine's put back behind it.
class Aside {
 public:
  explicit Aside(EngineState& engine)
      : engine_(engine),
        kept_(std::exchange(engine.conversation, Conversation(engine.model.decoder->make_sequence(engine.kv_blocks)))),
        levers_(engine.levers),
        was_load_counted_(std::exchange(engine.is_load_counted, true)) {}
  ~Aside() {
    engine_.conversation = std::move(kept_);
    engine_.levers = levers_;
    engine_.is_load_counted = was_load_counted_;
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

 private:
  EngineState& engine_;
  Conversation kept_;
  const Levers levers_;
  const bool was_load_counted_;
};

Expected<std::string> ask(EngineState& engine, const Request& request, const AnswerCallbacks& callbacks) {
  SACCADE_ASSIGN_OR_RETURN(const Answer answer, AnswerRun(engine, request, callbacks).run());
  if (answer.receipt.finish_reason == "cancelled") return cancelled("the picture's text was not finished");
  return std::string(trimmed(answer.text, " \t\r\n"));
}

}  // namespace

Expected<PictureText> describe_picture(EngineState& engine, const ContentPart& part, const AnswerCallbacks& callbacks) {
  const Request question = caption_request(part);
  SACCADE_ASSIGN_OR_RETURN(const std::vector<Picture> pictures,
                           open_pictures(question, engine.model, engine.picture_options()));
  SACCADE_ASSIGN_OR_RETURN(std::optional<PictureText> known, engine.picture_texts.find(pictures.front()));
  if (known) return *std::move(known);
  const Aside aside(engine);
  AnswerCallbacks quiet;  // what is said here is not the answer
  quiet.on_progress = callbacks.on_progress;
  PictureText text;
  SACCADE_ASSIGN_OR_RETURN(text.caption, ask(engine, question, quiet));
  SACCADE_ASSIGN_OR_RETURN(text.transcription, ask(engine, transcription_request(part), quiet));
  SACCADE_RETURN_IF_ERROR(engine.picture_texts.put(pictures.front(), text));
  return text;
}

}  // namespace saccade
