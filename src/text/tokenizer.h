// Text to token ids and back, from the vocabulary in a GGUF file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "weights/metadata.h"

namespace saccade {

using TokenId = int32_t;

struct EncodeOptions {
  bool add_bos = false;        // only takes effect where the file says a BOS is to be added
  bool parse_special = false;  // recognise control tokens in the text; never for text that a user wrote
};

/// A stretch of a longer text, for encode_runs.
struct TextRun {
  std::string_view text;
  bool parse_special = false;  // false for what a user wrote
};

/// Thread safety: const after construction; any number of threads.
///
/// Any bytes may be encoded: invalid UTF-8 becomes byte tokens. decode(encode(x)) = x holds for every x where the
/// vocabulary has all byte tokens, except that Qwen2 composes characters first (NFC, as its own tokenizer does), that a
/// SentencePiece vocabulary puts a space behind a user-defined token in the middle of x, and that one whose file has
/// saccade.tokenizer.prepend_scheme takes a space that begins x for the one it puts there.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Reads tokenizer.ggml.*; `llama` (SentencePiece-style) and `gpt2` (byte-level BPE with the pre-tokenizer named in
  /// tokenizer.ggml.pre). Errors name the key, and for an unknown model or pre-tokenizer the ones that are known.
  static Expected<std::unique_ptr<Tokenizer>> from_metadata(const Metadata& metadata);

  /// User-defined tokens are recognised whatever the options say, the longest first.
  virtual std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;

  /// Encodes neighbouring runs as the one text that they make together, so that a word may span two of them; a control
  /// token is recognised only where all of its bytes lie in runs that allow it. A prompt is encoded with this, not run
  /// by run. `is_start` is true where the runs begin the prompt, false after a picture: at the start a BOS is added
  /// where the file asks for one and the text does not itself begin with it. SentencePiece puts its space in front of
  /// every stretch between special tokens, start or not, unless the file's prepend_scheme is "first" (the start alone).
  virtual std::vector<TokenId> encode_runs(std::span<const TextRun> runs, bool is_start) const = 0;

  /// The bytes that `token` stands for when it follows other tokens; control tokens give nothing unless
  /// `render_special`. Not necessarily whole characters: see DetokenizerStream.
  virtual std::string piece(TokenId token, bool render_special = false) const = 0;

  /// The text of a whole sequence (a SentencePiece dummy-prefix space at its start is removed).
  virtual std::string decode(std::span<const TokenId> tokens, bool render_special = false) const = 0;

  virtual int32_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual bool adds_bos() const = 0;  // whether the file asks for a BOS in front of a prompt
  /// True for tokens that end an answer: EOS, EOT, EOM, and end-of-turn tokens known by name (<|im_end|>, ...).
  virtual bool is_end(TokenId token) const = 0;
  /// The id of the control or user-defined token with exactly this text.
  virtual std::optional<TokenId> special(std::string_view text) const = 0;
  /// The token's raw text in the vocabulary.
  virtual std::string_view token_text(TokenId token) const = 0;
};

/// Turns tokens into text as they come, holding back bytes until they are whole characters.
class DetokenizerStream {
 public:
  explicit DetokenizerStream(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  /// The text that is complete after `token`; may be empty. Bytes that can never become UTF-8 come out as U+FFFD.
  std::string push(TokenId token);
  /// What is still held back, with unfinished sequences as U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  std::string held_;
  bool is_first_ = true;
};

}  // namespace saccade
