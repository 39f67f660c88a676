// What all families have in common: loading, errors that name what is wrong, layouts that foretell the pieces.
#include "encoder/vision_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "encoder/position_grid.h"
#include "encoder/testing/tiny_vision_file.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyDim;
using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::TinyVisionFile;
using ::testing::HasSubstr;

std::unique_ptr<VisionEncoder> load(const TinyVisionFile& file) {
  auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_TRUE(encoder.is_ok()) << encoder.status().message();
  return encoder.is_ok() ? *std::move(encoder) : nullptr;
}

Status load_error(const TinyVisionFile& file, int64_t model_dim = kTinyModelDim) {
  auto encoder = VisionEncoder::load(file.open(), model_dim);
  return encoder.is_ok() ? Status() : encoder.status();
}

Image make_image(int width, int height) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  std::mt19937 random(static_cast<unsigned>(width * 1000 + height));
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
  return image;
}

PixelBatch make_pixels(const VisionEncoder& encoder, int width, int height) {
  ThreadPool pool(2);
  auto pixels = prepare_pixels(at_full_size(make_image(width, height)), encoder.pixel_spec(), pool);
  EXPECT_TRUE(pixels.is_ok()) << pixels.status().message();
  return *std::move(pixels);
}

std::vector<MediaPiece> encode(const VisionEncoder& encoder, const PixelBatch& pixels) {
  ThreadPool pool(2);
  EncodeTrace trace;
  auto pieces = encoder.encode(pixels, {}, pool, trace, nullptr);
  EXPECT_TRUE(pieces.is_ok()) << pieces.status().message();
  return *std::move(pieces);
}

std::vector<float> vectors_of(const std::vector<MediaPiece>& pieces) {
  std::vector<float> all;
  for (const MediaPiece& piece : pieces) {
    const auto* tokens = std::get_if<MediaTokens>(&piece);
    if (tokens != nullptr) all.insert(all.end(), tokens->vectors.floats().begin(), tokens->vectors.floats().end());
  }
  return all;
}

// Places of a grid row by row, as many as vectors, as wide as the language model.
void expect_well_formed(const MediaTokens& tokens) {
  EXPECT_EQ(tokens.vectors.shape(), (Shape{static_cast<int64_t>(tokens.places.size()), kTinyModelDim}));
  EXPECT_EQ(tokens.extent.t, 1);
  ASSERT_EQ(static_cast<int64_t>(tokens.places.size()), int64_t{tokens.extent.y} * tokens.extent.x);
  for (size_t i = 0; i < tokens.places.size(); ++i) {
    const auto cols = static_cast<size_t>(tokens.extent.x);
    EXPECT_EQ(tokens.places[i], (Place{0, static_cast<int32_t>(i / cols), static_cast<int32_t>(i % cols)}));
  }
  for (const float value : tokens.vectors.floats()) ASSERT_TRUE(std::isfinite(value));
}

struct FamilyCase {
  const char* name;
  const char* family;
  TinyVisionFile (*make)();
};

void PrintTo(const FamilyCase& family_case, std::ostream* out) {
  *out << family_case.name;
}

class EveryFamily : public ::testing::TestWithParam<FamilyCase> {};

INSTANTIATE_TEST_SUITE_P(VisionEncoder, EveryFamily,
                         ::testing::Values(FamilyCase{"Llava", "llava", [] { return TinyVisionFile::llava(); }},
                                           FamilyCase{"LlavaAnyres", "llava",
                                                      [] { return TinyVisionFile::llava_anyres(); }},
                                           FamilyCase{"SmolVlm", "smolvlm", [] { return TinyVisionFile::smolvlm(); }},
                                           FamilyCase{"Qwen2Vl", "qwen2_vl", [] { return TinyVisionFile::qwen2_vl(); }},
                                           FamilyCase{"Qwen25Vl", "qwen2_vl", TinyVisionFile::qwen2_5_vl}),
                         [](const auto& test) { return test.param.name; });

