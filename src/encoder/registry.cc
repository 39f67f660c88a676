// Which family a file is of. To add one: its loader in families.h, and one line in kFamilies.
#include <array>
#include <numeric>
#include <string>
#include <string_view>

#include "base/format.h"
#include "encoder/families.h"
#include "encoder/vision_encoder.h"

namespace saccade {
namespace {

struct Family {
  std::string_view projector_type;  // clip.projector_type
  Expected<VisionEncoderPtr> (*load)(const ModelFiles& files, int64_t model_dim);
};

constexpr std::array kFamilies = {
    Family{"mlp", load_llava},
    Family{"idefics3", load_smolvlm},
    Family{"qwen2vl_merger", load_qwen2_vl},
    Family{"qwen2.5vl_merger", load_qwen2_5_vl},
};

std::string known_types() {
  std::string types;
  for (const Family& family : kFamilies) {
    if (!types.empty()) types += ", ";
    types += family.projector_type;
  }
  return types;
}

// The oldest LLaVA files do not name their projector; Qwen2-VL's first converter left only a flag.
Expected<std::string> projector_type(const ModelFiles& files) {
  const Metadata& metadata = files.vision_metadata();
  for (const char* key : {"clip.projector_type", "clip.vision.projector_type"}) {
    if (metadata.has(key)) return metadata.string(key);
  }
  SACCADE_ASSIGN_OR_RETURN(const bool is_qwen2_vl, metadata.boolean_or("clip.has_qwen2vl_merger", false));
  if (is_qwen2_vl) return std::string("qwen2vl_merger");
  if (files.vision_file().find("mm.0.weight") != nullptr) return std::string("mlp");
  return unsupported(format("%s: no key clip.projector_type and no tensor mm.0.weight; projectors known here: %s",
                            files.vision_file().path().c_str(), known_types().c_str()));
}

}  // namespace

std::vector<int32_t> VisionEncoder::token_cells(ImageSize, const PixelLayout& layout) const {
  const int cells_per_tile = (layout.tile.width / cell_side()) * (layout.tile.height / cell_side());
  std::vector<int32_t> cells(static_cast<size_t>(layout.num_tiles * cells_per_tile));
  std::iota(cells.begin(), cells.end(), 0);
  return cells;
}

Expected<VisionEncoderPtr> VisionEncoder::load(const ModelFiles& files, int64_t model_dim) {
  if (!files.has_vision()) {
    return invalid_argument("the model has no vision part; give the mmproj file that belongs to it with --mmproj");
  }
  SACCADE_ASSIGN_OR_RETURN(const std::string type, projector_type(files));
  for (const Family& family : kFamilies) {
    if (family.projector_type != type) continue;
    Expected<VisionEncoderPtr> encoder = family.load(files, model_dim);
    // A tensor's error names its file already, a key's does not.
    const bool names_file = encoder.is_ok() || encoder.status().message().starts_with(files.vision_file().path());
    if (!names_file) return encoder.status().with_context(files.vision_file().path());
    return encoder;
  }
  return unsupported(format("%s: projector type %s; known here: %s", files.vision_file().path().c_str(),
                            quote(type).c_str(), known_types().c_str()));
}

}  // namespace saccade
