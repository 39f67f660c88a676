#include "text/chat_template.h"

#include <algorithm>

#include "base/format.h"
#include "text/family_templates.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace saccade {
namespace {

using jinja::Dict;
using jinja::List;
using jinja::MarkedText;
using jinja::Origin;
using jinja::Value;

enum class ContentStyle {
  kParts,            // a list of parts; the template prints the marker for {"type": "image"}
  kPartsWithMarker,  // a list of parts, but pictures mean nothing to the template: a text part with the marker
  kString,           // a string, with the marker where a picture stood
};

constexpr std::string_view kProbeText = "saccade-probe";

Value text_part(Value text) {
  Dict part;
  part.set("type", Value::text("text"));
  part.set("text", std::move(text));
  return part;
}

Value image_part() {
  Dict part;
  part.set("type", Value::text("image"));
  return part;
}

Value content_string(const ChatMessage& message, const std::string& marker, bool breaks_line) {
  MarkedText text;
  for (size_t i = 0; i < message.parts.size(); ++i) {
    const ChatPart& part = message.parts[i];
    if (part.kind == ChatPart::Kind::kText) {
      text.append(part.text, Origin::kUser);
    } else {
      text.append(marker);
      if (breaks_line && i + 1 < message.parts.size()) text.append("\n");
    }
  }
  return text;
}

Value content_parts(const ChatMessage& message, const std::string* marker_text) {
  List parts;
  for (const ChatPart& part : message.parts) {
    if (part.kind == ChatPart::Kind::kText) {
      parts.push_back(text_part(Value::text(part.text, Origin::kUser)));
    } else {
      parts.push_back(marker_text ? text_part(Value::text(*marker_text)) : image_part());
    }
  }
  return parts;
}

size_t count_images(std::span<const ChatMessage> messages) {
  size_t count = 0;
  for (const ChatMessage& message : messages) {
    count += static_cast<size_t>(std::count_if(message.parts.begin(), message.parts.end(), [](const ChatPart& part) {
      return part.kind == ChatPart::Kind::kImage;
    }));
  }
  return count;
}

size_t count_bytes(std::span<const ChatMessage> messages) {
  size_t count = 0;
  for (const ChatMessage& message : messages) {
    for (const ChatPart& part : message.parts) count += part.text.size();
  }
  return count;
}

void append_span(PromptSpan::Kind kind, std::string_view text, std::vector<PromptSpan>& spans) {
  if (text.empty() && kind != PromptSpan::Kind::kImage) return;
  if (kind != PromptSpan::Kind::kImage && !spans.empty() && spans.back().kind == kind) {
    spans.back().text += text;
  } else {
    spans.push_back({kind, std::string(text)});
  }
}

// Cuts a rendering at its changes of origin, and the template's own text at the placeholder.
std::vector<PromptSpan> make_spans(const MarkedText& text, std::string_view placeholder) {
  std::vector<PromptSpan> spans;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.end_of_run(begin);
    std::string_view run = std::string_view(text.text()).substr(begin, end - begin);
    if (text.origin(begin) == Origin::kUser) {
      append_span(PromptSpan::Kind::kUser, run, spans);
    } else {
      while (!placeholder.empty()) {
        const size_t found = run.find(placeholder);
        if (found == std::string_view::npos) break;
        append_span(PromptSpan::Kind::kTemplate, run.substr(0, found), spans);
        append_span(PromptSpan::Kind::kImage, "", spans);
        run.remove_prefix(found + placeholder.size());
      }
      append_span(PromptSpan::Kind::kTemplate, run, spans);
    }
    begin = end;
  }
  return spans;
}

size_t count_image_spans(std::span<const PromptSpan> spans) {
  return static_cast<size_t>(std::count_if(
      spans.begin(), spans.end(), [](const PromptSpan& span) { return span.kind == PromptSpan::Kind::kImage; }));
}

// Whether the probe's text is in the prompt, as text of a message.
bool has_probe(std::span<const PromptSpan> spans) {
  return std::ranges::any_of(spans, [](const PromptSpan& span) {
    return span.kind == PromptSpan::Kind::kUser && span.text.find(kProbeText) != std::string::npos;
  });
}

// The text of a role that templates know is theirs; any other name comes from outside.
Value role_value(const std::string& role) {
  const bool is_known = role == "system" || role == "user" || role == "assistant" || role == "tool";
  return Value::text(role, is_known ? Origin::kTemplate : Origin::kUser);
}

// bos_token and its like, as far as the file names them.
Dict token_variables(const Metadata& metadata, const Tokenizer& tokenizer) {
  Dict variables;
  const auto add = [&](const char* name, std::optional<TokenId> token) {
    if (token) variables.set(name, Value::text(tokenizer.token_text(*token)));
  };
  add("bos_token", tokenizer.bos());
  for (const auto& [name, key] : {std::pair("eos_token", "tokenizer.ggml.eos_token_id"),
                                  std::pair("unk_token", "tokenizer.ggml.unknown_token_id"),
                                  std::pair("pad_token", "tokenizer.ggml.padding_token_id")}) {
    const Expected<int64_t> id = metadata.integer(key, 0, tokenizer.vocab_size() - 1);
    if (id.is_ok()) add(name, static_cast<TokenId>(*id));
  }
  return variables;
}

}  // namespace