TEST_P(EveryFamily, LoadsAndKnowsItself) {
  const TinyVisionFile file = GetParam().make();
  const auto encoder = load(file);
  EXPECT_EQ(encoder->family(), GetParam().family);
  EXPECT_THAT(encoder->image_marker(), HasSubstr(encoder->image_placeholder()));
  uint64_t num_parameters = 0;
  for (const auto& [name, tensor] : file.tensors) num_parameters += tensor.values.size();
  EXPECT_EQ(encoder->num_parameters(), num_parameters);
}

TEST_P(EveryFamily, LayoutForetellsThePieces) {
  const auto encoder = load(GetParam().make());
  std::mt19937 random(3);
  for (int i = 0; i < 12; ++i) {
    const int width = 3 + static_cast<int>(random() % 60);
    const int height = 3 + static_cast<int>(random() % 60);
    SCOPED_TRACE(std::to_string(width) + " x " + std::to_string(height));
    const auto layout = encoder->layout({width, height});
    ASSERT_TRUE(layout.is_ok()) << layout.status().message();
    const auto pieces = encode(*encoder, make_pixels(*encoder, width, height));
    ASSERT_EQ(pieces.size(), layout->size());
    for (size_t piece = 0; piece < pieces.size(); ++piece) {
      if (const auto* text = std::get_if<std::string>(&pieces[piece])) {
        EXPECT_EQ(*text, std::get<std::string>((*layout)[piece]));
        continue;
      }
      const auto& tokens = std::get<MediaTokens>(pieces[piece]);
      const auto& grid = std::get<TokenGrid>((*layout)[piece]);
      EXPECT_EQ(tokens.vectors.shape()[0], grid.num_tokens);
      EXPECT_EQ(tokens.extent, grid.extent);
      expect_well_formed(tokens);
    }
  }
}

TEST_P(EveryFamily, NamesTheTensorThatIsMissing) {
  const TinyVisionFile complete = GetParam().make();
  for (const auto& [name, tensor] : complete.tensors) {
    // Biases and norms in front or behind may be absent by design, and a tower without a class row has one position
    // less, which is reported of the positions.
    if (name.ends_with(".bias") || name == "v.class_embd" || name == "v.pre_ln.weight") continue;
    TinyVisionFile file = complete;
    file.tensors.erase(name);
    EXPECT_THAT(load_error(file).message(), HasSubstr(name));
  }
}

TEST_P(EveryFamily, NamesTheTensorOfAWrongShape) {
  const TinyVisionFile complete = GetParam().make();
  for (const auto& [name, tensor] : complete.tensors) {
    TinyVisionFile file = complete;
    file.add(name, Shape{3, 5});
    const Status status = load_error(file);
    EXPECT_EQ(status.code(), StatusCode::kCorruptData) << name;
    EXPECT_THAT(status.message(), HasSubstr("[3, 5]")) << name;
  }
}

TEST_P(EveryFamily, NamesABlockTensorThatNothingTakes) {
  for (const char* name : {"v.blk.0.attn_q_norm.weight", "v.blk.1.ls1.weight", "v.blk.2.ln1.weight", "v.blk.x"}) {
    TinyVisionFile file = GetParam().make();
    file.add(name, Shape{kTinyDim});
    const Status status = load_error(file);
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << name;
    EXPECT_THAT(status.message(), HasSubstr(name));
  }
}

TEST_P(EveryFamily, NamesTheKeyThatIsMissing) {
  for (const char* key :
       {"clip.vision.attention.head_count", "clip.vision.block_count", "clip.vision.attention.layer_norm_epsilon",
        "clip.vision.patch_size", "clip.vision.image_mean"}) {
    TinyVisionFile file = GetParam().make();
    file.remove_key(key);
    EXPECT_THAT(load_error(file).message(), HasSubstr(key));
  }
}

