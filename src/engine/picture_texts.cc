#include "engine/picture_texts.h"

#include <algorithm>
#include <utility>

namespace saccade {
namespace {

constexpr const char* kCaptionQuestion = "Describe the picture in one sentence.";
constexpr const char* kTranscriptionQuestion = "Write down all text of the picture.";
constexpr int64_t kCaptionTokens = 48;
constexpr int64_t kTranscriptionTokens = 192;

std::string digest_of(const Picture& picture) {
  return CacheKey{picture.content}.to_hex();
}

Request ask(const ContentPart& picture, const char* question, int64_t max_tokens) {
  Request request;
  ContentPart text;
  text.text = question;
  request.messages.push_back({"user", {picture, std::move(text)}});
  request.max_tokens = max_tokens;
  return request;
}

}  // namespace

Expected<std::optional<PictureText>> PictureTexts::find(const Picture& picture) {
  if (!may_hold()) return std::optional<PictureText>();
  const std::string digest = digest_of(picture);
  const std::lock_guard lock(mutex_);
  if (const auto kept = kept_.find(digest); kept != kept_.end()) return std::optional(kept->second);
  if (store_ == nullptr) return std::optional<PictureText>();
  SACCADE_ASSIGN_OR_RETURN(std::optional<PictureText> stored, store_->find(model_, digest));
  if (stored) kept_.emplace(digest, *stored);
  return stored;
}

bool PictureTexts::may_hold() const {
  const std::lock_guard lock(mutex_);
  return store_ != nullptr || !kept_.empty();
}

Status PictureTexts::put(const Picture& picture, PictureText text) {
  const std::string digest = digest_of(picture);
  const std::lock_guard lock(mutex_);
  if (store_ != nullptr) SACCADE_RETURN_IF_ERROR(store_->put(model_, digest, text));
  kept_[digest] = std::move(text);
  return {};
}

bool has_earlier_pictures(const Request& request) {
  const auto has_picture = [](const Message& message) {
    return std::ranges::find(message.content, ContentPart::Kind::kImage, &ContentPart::kind) != message.content.end();
  };
  const auto last = std::prev(request.messages.end());
  return has_picture(*last) && std::any_of(request.messages.begin(), last, has_picture);
}

std::vector<PictureUse> picture_uses(const Request& request, const Plan& plan) {
  const bool has_earlier = has_earlier_pictures(request);
  std::vector<PictureUse> uses;
  for (const Message& message : request.messages) {
    const bool is_earlier = has_earlier && &message != &request.messages.back();
    const PictureUse use = is_earlier ? std::max(plan.pictures, plan.earlier_pictures) : plan.pictures;
    const auto num_pictures = std::ranges::count(message.content, ContentPart::Kind::kImage, &ContentPart::kind);
    uses.insert(uses.end(), static_cast<size_t>(num_pictures), use);
  }
  return uses;
}

const ContentPart& picture_part(const Request& request, size_t picture_idx) {
  const ContentPart* found = nullptr;
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::kImage) continue;
      found = &part;
      if (picture_idx-- == 0) return part;
    }
  }
  return *found;
}

std::string text_in_place(const PictureText& text) {
  std::string said = "[Picture";
  if (!text.caption.empty()) said += ": " + text.caption;
  if (!text.transcription.empty()) said += (text.caption.empty() ? ": " : " ") + ("It says: " + text.transcription);
  return said + "]\n";
}

Request caption_request(const ContentPart& picture) {
  return ask(picture, kCaptionQuestion, kCaptionTokens);
}

Request transcription_request(const ContentPart& picture) {
  return ask(picture, kTranscriptionQuestion, kTranscriptionTokens);
}

}  // namespace saccade
