#include "media/png_writer.h"

#include <png.h>

#include <csetjmp>
#include <new>

#include "base/format.h"
#include "platform/whole_file.h"

namespace saccade {

namespace {

// As in png.cc, no object with a destructor lives where libpng's longjmp passes.
class PngEncoder {
 public:
  explicit PngEncoder(std::vector<std::byte>& out) : out_(out) {}
  ~PngEncoder() { png_destroy_write_struct(&png_, &info_); }
  PngEncoder(const PngEncoder&) = delete;
  PngEncoder& operator=(const PngEncoder&) = delete;

  /// False on an error.
  bool encode(const Image& image) {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_write_fn(png_, this, write_bytes, nullptr);
    png_set_compression_level(png_, 3);  // a third of the time of the usual 6, files a tenth larger
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    for (int y = 0; y < image.height; ++y) png_write_row(png_, image.pixel(0, y));
    png_write_end(png_, nullptr);
    return true;
  }

  const char* message() const { return message_; }

 private:
  static PngEncoder& self(png_structp png) { return *static_cast<PngEncoder*>(png_get_error_ptr(png)); }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    std::snprintf(self(png).message_, sizeof(message_), "%s", message);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}

  static void write_bytes(png_structp png, png_bytep data, size_t num_bytes) {
    if (!append(self(png).out_, data, num_bytes)) png_error(png, "not enough memory");
  }
  static bool append(std::vector<std::byte>& out, const png_byte* data, size_t num_bytes) noexcept {
    try {
      const auto* bytes = reinterpret_cast<const std::byte*>(data);
      out.insert(out.end(), bytes, bytes + num_bytes);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  std::vector<std::byte>& out_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  char message_[128] = "libpng cannot start";
};

}  // namespace

Expected<std::vector<std::byte>> encode_png(const Image& image) {
  if (image.width < 1 || image.height < 1) {
    return invalid_argument(format("a picture of %d x %d pixels can't be a PNG file", image.width, image.height));
  }
  std::vector<std::byte> bytes;
  PngEncoder encoder(bytes);
  if (!encoder.encode(image)) {
    return resource_exhausted(
        format("cannot write a picture of %d x %d pixels as PNG: %s", image.width, image.height, encoder.message()));
  }
  return bytes;
}

Status write_png(const Image& image, const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, encode_png(image));
  return write_whole_file(path, bytes);
}

}  // namespace saccade