TEST_P(EveryFamily, TellsThatTheLanguageModelIsAnother) {
  const Status status = load_error(GetParam().make(), kTinyModelDim + 2);
  EXPECT_EQ(status.code(), StatusCode::kCorruptData);
  EXPECT_THAT(status.message(), HasSubstr("the language model is 12 wide"));
}

TEST_P(EveryFamily, ReportsProgressAndStopsWhenAsked) {
  const auto encoder = load(GetParam().make());
  const PixelBatch pixels = make_pixels(*encoder, 20, 20);
  ThreadPool pool(1);
  EncodeTrace trace;
  std::vector<double> fractions;
  auto finished = encoder->encode(pixels, {}, pool, trace, [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  });
  EXPECT_TRUE(finished.is_ok());
  EXPECT_GE(fractions.size(), 2U);
  EXPECT_TRUE(std::ranges::is_sorted(fractions));
  EXPECT_DOUBLE_EQ(fractions.back(), 1);

  const auto stopped = encoder->encode(pixels, {}, pool, trace, [](double) { return false; });
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
}

TEST_P(EveryFamily, KeepsTensorsOnlyWhenAsked) {
  const auto encoder = load(GetParam().make());
  const PixelBatch pixels = make_pixels(*encoder, 20, 20);
  ThreadPool pool(1);
  EncodeTrace trace;
  ASSERT_TRUE(encoder->encode(pixels, {}, pool, trace, nullptr).is_ok());
  EXPECT_TRUE(trace.encoder_output.is_empty());
  EXPECT_TRUE(trace.projector_output.is_empty());
  EXPECT_GT(trace.encode_ms, 0);
  trace.keep_tensors = true;
  ASSERT_TRUE(encoder->encode(pixels, {}, pool, trace, nullptr).is_ok());
  const int64_t num_patches = pixels.num_tiles() * int64_t{pixels.height()} * pixels.width() / 4;
  EXPECT_EQ(trace.encoder_output.shape(), (Shape{num_patches, kTinyDim}));
  EXPECT_EQ(trace.projector_output.shape()[1], kTinyModelDim);
}

TEST_P(EveryFamily, ReadsFusedAttentionWeights) {
  const TinyVisionFile apart = GetParam().make();
  TinyVisionFile fused = apart;
  for (const char* kind : {"weight", "bias"}) {
    std::vector<float> all;
    for (const char* part : {"q", "k", "v"}) {
      const std::string name = std::string("v.blk.1.attn_") + part + "." + kind;
      const std::vector<float>& values = apart.tensors.at(name).values;
      all.insert(all.end(), values.begin(), values.end());
      fused.tensors.erase(name);
    }
    const Shape shape = kind == std::string("weight") ? Shape{3 * kTinyDim, kTinyDim} : Shape{3 * kTinyDim};
    fused.tensors["v.blk.1.attn_qkv." + std::string(kind)] = {shape, all};
  }
  const auto a = load(apart);
  const auto b = load(fused);
  const PixelBatch pixels = make_pixels(*a, 20, 20);
  EXPECT_EQ(vectors_of(encode(*a, pixels)), vectors_of(encode(*b, pixels)));
}

TEST_P(EveryFamily, SeesThroughSwappedLayerNames) {
  const TinyVisionFile proper = GetParam().make();
  TinyVisionFile swapped = proper;
  for (const char* layer : {"v.blk.0.", "v.blk.1."}) {
    for (const char* kind : {".weight", ".bias"}) {
      const std::string up = std::string(layer) + "ffn_up" + kind;
      const std::string down = std::string(layer) + "ffn_down" + kind;
      std::swap(swapped.tensors[up], swapped.tensors[down]);
    }
  }
  swapped.keys.set_u32("clip.vision.feed_forward_length", 0);  // the tensors tell
  const auto a = load(proper);
  const auto b = load(swapped);
  const PixelBatch pixels = make_pixels(*a, 20, 20);
  EXPECT_EQ(vectors_of(encode(*a, pixels)), vectors_of(encode(*b, pixels)));
}

