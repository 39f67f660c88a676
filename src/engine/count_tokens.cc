#include "engine/count_tokens.h"

#include <vector>

#include "engine/prompt.h"
#include "request/validate_request.h"
#include "text/chat_template.h"

namespace saccade {

Expected<TokenCounts> count_tokens(const Model& model, const PictureOptions& options, const Request& request) {
  SACCADE_RETURN_IF_ERROR(validate_request(request));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<Picture> pictures, open_pictures(request, model, options));
  std::vector<ChatMessage> messages;
  for (const Message& message : request.messages) {
    ChatMessage& chat = messages.emplace_back(ChatMessage{message.role, {}});
    for (const ContentPart& part : message.content) {
      const bool is_image = part.kind == ContentPart::Kind::kImage;
      chat.parts.push_back({is_image ? ChatPart::Kind::kImage : ChatPart::Kind::kText, is_image ? "" : part.text});
    }
  }
  SACCADE_ASSIGN_OR_RETURN(const std::vector<PromptSpan> spans, model.chat_template->render(messages, true));
  std::vector<PictureFacts> facts;
  for (const Picture& picture : pictures) facts.push_back(picture.facts);
  SACCADE_ASSIGN_OR_RETURN(const Prompt prompt, build_prompt(model, spans, facts));
  TokenCounts counts;
  counts.visual = prompt.num_visual();
  counts.text = prompt.num_rows() - counts.visual;
  return counts;
}

}  // namespace saccade
