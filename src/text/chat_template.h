// A conversation to prompt text, by the Jinja template in the model's file or, where that can't be run, by a family's.
//
// Text that a user wrote stays marked through rendering, so that "<|im_end|>" or "<image>" typed by a user is never
// taken for the control token or the place of a picture.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "text/tokenizer.h"
#include "weights/metadata.h"

namespace saccade {

struct ChatPart {
  enum class Kind : uint8_t { kText, kImage };
  Kind kind = Kind::kText;
  std::string text;  // for kText
};

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::vector<ChatPart> parts;
};

/// A run of the rendered prompt.
struct PromptSpan {
  enum class Kind : uint8_t {
    kTemplate,  // the template's own text: control tokens in it are recognised
    kUser,      // text from a message: plain text whatever it looks like
    kImage,     // the place of the next picture, in the order of the conversation
  };
  Kind kind = Kind::kTemplate;
  std::string text;  // empty for kImage
};

/// A template is tried on a small conversation when it is made, to find out whether it can be run and whether it wants
/// a message's content as a list of parts or as a string.
///
/// The BOS: `render` gives the template's text as it is, whether that begins with the BOS token's text or not.
/// Tokenizer::encode_runs adds the one that is missing, and never a second.
class ChatTemplate {
 public:
  /// `image_marker` is what this model family's templates print where a picture goes ("<image>",
  /// "<|vision_start|><|image_pad|><|vision_end|>"); an occurrence that the template itself printed becomes a kImage
  /// span (text around the placeholder inside the marker stays kTemplate). Templates that only know string content get
  /// the parts joined, with the marker where a picture stood. `placeholder` is the part of the marker that the vectors
  /// replace ("<image>", "<|image_pad|>").
  /// Never fails: without a template in the file, or with one that can't be run, a family template is taken.
  static ChatTemplate make(const Metadata& metadata, const Tokenizer& tokenizer, std::string image_marker,
                           std::string placeholder);

  /// Where the prompt comes from, for the receipt: "file", or the family template's name, such as "vicuna".
  const std::string& source() const { return source_; }
  /// Why the file's template is not used; empty if it is, or if there is none.
  const std::string& fallback_reason() const { return fallback_reason_; }
  /// False for a template that leaves system messages out of the prompt. One that refuses them has render() fail.
  bool takes_system_message() const { return takes_system_message_; }

  /// The spans hold the rendered text in order, neighbours of one kind joined. Errors: kInvalidArgument where the
  /// template refuses (raise_exception), with its message; kUnsupported where it does for this conversation what is not
  /// known here, or does not print as many places for pictures as there are; kResourceExhausted where it does too much.
  Expected<std::vector<PromptSpan>> render(std::span<const ChatMessage> messages, bool add_generation_prompt) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
  std::string source_;
  std::string fallback_reason_;
  bool takes_system_message_ = true;
};

}  // namespace saccade
