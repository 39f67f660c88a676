// The golden files that tools/parity/make_golden.py writes: what Transformers makes of a tiny checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "platform/mapped_file.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "text/chat_template.h"
#include "weights/safetensors_file.h"

namespace saccade::parity {

/// Tensors of one safetensors file, copied into native types.
class GoldenTensors {
 public:
  static Expected<GoldenTensors> open(const std::string& path);

  bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Errors: kNotFound, kCorruptData (another type than asked for).
  Expected<std::vector<float>> floats(const std::string& name) const;
  Expected<std::vector<uint8_t>> bytes(const std::string& name) const;
  /// I32 or U16.
  Expected<std::vector<int32_t>> integers(const std::string& name) const;
  Expected<std::vector<int64_t>> dims(const std::string& name) const;

 private:
  Expected<const SafeTensor*> find(const std::string& name) const;

  MappedFile file_;
  std::map<std::string, SafeTensor> tensors_;
};

/// One question of a family, and what is expected of every stage.
struct GoldenCase {
  std::string name;
  std::vector<ChatMessage> messages;
  std::vector<std::string> pictures;  // paths, in the order of the messages

  std::vector<int32_t> tokens;               // of the prompt; the image token stands where visual tokens do
  std::vector<std::vector<uint8_t>> pixels;  // per picture [num_tiles, 3, height, width], 8-bit levels
  std::vector<float> encoder;                // [num_patches of all pictures, vision_dim]; empty if not stored
  std::vector<float> projector;              // [num_tokens of all pictures, model_dim]; empty if not stored
  std::vector<float> logits;                 // [num_logit_rows, vocab_size], of the prompt's last rows
  int64_t num_logit_rows = 0;
  std::vector<int32_t> greedy;     // no token ends the answer
  std::vector<float> last_logits;  // [vocab_size], from which the last of them was taken
};

struct GoldenFamily {
  std::string family;
  int32_t image_token_id = -1;
  std::vector<float> image_mean;  // 3, or none for a language model alone
  std::vector<float> image_std;
  std::vector<GoldenCase> cases;

  /// Reads `dir`/case.json and `dir`/golden.safetensors.
  static Expected<GoldenFamily> open(const std::string& dir);
};

}  // namespace saccade::parity
