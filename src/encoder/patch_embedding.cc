#include "encoder/patch_embedding.h"

#include <algorithm>

#include "kernels/linear.h"

namespace saccade {
namespace {

constexpr int64_t kNumChannels = 3;

// Patches gathered at a time.
constexpr int64_t kChunkPatches = 1024;

}  // namespace

Expected<PatchEmbedding> PatchEmbedding::load(const TensorSource& tensors, const VisionConfig& config,
                                              bool is_temporal) {
  const Shape shape{config.vision_dim, kNumChannels, config.patch_size, config.patch_size};
  PatchEmbedding embedding;
  embedding.patch_size_ = config.patch_size;
  SACCADE_ASSIGN_OR_RETURN(embedding.kernel_, tensors.take_as_f32("v.patch_embd.weight", shape));
  SACCADE_ASSIGN_OR_RETURN(embedding.bias_,
                           tensors.take_as_f32_if_present("v.patch_embd.bias", Shape{config.vision_dim}));
  if (is_temporal) {
    SACCADE_ASSIGN_OR_RETURN(const Tensor second, tensors.take_as_f32("v.patch_embd.weight.1", shape));
    const std::span<float> sum = embedding.kernel_.floats();
    const std::span<const float> addend = second.floats();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += addend[i];
  }
  return embedding;
}

void PatchEmbedding::embed(ThreadPool& pool, const float* tile, int64_t height, int64_t width,
                           std::span<const PatchPosition> positions, float* out) const {
  const int64_t patch_elements = kNumChannels * patch_size_ * patch_size_;
  const int64_t vision_dim = kernel_.shape()[0];
  const auto num_patches = static_cast<int64_t>(positions.size());
  const WeightMatrix weight(TensorView{DType::kF32, Shape{vision_dim, patch_elements}, kernel_.data()});
  Tensor patches(Shape{std::min(num_patches, kChunkPatches), patch_elements});
  for (int64_t first = 0; first < num_patches; first += kChunkPatches) {
    const int64_t count = std::min(kChunkPatches, num_patches - first);
    for (int64_t i = 0; i < count; ++i) {
      const PatchPosition& position = positions[static_cast<size_t>(first + i)];
      float* target = patches.row(i).data();
      for (int64_t channel = 0; channel < kNumChannels; ++channel) {
        for (int64_t dy = 0; dy < patch_size_; ++dy) {
          const int64_t y = position.y * patch_size_ + dy;
          const float* source = tile + (channel * height + y) * width + position.x * patch_size_;
          target = std::copy_n(source, patch_size_, target);
        }
      }
    }
    linear(pool, patches.floats().data(), count, {.weight = &weight, .bias = bias_, .y = out + first * vision_dim});
  }
}

}  // namespace saccade
