#include "text/tokenizer.h"

#include "base/format.h"
#include "text/byte_bpe_tokenizer.h"
#include "text/sentencepiece_tokenizer.h"

namespace saccade {

Expected<std::unique_ptr<Tokenizer>> Tokenizer::from_metadata(const Metadata& metadata) {
  constexpr const char* kModel = "tokenizer.ggml.model";
  SACCADE_ASSIGN_OR_RETURN(const std::string model, metadata.string(kModel));
  if (model == "llama") return SentencePieceTokenizer::from_metadata(metadata);
  if (model == "gpt2") return ByteBpeTokenizer::from_metadata(metadata);
  return unsupported(format("%s: the tokenizer %s is not among llama, gpt2", kModel, quote(model).c_str()));
}

}  // namespace saccade
