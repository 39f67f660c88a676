#include "server/content_parser.h"

#include <utility>

#include "base/format.h"
#include "server/base64.h"

namespace saccade {
namespace {

constexpr size_t kMaxUuidBytes = 256;
constexpr size_t kMaxUrlBytes = 8192;
constexpr std::string_view kDataScheme = "data:";

}  // namespace

// A picture's part while its fields come in, in any order.
struct ContentParser::ImageFields {
  bool is_there = false;
  std::string_view url_token;  // as it stands in the body, escapes and all
  std::string url_param;
  std::optional<Detail> detail;
};

bool ContentParser::read(JsonValue value, const std::string& param, size_t message_idx, Message& message) {
  message_idx_ = message_idx;
  message.content.clear();
  simdjson::ondemand::json_type type = {};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type == simdjson::ondemand::json_type::string) {
    return reader_.string(value, param, message.content.emplace_back().text);
  }
  if (type != simdjson::ondemand::json_type::array) return reader_.wrong_type(param, "a string or a list of parts");
  return reader_.elements(value, param, [&](JsonValue item, const std::string& part_param) {
    return read_part(item, part_param, message);
  });
}

bool ContentParser::read_part(JsonValue value, const std::string& param, Message& message) {
  std::string type;
  std::optional<std::string> text;
  std::string uuid;
  ImageFields image;
  image.url_param = param + ".image_url.url";
  const auto read = [&](const std::string& name, JsonValue field) {
    if (name == "type") return reader_.string(field, param + ".type", type);
    if (name == "text") return reader_.string(field, param + ".text", text.emplace());
    if (name == "uuid") return reader_.string(field, param + ".uuid", uuid);
    if (name == "image_url") return read_image(field, param + ".image_url", image);
    return true;
  };
  if (!reader_.object(value, param, read)) return false;
  if (type == "text") {
    if (!text) return reader_.fail(param + ".text", param + ".text is missing", "missing");
    message.content.emplace_back().text = *std::move(text);
    return true;
  }
  if (type == "image_url") return add_image(image, uuid, param, message);
  if (type.empty()) return reader_.fail(param + ".type", param + ".type is missing", "missing");
  return reader_.fail(param + ".type", param + ".type is " + quote(type) + "; it must be text or image_url",
                      "unsupported");
}

// {"url": ..., "detail": ...}, or the URL alone.
bool ContentParser::read_image(JsonValue value, const std::string& param, ImageFields& image) {
  image.is_there = true;
  simdjson::ondemand::json_type type = {};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type == simdjson::ondemand::json_type::string) {
    image.url_param = param;
    return read_url(value, param, image);
  }
  return reader_.object(value, param, [&](const std::string& name, JsonValue field) {
    if (name == "url") return read_url(field, param + ".url", image);
    if (name != "detail") return true;
    std::string detail;
    if (!reader_.string(field, param + ".detail", detail)) return false;
    image.detail = parse_detail(detail);
    return image.detail ||
           reader_.fail(param + ".detail", param + ".detail is " + quote(detail) + "; it must be auto, low or high");
  });
}

bool ContentParser::read_url(JsonValue value, const std::string& param, ImageFields& image) {
  simdjson::ondemand::json_type type = {};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type != simdjson::ondemand::json_type::string) return reader_.wrong_type(param, "a string");
  const std::string_view token = value.raw_json_token();  // with its quotes, and white space behind
  const size_t end = token.rfind('"');
  if (token.empty() || end == 0 || end == std::string_view::npos) return false;
  image.url_token = token.substr(1, end - 1);
  if (image.url_token.starts_with(kDataScheme)) return true;
  // An address is short: it is read as JSON has it.
  if (image.url_token.size() > kMaxUrlBytes) {
    return reader_.fail(param,
                        param + format(" is neither a data URL nor an address of up to %zu bytes", kMaxUrlBytes));
  }
  std::string_view url;
  if (value.get_string().get(url) != simdjson::SUCCESS) return reader_.wrong_type(param, "a string");
  image.url_token = url;
  return true;
}

bool ContentParser::add_image(const ImageFields& image, const std::string& uuid, const std::string& param,
                              Message& message) {
  if (uuid.size() > kMaxUuidBytes) {
    return reader_.fail(param + ".uuid", param + format(".uuid has more than %zu bytes", kMaxUuidBytes));
  }
  if (image.url_token.empty() && uuid.empty()) {
    return reader_.fail(image.url_param, image.url_param + " is missing", "missing");
  }
  ContentPart& part = message.content.emplace_back();
  part.kind = ContentPart::Kind::kImage;
  part.path = param;  // a name for messages, once there are bytes
  part.detail = image.detail;
  MediaReference reference = {.message_idx = message_idx_,
                              .part_idx = message.content.size() - 1,
                              .url = {},
                              .uuid = uuid,
                              .param = image.url_token.empty() ? param + ".uuid" : image.url_param};
  if (image.url_token.starts_with(kDataScheme)) {
    if (!decode_data_url(image.url_token, image.url_param, part)) return false;
  } else {
    reference.url = image.url_token;
  }
  if (part.bytes.empty() || !uuid.empty()) media_.push_back(std::move(reference));
  return true;
}

// data:image/png;base64,AAAA. What the picture is, its bytes say.
bool ContentParser::decode_data_url(std::string_view url, const std::string& param, ContentPart& part) {
  constexpr size_t kMaxHeadBytes = 256;
  const size_t comma = url.substr(0, kMaxHeadBytes).find(',');
  const std::string_view head = url.substr(0, comma == std::string_view::npos ? 0 : comma);
  if (!head.ends_with(";base64")) {
    return reader_.fail(param, param + ": a data URL must be as in data:image/png;base64,... ");
  }
  auto bytes = decode_base64(url.substr(comma + 1));
  if (!bytes) return reader_.fail(param, param + ": " + bytes.status().message(), "invalid_base64");
  if (bytes->empty()) return reader_.fail(param, param + ": the data URL holds no picture");
  part.bytes = *std::move(bytes);
  return true;
}

}  // namespace saccade