TEST_P(EveryFamily, RefusesPixelsOfAnotherModel) {
  const auto encoder = load(GetParam().make());
  PixelBatch pixels;
  pixels.pixels = Tensor(Shape{1, 3, 7, 7});
  pixels.pixels.fill(0);
  ThreadPool pool(1);
  EncodeTrace trace;
  const auto pieces = encoder->encode(pixels, {}, pool, trace, nullptr);
  ASSERT_FALSE(pieces.is_ok());
  EXPECT_EQ(pieces.status().code(), StatusCode::kInvalidArgument);
}

/// The file of a tower for tiles of `image_size`, with the weights of `file` and its positions interpolated.
TinyVisionFile resized(TinyVisionFile file, int64_t side, int image_size) {
  const testing::TinyTensor& trained = file.tensors.at("v.position_embd.weight");
  const int64_t num_class_rows = trained.shape[0] - side * side;
  const auto first_patch = trained.values.begin() + num_class_rows * kTinyDim;
  Tensor patches(Shape{side * side, kTinyDim});
  std::copy(first_patch, trained.values.end(), patches.floats().begin());
  const int64_t new_side = image_size / testing::kTinyPatch;
  const Tensor grid = interpolate_positions(patches, side, new_side);
  std::vector<float> values(trained.values.begin(), first_patch);
  values.insert(values.end(), grid.floats().begin(), grid.floats().end());
  file.tensors["v.position_embd.weight"] = {Shape{num_class_rows + new_side * new_side, kTinyDim}, values};
  file.keys.set_u32("clip.vision.image_size", static_cast<uint32_t>(image_size));
  return file;
}

void expect_same_at_another_size(const TinyVisionFile& file, const TinyVisionFile& other) {
  const auto encoder = load(file);
  const auto other_encoder = load(other);
  const PixelSpec& spec = other_encoder->pixel_spec();
  for (const ImageSize size : {ImageSize{20, 20}, {30, 12}, {9, 40}}) {
    const auto layout = encoder->layout(size, spec);
    ASSERT_TRUE(layout) << layout.status().message();
    const PixelBatch pixels = make_pixels(*other_encoder, size.width, size.height);
    const auto pieces = encode(*encoder, pixels);
    ASSERT_EQ(pieces.size(), layout->size());
    for (size_t i = 0; i < pieces.size(); ++i) {
      const auto* grid = std::get_if<TokenGrid>(&(*layout)[i]);
      if (grid == nullptr) continue;
      const auto& tokens = std::get<MediaTokens>(pieces[i]);
      EXPECT_EQ(tokens.extent, grid->extent);
      EXPECT_EQ(tokens.vectors.shape()[0], grid->num_tokens);
    }
    EXPECT_EQ(vectors_of(pieces), vectors_of(encode(*other_encoder, pixels)));
  }
}

TEST(VisionEncoder, InterpolatesPositionsForTilesOfAnotherSize) {
  for (const int image_size : {8, 6, 16}) {
    SCOPED_TRACE(image_size);
    const TinyVisionFile llava = TinyVisionFile::llava(2, 12);
    expect_same_at_another_size(llava, resized(llava, 6, image_size));
  }
  TinyVisionFile anyres = TinyVisionFile::llava_anyres(12);
  TinyVisionFile small = resized(anyres, 6, 8);
  small.keys.set_i32s("clip.vision.image_grid_pinpoints", std::array{8, 16, 16, 8});
  expect_same_at_another_size(anyres, small);
  TinyVisionFile smolvlm = TinyVisionFile::smolvlm(2, 12);
  smolvlm.keys.set_u32("clip.vision.preproc_image_size", 48);
  small = resized(smolvlm, 6, 8);
  small.keys.set_u32("clip.vision.preproc_image_size", 32);
  expect_same_at_another_size(smolvlm, small);
}

