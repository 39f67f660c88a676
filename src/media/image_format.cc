#include "media/image_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade {

namespace {

using std::string_view_literals::operator""sv;

/// A format is known by bytes at a fixed place.
struct Signature {
  size_t position;
  std::string_view bytes;
  const char* description;
};

constexpr std::array kForeignSignatures = {
    Signature{0, "GIF87a"sv, "a GIF picture"},
    Signature{0, "GIF89a"sv, "a GIF picture"},
    Signature{0, "BM"sv, "a BMP picture"},
    Signature{0, "II*\0"sv, "a TIFF picture"},
    Signature{0, "MM\0*"sv, "a TIFF picture"},
    Signature{4, "ftypavif"sv, "an AVIF picture"},
    Signature{4, "ftypavis"sv, "an AVIF picture"},
    Signature{4, "ftyphei"sv, "a HEIC picture"},
    Signature{4, "ftyphev"sv, "a HEIC picture"},
    Signature{4, "ftypmif1"sv, "a HEIC picture"},
    Signature{4, "ftypmsf1"sv, "a HEIC picture"},
    Signature{4, "ftyp"sv, "an MP4 video"},
    Signature{0, "\0\0\0\x0cJXL "sv, "a JPEG XL picture"},
    Signature{0, "\xff\x0a"sv, "a JPEG XL picture"},
    Signature{0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 picture"},
    Signature{0, "\0\0\1\0"sv, "an icon (ICO)"},
    Signature{0, "8BPS"sv, "a Photoshop picture"},
    Signature{8, "WAVE"sv, "a WAV sound"},
    Signature{8, "AVI "sv, "an AVI video"},
    Signature{0, "\x1a\x45\xdf\xa3"sv, "a Matroska or WebM video"},
    Signature{0, "%PDF"sv, "a PDF document"},
    Signature{0, "PK\3\4"sv, "a ZIP archive or office document"},
    Signature{0, "\x1f\x8b"sv, "gzip data"},
    Signature{0, "GGUF"sv, "a GGUF model"},
};

bool has_bytes_at(std::string_view text, size_t position, std::string_view wanted) {
  return text.size() >= position && text.substr(position).starts_with(wanted);
}

/// What the start of a text is, or null where it isn't text.
const char* describe_text(std::string_view text) {
  const std::string_view head = text.substr(0, 1024);
  const std::string_view whole = head.substr(0, complete_utf8_prefix(head));
  const bool has_control = std::any_of(whole.begin(), whole.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f';
  });
  if (has_control || !is_valid_utf8(whole)) return nullptr;
  std::string lower;
  for (const char c : whole) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower.find("<svg") != std::string::npos) return "an SVG drawing";
  if (lower.find("<!doctype html") != std::string::npos || lower.find("<html") != std::string::npos) {
    return "an HTML page";
  }
  return "plain text";
}

const char* describe_foreign(std::string_view text) {
  for (const Signature& signature : kForeignSignatures) {
    // "BM" also starts many a text; a bitmap's reserved bytes 6 to 9 are zero.
    if (signature.bytes == "BM" && !has_bytes_at(text, 6, "\0\0\0\0"sv)) continue;
    if (has_bytes_at(text, signature.position, signature.bytes)) return signature.description;
  }
  const char* description = describe_text(text);
  return description != nullptr ? description : "no format known here";
}

}  // namespace

Expected<ImageFormat> identify_image(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) return corrupt_data("the picture file is empty");
  if (text.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (text.starts_with("\x89PNG")) return ImageFormat::kPng;
  if (text.starts_with("RIFF") && has_bytes_at(text, 8, "WEBP")) return ImageFormat::kWebp;
  return unsupported(format("not a JPEG, PNG or WebP picture (starts with %s; looks like %s)",
                            quote(text.substr(0, 16), 16).c_str(), describe_foreign(text)));
}

}  // namespace saccade
