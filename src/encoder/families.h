// The loaders that the registry lists, one for each family's file.
#pragma once

#include <cstdint>
#include <memory>

#include "encoder/vision_encoder.h"
#include "saccade/status.h"
#include "weights/model_files.h"

namespace saccade {

using VisionEncoderPtr = std::unique_ptr<VisionEncoder>;

// Contract of all: `model_dim` is the width the projector must produce; errors name the tensor or key.

Expected<VisionEncoderPtr> load_llava(const ModelFiles& files, int64_t model_dim);       // llava.cc
Expected<VisionEncoderPtr> load_smolvlm(const ModelFiles& files, int64_t model_dim);     // smolvlm.cc
Expected<VisionEncoderPtr> load_qwen2_vl(const ModelFiles& files, int64_t model_dim);    // qwen2_vl.cc
Expected<VisionEncoderPtr> load_qwen2_5_vl(const ModelFiles& files, int64_t model_dim);  // qwen2_vl.cc

}  // namespace saccade
