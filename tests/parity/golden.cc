#include "golden.h"

#include <cstring>

#include "weights/json_text.h"

namespace saccade::parity {
namespace {

Status malformed(const std::string& where, const std::string& what) {
  return corrupt_data(where + ": " + what);
}

template <typename T>
std::vector<T> copy_elements(const SafeTensor& tensor) {
  std::vector<T> values(static_cast<size_t>(tensor.num_elements));
  if (!values.empty()) std::memcpy(values.data(), tensor.data, values.size() * sizeof(T));
  return values;
}

std::string text_of(const Json& object, const char* name) {
  const Json* member = find_member(object, name);
  return member != nullptr && member->is_string() ? member->get<std::string>() : std::string();
}

std::vector<float> floats_of(const Json& object, const char* name) {
  std::vector<float> values;
  const Json* member = find_member(object, name);
  if (member == nullptr || !member->is_array()) return values;
  for (const Json& value : *member) values.push_back(value.get<float>());
  return values;
}

Expected<GoldenCase> read_questions(const Json& described, const std::string& dir) {
  GoldenCase golden;
  golden.name = text_of(described, "name");
  const Json* messages = find_member(described, "messages");
  if (golden.name.empty() || messages == nullptr) return malformed(dir, "a case without a name or messages");
  for (const Json& message : *messages) {
    ChatMessage chat = {text_of(message, "role"), {}};
    const Json* content = find_member(message, "content");
    if (content == nullptr) return malformed(dir, "a message without content");
    for (const Json& part : *content) {
      const bool is_image = text_of(part, "type") == "image";
      if (is_image) golden.pictures.push_back(dir + "/" + text_of(part, "file"));
      chat.parts.push_back({is_image ? ChatPart::Kind::kImage : ChatPart::Kind::kText, text_of(part, "text")});
    }
    golden.messages.push_back(std::move(chat));
  }
  return golden;
}

Status read_expectations(const GoldenTensors& tensors, GoldenCase& golden) {
  const std::string prefix = golden.name + ".";
  SACCADE_ASSIGN_OR_RETURN(golden.tokens, tensors.integers(prefix + "tokens"));
  for (size_t i = 0; i < golden.pictures.size(); ++i) {
    SACCADE_ASSIGN_OR_RETURN(std::vector<uint8_t> levels, tensors.bytes(prefix + "pixels." + std::to_string(i)));
    golden.pixels.push_back(std::move(levels));
  }
  if (tensors.has(prefix + "encoder")) {
    SACCADE_ASSIGN_OR_RETURN(golden.encoder, tensors.floats(prefix + "encoder"));
    SACCADE_ASSIGN_OR_RETURN(golden.projector, tensors.floats(prefix + "projector"));
  }
  SACCADE_ASSIGN_OR_RETURN(golden.logits, tensors.floats(prefix + "logits"));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, tensors.dims(prefix + "logits"));
  golden.num_logit_rows = dims.front();
  SACCADE_ASSIGN_OR_RETURN(golden.greedy, tensors.integers(prefix + "greedy"));
  SACCADE_ASSIGN_OR_RETURN(golden.last_logits, tensors.floats(prefix + "last_logits"));
  return {};
}

}  // namespace

Expected<GoldenTensors> GoldenTensors::open(const std::string& path) {
  GoldenTensors golden;
  SACCADE_ASSIGN_OR_RETURN(golden.file_, MappedFile::open(path));
  auto tensors = parse_safetensors(golden.file_.bytes());
  if (!tensors) return tensors.status().with_context(path);
  for (SafeTensor& tensor : *tensors) {
    std::string name = tensor.name;
    golden.tensors_.emplace(std::move(name), std::move(tensor));
  }
  return golden;
}

Expected<const SafeTensor*> GoldenTensors::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return not_found(file_.path() + ": no tensor " + name);
  return &found->second;
}

Expected<std::vector<float>> GoldenTensors::floats(const std::string& name) const {
  SACCADE_ASSIGN_OR_RETURN(const SafeTensor* tensor, find(name));
  if (tensor->dtype_name != "F32") return malformed(name, "is " + tensor->to_string() + ", not F32");
  return copy_elements<float>(*tensor);
}

Expected<std::vector<uint8_t>> GoldenTensors::bytes(const std::string& name) const {
  SACCADE_ASSIGN_OR_RETURN(const SafeTensor* tensor, find(name));
  if (tensor->dtype_name != "U8") return malformed(name, "is " + tensor->to_string() + ", not U8");
  return copy_elements<uint8_t>(*tensor);
}

Expected<std::vector<int32_t>> GoldenTensors::integers(const std::string& name) const {
  SACCADE_ASSIGN_OR_RETURN(const SafeTensor* tensor, find(name));
  if (tensor->dtype_name == "I32") return copy_elements<int32_t>(*tensor);
  if (tensor->dtype_name != "U16") return malformed(name, "is " + tensor->to_string() + ", not I32 or U16");
  const std::vector<uint16_t> narrow = copy_elements<uint16_t>(*tensor);
  return std::vector<int32_t>(narrow.begin(), narrow.end());
}

Expected<std::vector<int64_t>> GoldenTensors::dims(const std::string& name) const {
  SACCADE_ASSIGN_OR_RETURN(const SafeTensor* tensor, find(name));
  return tensor->dims;
}

Expected<GoldenFamily> GoldenFamily::open(const std::string& dir) {
  GoldenFamily golden;
  SACCADE_ASSIGN_OR_RETURN(const Json header, read_json_object(dir + "/case.json"));
  SACCADE_ASSIGN_OR_RETURN(const GoldenTensors tensors, GoldenTensors::open(dir + "/golden.safetensors"));
  golden.family = text_of(header, "family");
  golden.image_mean = floats_of(header, "image_mean");
  golden.image_std = floats_of(header, "image_std");
  if (const Json* id = find_member(header, "image_token_id"); id != nullptr) golden.image_token_id = id->get<int32_t>();
  const Json* cases = find_member(header, "cases");
  if (cases == nullptr || !cases->is_array()) return malformed(dir, "case.json lists no cases");
  for (const Json& described : *cases) {
    SACCADE_ASSIGN_OR_RETURN(GoldenCase golden_case, read_questions(described, dir));
    if (const Status status = read_expectations(tensors, golden_case); !status.is_ok()) return status.with_context(dir);
    golden.cases.push_back(std::move(golden_case));
  }
  return golden;
}

}  // namespace saccade::parity
