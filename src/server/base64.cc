#include "server/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/format.h"

namespace saccade {
namespace {

constexpr uint8_t kInvalid = 64;

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<uint8_t, 256> make_values() {
  std::array<uint8_t, 256> values = {};
  values.fill(kInvalid);
  for (size_t i = 0; i < kAlphabet.size(); ++i) values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return values;
}

constexpr std::array<uint8_t, 256> kValues = make_values();

uint32_t value_of(char letter) {
  return kValues[static_cast<uint8_t>(letter)];
}

Status wrong_letter(std::string_view text, size_t position) {
  return invalid_argument(format("the base64 text has %s at position %zu, which does not belong there",
                                 quote(text.substr(position, 1)).c_str(), position));
}

// The letters of a text from `position` on, "\/" as one.
class Letters {
 public:
  Letters(std::string_view text, size_t position) : text_(text), position_(position) {}

  bool is_at_end() const { return position_ == text_.size(); }
  size_t position() const { return position_; }
  uint32_t next() {
    if (text_[position_] == '\\' && position_ + 1 < text_.size() && text_[position_ + 1] == '/') ++position_;
    return value_of(text_[position_++]);
  }
  void back_to(size_t position) { position_ = position; }

 private:
  std::string_view text_;
  size_t position_;
};

}  // namespace

Expected<std::vector<std::byte>> decode_base64(std::string_view text) {
  size_t num_padding = 0;
  while (num_padding < 2 && num_padding < text.size() && text[text.size() - 1 - num_padding] == '=') ++num_padding;
  const std::string_view letters_text = text.substr(0, text.size() - num_padding);
  const auto num_escapes = static_cast<size_t>(std::ranges::count(letters_text, '\\'));
  const size_t num_letters = letters_text.size() - num_escapes;
  if (num_letters % 4 == 1 || (num_padding > 0 && (num_letters + num_padding) % 4 != 0)) {
    return invalid_argument(format("the base64 text ends in the middle: it has %zu letters", num_letters));
  }
  std::vector<std::byte> bytes(num_letters / 4 * 3 + (num_letters % 4 == 0 ? 0 : num_letters % 4 - 1));
  std::byte* out = bytes.data();
  Letters letters(letters_text, 0);
  const char* in = letters_text.data();
  for (size_t i = 0; i < num_letters / 4; ++i) {
    const size_t begin = letters.position();
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (begin + 4 <= letters_text.size()) {
      a = value_of(in[begin]), b = value_of(in[begin + 1]), c = value_of(in[begin + 2]), d = value_of(in[begin + 3]);
    }
    if (begin + 4 > letters_text.size() || ((a | b | c | d) & kInvalid) != 0) {  // an escape, or wrong
      for (uint32_t* value : {&a, &b, &c, &d}) {
        const size_t position = letters.position();
        *value = letters.is_at_end() ? kInvalid : letters.next();
        if (*value == kInvalid) return wrong_letter(letters_text, std::min(position, letters_text.size() - 1));
      }
    } else {
      letters.back_to(begin + 4);
    }
    const uint32_t group = a << 18 | b << 12 | c << 6 | d;
    *out++ = static_cast<std::byte>(group >> 16);
    *out++ = static_cast<std::byte>(group >> 8);
    *out++ = static_cast<std::byte>(group);
  }
  uint32_t rest = 0;
  for (size_t i = 0; i < num_letters % 4; ++i) {
    const size_t position = letters.position();
    const uint32_t value = letters.is_at_end() ? kInvalid : letters.next();
    if (value == kInvalid) return wrong_letter(letters_text, std::min(position, letters_text.size() - 1));
    rest |= value << (18 - 6 * i);
  }
  if (!letters.is_at_end()) return wrong_letter(letters_text, letters.position());  // a backslash before no slash
  for (std::byte* end = bytes.data() + bytes.size(); out != end; rest <<= 8)
    *out++ = static_cast<std::byte>(rest >> 16);
  return bytes;
}

std::string encode_base64(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t num_bytes = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < num_bytes ? static_cast<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += k <= num_bytes ? kAlphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace saccade
