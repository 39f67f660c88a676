// JPEG by libjpeg-turbo. Its errors come by longjmp, so every call into it sits in a member function that holds no
// object with a destructor; the buffers belong to the callers.

// jpeglib.h needs what cstdio declares, and jerror.h what jpeglib.h does.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <cstring>
#include <string>

#include "base/format.h"
#include "media/codecs.h"
#include "media/color.h"
#include "media/exif.h"

namespace saccade {

namespace {

// A progressive picture is decoded once per scan; encoders write about 10, attackers thousands.
constexpr int kMaxScans = 64;
// For the coefficients of a progressive picture: 100 megapixels without subsampling take 600 MB.
constexpr long kMaxCoefficientBytes = 1L << 30;
constexpr int kTooManyScans = -1;  // beside libjpeg's own codes, which are positive

/// Warnings after which the picture is still whole: odd metadata, padding between markers.
bool is_harmless(int warning) {
  return warning == JWRN_ADOBE_XFORM || warning == JWRN_JFIF_MAJOR || warning == JWRN_EXTRANEOUS_DATA ||
         warning == JWRN_BOGUS_PROGRESSION;
}

struct ErrorManager : jpeg_error_mgr {
  std::jmp_buf jump;
  int code = 0;
};

[[noreturn]] void fail(j_common_ptr info, int code) {
  auto* error = static_cast<ErrorManager*>(info->err);
  error->code = code;
  std::longjmp(error->jump, 1);
}

void on_error(j_common_ptr info) {
  fail(info, info->err->msg_code);
}

/// Level -1 is a warning: libjpeg would go on and make up what is missing.
void on_message(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info->err->msg_code)) fail(info, info->err->msg_code);
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) fail(info, kTooManyScans);
}

class JpegReader {
 public:
  explicit JpegReader(std::span<const std::byte> bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&error_);
    error_.error_exit = on_error;
    error_.emit_message = on_message;
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  /// These two return false on an error, which status() then describes.
  bool read_header(int reduction = 1) {
    if (setjmp(error_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    info_.mem->max_memory_to_use = kMaxCoefficientBytes;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    const bool is_cmyk = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(reduction);
    jpeg_calc_output_dimensions(&info_);
    return true;
  }

  /// After read_header(); `pixels` is [height, width, num_channels()] of decoded_size().
  bool read_pixels(uint8_t* pixels) {
    if (setjmp(error_.jump) != 0) return false;
    jpeg_start_decompress(&info_);
    const size_t row_bytes = size_t{info_.output_width} * num_channels();
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = pixels + info_.output_scanline * row_bytes;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  ImageSize size() const { return {static_cast<int>(info_.image_width), static_cast<int>(info_.image_height)}; }
  ImageSize decoded_size() const {
    return {static_cast<int>(info_.output_width), static_cast<int>(info_.output_height)};
  }
  size_t num_channels() const { return is_cmyk() ? 4 : 3; }
  bool is_cmyk() const { return info_.out_color_space == JCS_CMYK; }

  int orientation() const {
    for (jpeg_saved_marker_ptr marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      if (marker->data_length < 6 || std::memcmp(marker->data, "Exif\0\0", 6) != 0) continue;
      return exif_orientation({reinterpret_cast<const std::byte*>(marker->data), marker->data_length});
    }
    return 1;
  }

  Status status() {
    switch (error_.code) {
      case kTooManyScans:
        return resource_exhausted(format("JPEG picture has more than %d scans", kMaxScans));
      case JERR_IMAGE_TOO_BIG:
        return resource_exhausted("JPEG picture is over 65500 pixels a side");
      case JERR_OUT_OF_MEMORY:
      case JERR_NO_BACKING_STORE:
        return resource_exhausted(format("JPEG picture of %u x %u pixels takes too much memory to decode",
                                         info_.image_width, info_.image_height));
      case JERR_BAD_PRECISION:
      case JERR_SOF_UNSUPPORTED:
      case JERR_CONVERSION_NOTIMPL:
      case JERR_ARITH_NOTIMPL:
        return unsupported("JPEG picture of a kind not supported: " + library_message());
      default:
        return corrupt_data(format("JPEG picture is damaged near byte %zu of %zu: %s", position(), bytes_.size(),
                                   library_message().c_str()));
    }
  }

 private:
  std::string library_message() {
    char text[JMSG_LENGTH_MAX] = "";
    error_.format_message(reinterpret_cast<j_common_ptr>(&info_), text);
    return text;
  }

  /// How far libjpeg has read; past the end it is given a made-up end marker from elsewhere in memory.
  size_t position() const {
    const size_t left = info_.src == nullptr ? bytes_.size() : info_.src->bytes_in_buffer;
    if (error_.code == JWRN_JPEG_EOF || left > bytes_.size()) return bytes_.size();
    return bytes_.size() - left;
  }

  std::span<const std::byte> bytes_;
  ErrorManager error_ = {};
  jpeg_progress_mgr progress_ = {};
  jpeg_decompress_struct info_ = {};
};

}  // namespace

Expected<ImageHeader> read_jpeg_header(std::span<const std::byte> bytes) {
  JpegReader reader(bytes);
  if (!reader.read_header()) return reader.status();
  return ImageHeader{reader.size(), reader.orientation()};
}

Expected<Image> decode_jpeg(std::span<const std::byte> bytes, ImageSize stored, int reduction) {
  JpegReader reader(bytes);
  if (!reader.read_header(reduction)) return reader.status();
  if (reader.size() != stored) return corrupt_data("JPEG: the size changed while it was read");
  const ImageSize size = reader.decoded_size();
  Image image{size.width, size.height, {}};
  const size_t num_pixels = static_cast<size_t>(size.width) * static_cast<size_t>(size.height);
  image.rgb.resize(num_pixels * reader.num_channels());
  if (!reader.read_pixels(image.rgb.data())) return reader.status();
  if (reader.is_cmyk()) convert_inverted_cmyk(image.rgb);
  return image;
}

}  // namespace saccade
