#include "cli/show_kept.h"

#include <filesystem>
#include <span>

#include "base/format.h"
#include "media/image.h"
#include "media/paint.h"
#include "media/png_writer.h"
#include "platform/whole_file.h"
#include "request/validate_request.h"

namespace saccade {
namespace {

Expected<Image> read_picture(const ContentPart& part) {
  const ImageLimits limits;
  SACCADE_ASSIGN_OR_RETURN(const MediaBytes media, MediaBytes::open(part, limits.max_file_bytes));
  auto image = decode_image(media.bytes(), limits);
  if (!image) return image.status().with_context(media.name());
  return image;
}

std::vector<PaintedCell> painted_cells(const PictureLook& look) {
  std::vector<PaintedCell> cells;
  for (const LookedCell& cell : look.cells) {
    cells.push_back({{cell.x, cell.y, cell.width, cell.height}, cell.state, cell.group});
  }
  return cells;
}

}  // namespace

std::string shown_path(const std::string& path, size_t picture_idx) {
  if (picture_idx == 0) return path;
  std::filesystem::path numbered(path);
  const std::string name = numbered.stem().string() + format("-%zu", picture_idx + 1) + numbered.extension().string();
  return numbered.replace_filename(name).string();
}

Status check_shown_paths(const std::string& path, const std::vector<std::string>& images) {
  for (size_t i = 0; i == 0 || i < images.size(); ++i) {
    const std::string shown = shown_path(path, i);
    for (const std::string& image : images) {
      std::error_code ignored;
      if (!std::filesystem::equivalent(shown, image, ignored)) continue;
      return invalid_argument(shown + ": is one of the pictures; give --show-kept another name");
    }
    SACCADE_RETURN_IF_ERROR(check_writable(shown));
  }
  return {};
}

Expected<std::vector<std::string>> show_kept(const Request& request, const Answer& answer, const std::string& path) {
  std::vector<std::string> shown;
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::kImage || shown.size() == answer.looks.size()) continue;
      SACCADE_ASSIGN_OR_RETURN(const Image picture, read_picture(part));
      const std::vector<PaintedCell> cells = painted_cells(answer.looks[shown.size()]);
      const std::string to = shown_path(path, shown.size());
      SACCADE_RETURN_IF_ERROR(write_png(paint_cells(picture, cells), to));
      shown.push_back(to);
    }
  }
  return shown;
}

}  // namespace saccade
