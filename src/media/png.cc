// PNG by libpng. Its errors come by longjmp, so every call into it sits in a member function that holds no object with
// a destructor; the buffers belong to the callers. Gamma and colour profiles are left alone, as Pillow leaves them.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/format.h"
#include "media/codecs.h"
#include "media/color.h"
#include "media/exif.h"

namespace saccade {

namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kChunkOverhead = 12;  // length, type, CRC
constexpr size_t kHeaderBytes = 13;    // of IHDR's data
// Of a chunk that libpng keeps in memory: a palette and its transparency are far smaller.
constexpr size_t kMaxChunkBytes = 1 << 20;

uint32_t read_u32(std::span<const std::byte> bytes, size_t offset) {
  return png_get_uint_32(reinterpret_cast<const png_byte*>(bytes.data() + offset));
}

std::string_view chunk_type(std::span<const std::byte> bytes, size_t chunk) {
  return {reinterpret_cast<const char*>(bytes.data() + chunk + 4), 4};
}

/// The data of the first eXIf chunk, which may stand after the pixels. Empty where there is none.
std::span<const std::byte> find_exif(std::span<const std::byte> bytes) {
  size_t chunk = kSignatureBytes;
  while (bytes.size() - chunk >= kChunkOverhead) {
    const size_t length = read_u32(bytes, chunk);
    if (length > bytes.size() - chunk - kChunkOverhead) break;
    if (chunk_type(bytes, chunk) == "eXIf") return bytes.subspan(chunk + 8, length);
    chunk += kChunkOverhead + length;
  }
  return {};
}

class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// These two return false on an error, which status() then describes.
  bool read_header() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, read_bytes);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    // -1: all ancillary chunks but tRNS are skipped unread, and with them compressed texts and profiles.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes, 1 to 4 bits, transparent colours
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  /// After read_header(); `rows` are pointers to each row's width * num_channels() bytes.
  bool read_pixels(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  ImageSize size() const {
    return {static_cast<int>(png_get_image_width(png_, info_)), static_cast<int>(png_get_image_height(png_, info_))};
  }
  size_t num_channels() const { return png_get_channels(png_, info_); }

  Status status() const {
    if (info_ == nullptr) return resource_exhausted("not enough memory to read a PNG picture");
    return corrupt_data(format("PNG picture is damaged near byte %zu of %zu: %s", position_, bytes_.size(), message_));
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(reader->message_, sizeof reader->message_, "%s", message);
    png_longjmp(png, 1);
  }

  /// libpng warns of what does not touch the pixels (it stops at what does).
  static void on_warning(png_structp, png_const_charp) {}

  static void read_bytes(png_structp png, png_bytep out, size_t num_bytes) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (num_bytes > reader->bytes_.size() - reader->position_) {
      reader->position_ = reader->bytes_.size();
      png_error(png, "the file ends too early");
    }
    std::memcpy(out, reader->bytes_.data() + reader->position_, num_bytes);
    reader->position_ += num_bytes;
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  char message_[128] = "";
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

Expected<ImageHeader> read_png_header(std::span<const std::byte> bytes) {
  constexpr size_t kMinBytes = kSignatureBytes + kChunkOverhead + kHeaderBytes;
  if (bytes.size() < kMinBytes) {
    return corrupt_data(format("PNG picture of %zu bytes ends within its header", bytes.size()));
  }
  if (png_sig_cmp(reinterpret_cast<const png_byte*>(bytes.data()), 0, kSignatureBytes) != 0) {
    return corrupt_data("PNG picture is damaged within its first 8 bytes, as by a transfer in text mode");
  }
  if (read_u32(bytes, kSignatureBytes) != kHeaderBytes || chunk_type(bytes, kSignatureBytes) != "IHDR") {
    return corrupt_data("PNG picture does not start with its header chunk (byte 8)");
  }
  const uint32_t width = read_u32(bytes, kSignatureBytes + 8);
  const uint32_t height = read_u32(bytes, kSignatureBytes + 12);
  if (width == 0 || height == 0 || width > PNG_UINT_31_MAX || height > PNG_UINT_31_MAX) {
    return corrupt_data(format("PNG picture gives its size as %u x %u (byte 16)", width, height));
  }
  return ImageHeader{{static_cast<int>(width), static_cast<int>(height)}, exif_orientation(find_exif(bytes))};
}

Expected<Image> decode_png(std::span<const std::byte> bytes, ImageSize stored) {
  PngReader reader(bytes);
  if (!reader.read_header()) return reader.status();
  if (reader.size() != stored) return corrupt_data("PNG picture has two headers that differ");
  Image image{stored.width, stored.height, {}};
  const size_t row_bytes = static_cast<size_t>(stored.width) * reader.num_channels();
  image.rgb.resize(row_bytes * static_cast<size_t>(stored.height));
  std::vector<png_bytep> rows(static_cast<size_t>(stored.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.rgb.data() + y * row_bytes;
  if (!reader.read_pixels(rows.data())) return reader.status();
  if (reader.num_channels() == 4) compose_on_white(image.rgb);
  return image;
}

}  // namespace saccade
