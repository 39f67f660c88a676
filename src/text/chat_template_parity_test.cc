// Published chat templates, and one that goes through the corners of the language, against Jinja2's output.
// tools/parity/chat_templates.py makes the file.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "text/chat_template.h"
#include "text/small_vocabulary_for_test.h"

namespace saccade {
namespace {

std::vector<ChatMessage> messages_of(const nlohmann::json& list) {
  std::vector<ChatMessage> messages;
  for (const auto& item : list) {
    ChatMessage message{item.at("role").get<std::string>(), {}};
    for (const auto& part : item.at("content")) {
      if (part.at("type") == "image") {
        message.parts.push_back({ChatPart::Kind::kImage, ""});
      } else {
        message.parts.push_back({ChatPart::Kind::kText, part.at("text").get<std::string>()});
      }
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

TEST(ChatTemplateParity, PromptsAreThoseOfJinja2) {
  std::ifstream file(SACCADE_SOURCE_DIR "/tests/parity/data/chat_templates.json");
  ASSERT_TRUE(file);
  const nlohmann::json data = nlohmann::json::parse(file);
  ASSERT_GE(data.at("cases").size(), 100u);
  for (const auto& item : data.at("cases")) {
    const auto name = item.at("template").get<std::string>();
    const bool is_qwen = name == "qwen2_vl";
    const std::string placeholder = is_qwen ? "<|image_pad|>" : "<image>";
    const std::string marker = is_qwen ? "<|vision_start|><|image_pad|><|vision_end|>" : "<image>";
    Metadata metadata = small_vocabulary({"<image>", "<|im_end|>"});
    metadata.set("tokenizer.chat_template", data.at("templates").at(name).get<std::string>());
    const auto tokenizer = Tokenizer::from_metadata(metadata);
    ASSERT_TRUE(tokenizer.is_ok()) << tokenizer.status().message();
    const ChatTemplate chat = ChatTemplate::make(metadata, **tokenizer, marker, placeholder);
    ASSERT_EQ(chat.source(), "file") << name << ": " << chat.fallback_reason();
    const auto spans = chat.render(messages_of(item.at("messages")), item.at("generate").get<bool>());
    if (item.at("text").is_null()) {
      ASSERT_FALSE(spans.is_ok()) << name;
      EXPECT_EQ(spans.status().code(), StatusCode::kInvalidArgument) << name;
      continue;
    }
    ASSERT_TRUE(spans.is_ok()) << name << ": " << spans.status().message();
    std::string text;
    for (const PromptSpan& span : *spans) {
      text += span.kind == PromptSpan::Kind::kImage ? placeholder : span.text;
    }
    EXPECT_EQ(text, item.at("text").get<std::string>()) << name;
  }
}

}  // namespace
}  // namespace saccade