struct ChatTemplate::Program {
  jinja::Block block;
  ContentStyle style = ContentStyle::kParts;
  Dict variables;  // those that are the same in every rendering
  std::string marker;
  std::string placeholder;

  Value content_of(const ChatMessage& message) const {
    switch (style) {
      case ContentStyle::kParts:
        return content_parts(message, nullptr);
      case ContentStyle::kPartsWithMarker:
        return content_parts(message, &marker);
      case ContentStyle::kString:
        break;
    }
    // LLaVA was trained with a line break after <image>; markers with tokens around the placeholder take none.
    return content_string(message, marker, marker == placeholder);
  }

  Expected<std::vector<PromptSpan>> render(std::span<const ChatMessage> messages, bool add_generation_prompt) const {
    List list;
    for (const ChatMessage& message : messages) {
      Dict value;
      value.set("role", role_value(message.role));
      value.set("content", content_of(message));
      list.emplace_back(std::move(value));
    }
    Dict all = variables;
    all.set("messages", std::move(list));
    all.set("add_generation_prompt", add_generation_prompt);
    all.set("tools", jinja::None{});
    all.set("documents", jinja::None{});
    jinja::Interpreter interpreter(all, count_bytes(messages));
    SACCADE_ASSIGN_OR_RETURN(const MarkedText text, interpreter.render(block));
    std::vector<PromptSpan> spans = make_spans(text, placeholder);
    const size_t num_places = count_image_spans(spans), num_images = count_images(messages);
    if (num_places != num_images) {
      return unsupported(format("the chat template prints %zu places for %zu pictures", num_places, num_images));
    }
    return spans;
  }

  // Whether a question, with a picture or without, comes out as it should in the present style.
  Status probe(bool with_image) const {
    ChatMessage message{"user", {}};
    if (with_image) message.parts.push_back({ChatPart::Kind::kImage, ""});
    message.parts.push_back({ChatPart::Kind::kText, std::string(kProbeText)});
    SACCADE_ASSIGN_OR_RETURN(const std::vector<PromptSpan> spans, render({&message, 1}, true));
    std::string prompt;
    for (const PromptSpan& span : spans) prompt += span.text;
    // A list printed as such, whoever its words are from: the template takes strings only.
    if (prompt.find("'type': ") != std::string::npos) return unsupported("it prints a list of parts as it is");
    return has_probe(spans) ? Status() : unsupported("it does not print what the user says");
  }

  // True also where the template refuses system messages: that is an error of the rendering.
  bool takes_system_message() const {
    const ChatMessage messages[] = {{"system", {{ChatPart::Kind::kText, std::string(kProbeText)}}},
                                    {"user", {{ChatPart::Kind::kText, "?"}}}};
    const auto spans = render(messages, true);
    return !spans || has_probe(*spans);
  }

  // Chooses the style in which the template prints text and, if any does, pictures.
  Status find_style() {
    Status first_failure;
    for (const bool with_image : {true, false}) {
      for (const ContentStyle each : {ContentStyle::kParts, ContentStyle::kString, ContentStyle::kPartsWithMarker}) {
        style = each;
        Status status = probe(with_image);
        if (status.is_ok() || status.code() == StatusCode::kResourceExhausted) return status;
        if (first_failure.is_ok() || each == ContentStyle::kString) first_failure = status;
      }
    }
    return first_failure;
  }
};

ChatTemplate ChatTemplate::make(const Metadata& metadata, const Tokenizer& tokenizer, std::string image_marker,
                                std::string placeholder) {
  auto program = std::make_shared<Program>();
  program->variables = token_variables(metadata, tokenizer);
  program->marker = std::move(image_marker);
  program->placeholder = std::move(placeholder);

  ChatTemplate result;
  result.source_ = "file";
  const auto load = [&](std::string_view source) -> Status {
    SACCADE_ASSIGN_OR_RETURN(program->block, jinja::parse_template(source));
    return program->find_style();
  };
  constexpr const char* kKey = "tokenizer.chat_template";
  if (metadata.has(kKey)) {
    const Expected<std::string> source = metadata.string(kKey);
    const Status status = source.is_ok() ? load(*source) : source.status();
    if (!status.is_ok()) result.fallback_reason_ = status.with_context(kKey).message();
  }
  if (!metadata.has(kKey) || !result.fallback_reason_.empty()) {
    const FamilyTemplate family = choose_family_template(metadata, tokenizer);
    result.source_ = family.name;
    program->variables.set("image_marker", Value::text(program->marker));
    [[maybe_unused]] const Status status = load(family.source);
    assert(status.is_ok());
  }
  result.takes_system_message_ = program->takes_system_message();
  result.program_ = std::move(program);
  return result;
}

Expected<std::vector<PromptSpan>> ChatTemplate::render(std::span<const ChatMessage> messages,
                                                       bool add_generation_prompt) const {
  return program_->render(messages, add_generation_prompt);
}

}  // namespace saccade