TEST(VisionEncoder, RefusesASpecThatTheFamilyCannotTake) {
  const auto llava = load(TinyVisionFile::llava(2, 12));
  EXPECT_THAT(llava->layout({20, 20}, DynamicResolutionSpec{}).status().message(), HasSubstr("another family"));
  EXPECT_THAT(llava->layout({20, 20}, SquareSpec{.size = 7}).status().message(), HasSubstr("7 x 7 pixels"));
  const auto smolvlm = load(TinyVisionFile::smolvlm(2, 12));
  auto spec = std::get<TileSpec>(smolvlm->pixel_spec());
  spec.tile_size = 6;  // 3 x 3 patches, which are no whole squares of 2 x 2
  EXPECT_THAT(smolvlm->layout({20, 20}, spec).status().message(), HasSubstr("not whole tokens of 2"));
  spec.tile_size = 8;  // six tiles along the longest edge, where four have a name
  EXPECT_THAT(smolvlm->layout({48, 8}, spec).status().message(), HasSubstr("6 x 1 tiles, where the model names 4 x 4"));
  spec.longest_edge = 32;
  EXPECT_TRUE(smolvlm->layout({48, 8}, spec));
}

TEST(VisionEncoder, NamesAnUnknownProjectorAndTheKnownOnes) {
  TinyVisionFile file = TinyVisionFile::llava();
  file.keys.set_string("clip.projector_type", "resampler");
  const Status status = load_error(file);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("\"resampler\""));
  EXPECT_THAT(status.message(), HasSubstr("mlp, idefics3, qwen2vl_merger, qwen2.5vl_merger"));
}

TEST(VisionEncoder, TakesAnUnnamedTwoLayerProjectorForLlava) {
  TinyVisionFile file = TinyVisionFile::llava();
  file.remove_key("clip.projector_type");
  EXPECT_EQ(load(file)->family(), "llava");
  file.rename("mm.0.weight", "mm.model.mlp.0.weight");
  EXPECT_EQ(load_error(file).code(), StatusCode::kUnsupported);
}

TEST(VisionEncoder, RefusesPatchesThatDoNotFillTheTile) {
  TinyVisionFile file = TinyVisionFile::llava();
  file.keys.set_u32("clip.vision.image_size", 7);
  EXPECT_THAT(load_error(file).message(), HasSubstr("clip.vision.image_size is 7"));
}

TEST(VisionEncoder, RefusesHeadsThatDoNotDivideTheWidth) {
  TinyVisionFile file = TinyVisionFile::llava();
  file.keys.set_u32("clip.vision.attention.head_count", 3);
  EXPECT_THAT(load_error(file).message(), HasSubstr("3 heads"));
  file = TinyVisionFile::qwen2_vl();
  file.keys.set_u32("clip.vision.attention.head_count", 4);  // heads of 2: no room for two dimensions
  EXPECT_THAT(load_error(file).message(), HasSubstr("heads of 2 elements"));
}

TEST(VisionEncoder, ReadsTheActivationByOurKeyBeforeTheFlags) {
  TinyVisionFile file = TinyVisionFile::llava();
  const auto quick = load(file);
  const PixelBatch pixels = make_pixels(*quick, 20, 20);
  const auto of_quick = vectors_of(encode(*quick, pixels));
  file.keys.set_bool("clip.use_gelu", true);
  const auto of_erf = vectors_of(encode(*load(file), pixels));
  EXPECT_NE(of_quick, of_erf);
  file.keys.set_string("saccade.vision.hidden_act", "gelu");
  EXPECT_EQ(vectors_of(encode(*load(file), pixels)), of_erf);
  file.keys.set_string("saccade.vision.hidden_act", "gelu_pytorch_tanh");
  EXPECT_NE(vectors_of(encode(*load(file), pixels)), of_erf);
  file.keys.set_string("saccade.vision.hidden_act", "quick_gelu");
  EXPECT_EQ(vectors_of(encode(*load(file), pixels)), of_quick);
  file.keys.set_string("saccade.vision.hidden_act", "relu");
  EXPECT_THAT(load_error(file).message(), HasSubstr("\"relu\""));
}

}  // namespace
}  // namespace saccade
