#include "engine/describe.h"

#include <string>
#include <utility>

#include "base/trimmed.h"

namespace saccade {
namespace {

Expected<std::string> ask(EngineState& engine, const Request& request, const AnswerCallbacks& callbacks) {
  SACCADE_ASSIGN_OR_RETURN(const Answer answer, AnswerRun(engine, request, callbacks).aside().run());
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
  AnswerCallbacks quiet;  // what is said here is not the answer
  quiet.on_progress = callbacks.on_progress;
  PictureText text;
  SACCADE_ASSIGN_OR_RETURN(text.caption, ask(engine, question, quiet));
  SACCADE_ASSIGN_OR_RETURN(text.transcription, ask(engine, transcription_request(part), quiet));
  SACCADE_RETURN_IF_ERROR(engine.picture_texts.put(pictures.front(), text));
  return text;
}

}  // namespace saccade
