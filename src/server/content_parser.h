// A message's content as the API has it: text, or parts of text and pictures.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/request.h"
#include "server/json_reader.h"
#include "server/media_reference.h"

namespace saccade {

class ContentParser {
 public:
  /// Both outlive it. Pictures that are only named are added to `media`.
  ContentParser(JsonReader& reader, std::vector<MediaReference>& media) : reader_(reader), media_(media) {}

  /// Replaces the content of `message`, which is the request's message of that number. Of base64 nothing is copied but
  /// what it decodes to. False: the reader has the error.
  bool read(JsonValue value, const std::string& param, size_t message_idx, Message& message);

 private:
  struct ImageFields;
  bool read_part(JsonValue value, const std::string& param, Message& message);
  bool read_image(JsonValue value, const std::string& param, ImageFields& image);
  bool read_url(JsonValue value, const std::string& param, ImageFields& image);
  bool add_image(const ImageFields& image, const std::string& uuid, const std::string& param, Message& message);
  bool decode_data_url(std::string_view url, const std::string& param, ContentPart& part);

  JsonReader& reader_;
  std::vector<MediaReference>& media_;
  size_t message_idx_ = 0;
};

}  // namespace saccade
