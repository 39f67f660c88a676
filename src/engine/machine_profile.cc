#include "engine/machine_profile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/isa.h"
#include "kernels/linear.h"
#include "kernels/machine_limits.h"
#include "kernels/norm.h"
#include "media/image.h"
#include "media/pixel_batch.h"
#include "media/png_writer.h"
#include "platform/clock.h"
#include "tensor/tensor.h"

namespace saccade {
namespace {

constexpr double kMeasureMs = 120;  // of each figure
constexpr int64_t kDim = 1024;      // of weights: of a layer of a middling model
constexpr std::array<int64_t, 6> kRows = {1, 4, 16, 64, 256, 1024};
constexpr std::array kTypes = {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K, DType::kQ6_K};
constexpr int64_t kHeads = 8;
constexpr int64_t kHeadDim = 64;
constexpr int64_t kSeen = 512;  // rows that look at one another
constexpr int kPictureSide = 1024;

// The median of as many runs as there is time for.
template <typename Work>
double median_ms(const Work& work) {
  work();  // what is cold gets warm
  std::vector<double> runs;
  const Stopwatch total;
  while (runs.size() < 5 || (total.elapsed_ms() < kMeasureMs && runs.size() < 1000)) {
    const Stopwatch clock;
    work();
    runs.push_back(clock.elapsed_ms());
  }
  std::ranges::sort(runs);
  return runs[runs.size() / 2];
}

std::vector<Hardware::Rate> measure_linear(ThreadPool& pool, DType type) {
  Tensor stored({kDim, kDim}, type);
  std::memset(stored.data(), 0,
              static_cast<size_t>(stored.view().num_bytes()));  // arithmetic takes its time for zeros, too
  WeightMatrix weight(stored);
  weight.pack(pool);
  Tensor x({kRows.back(), kDim});
  Tensor y({kRows.back(), kDim});
  x.fill(0.5F);
  std::vector<Hardware::Rate> rates;
  for (const int64_t rows : kRows) {
    const double ms =
        median_ms([&] { linear(pool, x.floats().data(), rows, {.weight = &weight, .y = y.floats().data()}); });
    rates.push_back({static_cast<double>(rows), 2 * static_cast<double>(rows * kDim * kDim) / (ms * 1e6)});
  }
  return rates;
}

double measure_attention(ThreadPool& pool) {
  constexpr int64_t kWidth = kHeads * kHeadDim;
  Tensor rows({kSeen, kWidth});
  Tensor out({kSeen, kWidth});
  rows.fill(0.01F);
  const std::byte* keys = rows.data();
  AttentionArgs args;
  args.q = rows.floats().data();
  args.q_stride = args.out_stride = kWidth;
  constexpr int64_t kFloat = sizeof(float);
  args.kv = {&keys, &keys, DType::kF32, kSeen, kWidth * kFloat, kHeadDim * kFloat};
  args.out = out.floats().data();
  args.num_queries = args.num_keys = kSeen;
  args.num_heads = args.num_kv_heads = kHeads;
  args.head_dim = kHeadDim;
  args.scale = 0.125F;
  args.allows_bf16 = true;
  const double ms = median_ms([&] { attention(pool, args); });
  return 4 * static_cast<double>(kSeen * kSeen * kWidth) / (ms * 1e6);
}

double measure_vector(ThreadPool& pool) {
  Tensor x({kSeen, kDim});
  Tensor y({kSeen, kDim});
  Tensor weight(Shape{kDim});
  x.fill(1);
  weight.fill(1);
  const double ms = median_ms(
      [&] { rms_norm(pool, x.floats().data(), weight.floats().data(), 1e-5F, kSeen, kDim, y.floats().data()); });
  return 7 * static_cast<double>(kSeen * kDim) / (ms * 1e6);
}

// What a product of nearly nothing takes.
double measure_launch_us(ThreadPool& pool) {
  Tensor x({1, 32});
  Tensor weight({32, 32});
  Tensor y({1, 32});
  x.fill(1);
  weight.fill(1);
  const WeightMatrix matrix(weight);
  return 1e3 * median_ms([&] { linear(pool, x.floats().data(), 1, {.weight = &matrix, .y = y.floats().data()}); });
}

// A page: lines on white, so that it is no easier to read than pictures are.
Image draw_picture() {
  Image image = {kPictureSide, kPictureSide, std::vector<uint8_t>(3UL * kPictureSide * kPictureSide, 255)};
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    const size_t row = i / (3UL * kPictureSide);
    if (row % 20 < 10) image.rgb[i] = static_cast<uint8_t>((i * 2654435761U) >> 13);
  }
  return image;
}

Status measure_pictures(ThreadPool& pool, Hardware& hardware) {
  const Image image = draw_picture();
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> png, encode_png(image));
  Status status;
  constexpr double kPixels = double{kPictureSide} * kPictureSide;
  const double decode_ms = median_ms([&] {
    const auto decoded = decode_image(png);
    if (!decoded) status = decoded.status();
  });
  SACCADE_RETURN_IF_ERROR(status);
  hardware.decode_ns_per_pixel = decode_ms * 1e6 / kPixels;
  SACCADE_ASSIGN_OR_RETURN(const DecodedImage decoded, decode_reduced(png, {kPictureSide, kPictureSide}));
  const SquareSpec spec;
  const double resize_ms = median_ms([&] {
    const auto pixels = prepare_pixels(decoded, spec, pool);
    if (!pixels) status = pixels.status();
  });
  SACCADE_RETURN_IF_ERROR(status);
  hardware.resize_ns_per_pixel = resize_ms * 1e6 / (kPixels + double{336} * 336);
  return {};
}

}  // namespace

Hardware MachineProfile::hardware_for(DType weights) const {
  Hardware result = hardware;
  auto found = linear.find(weights);
  if (found == linear.end()) {
    const auto bits = [](DType type) { return 8.0 * traits_of(type).block_bytes / traits_of(type).block_size; };
    found = std::min_element(linear.begin(), linear.end(), [&](const auto& a, const auto& b) {
      return std::abs(bits(a.first) - bits(weights)) < std::abs(bits(b.first) - bits(weights));
    });
  }
  result.linear = found->second;
  return result;
}

Expected<MachineProfile> measure_machine(
    ThreadPool& pool, const std::function<bool(const std::string& what, double fraction)>& progress) {
  MachineProfile profile;
  SACCADE_ASSIGN_OR_RETURN(const Isa isa, active_isa());
  profile.isa = isa_name(isa);
  profile.threads = pool.num_threads();
  profile.hardware.name = "this machine";
  constexpr double kSteps = kTypes.size() + 3;
  double num_done = 0;
  const auto step = [&](const std::string& what) { return !progress || progress(what, num_done++ / kSteps); };
  const Status stopped = cancelled("stopped while measuring the machine");
  for (const DType type : kTypes) {
    if (!step("products with " + std::string(traits_of(type).name))) return stopped;
    profile.linear[type] = measure_linear(pool, type);
  }
  if (!step("memory")) return stopped;
  profile.hardware.memory_gbytes = measure_limits(pool).memory_gbytes;
  if (profile.hardware.memory_gbytes <= 0) profile.hardware.memory_gbytes = unmeasured_processor().memory_gbytes;
  if (!step("attention")) return stopped;
  profile.hardware.attention_gflops = measure_attention(pool);
  profile.hardware.vector_gflops = measure_vector(pool);
  profile.hardware.launch_us = measure_launch_us(pool);
  if (!step("pictures")) return stopped;
  SACCADE_RETURN_IF_ERROR(measure_pictures(pool, profile.hardware));
  return profile;
}

}  // namespace saccade
