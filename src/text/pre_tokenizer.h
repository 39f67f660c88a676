// Cuts a text into the words that byte-level BPE works on, as the pre-tokenizer named in tokenizer.ggml.pre does.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

namespace saccade {

struct PreTokenizerSpec;

/// Thread safety: const after construction; any number of threads.
class PreTokenizer {
 public:
  /// Errors: kUnsupported, with the names that are known.
  static Expected<PreTokenizer> by_name(std::string_view name);

  /// The words, in order and without gaps: joined, they are `text`. Each maximal run of bytes that are not UTF-8 is a
  /// word of its own, and to the patterns the text ends there.
  std::vector<std::string_view> split(std::string_view text) const;

  /// Whether the tokenizer of that name composes characters (NFC) first.
  bool composes() const;
  /// Whether a word that is a token as a whole is taken so, even if merging would not lead there.
  bool takes_whole_words() const;
  /// Whether prompts begin with a BOS where the file does not say.
  bool adds_bos() const;

 private:
  struct Pattern;  // a compiled regular expression
  explicit PreTokenizer(const PreTokenizerSpec& spec) : spec_(&spec) {}

  const PreTokenizerSpec* spec_;
  std::vector<std::shared_ptr<const Pattern>> patterns_;
};

}  // namespace saccade
