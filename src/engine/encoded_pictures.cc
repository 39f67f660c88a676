#include "engine/encoded_pictures.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "cache/disk_tier.h"
#include "cache/feature_codec.h"
#include "cache/memory_tier.h"
#include "cache/redis_tier.h"
#include "cache/write_behind_tier.h"
#include "planner/levers.h"

namespace saccade {
namespace {

// Of lists of ways that pictures were encoded in.
constexpr int64_t kMaxLookBytes = 4 << 20;
// That wait to be written to a disk or sent to a server.
constexpr int64_t kMaxPendingBytes = 64 << 20;

int64_t bytes_of(const MediaTokens& tokens) {
  const auto bytes = [](const auto& values) { return static_cast<int64_t>(values.size() * sizeof(values[0])); };
  const auto of_tensor = [](const Tensor& tensor) {
    return tensor.is_empty() ? 0 : static_cast<int64_t>(tensor.shape().num_elements() * sizeof(float));
  };
  return of_tensor(tokens.vectors) + of_tensor(tokens.keys) + bytes(tokens.places) + bytes(tokens.cells) +
         bytes(tokens.weights) + bytes(tokens.shown_by) + bytes(tokens.is_fixed) + bytes(tokens.class_attention);
}

int64_t bytes_of(const EncodedPicture& encoded) {
  auto bytes = static_cast<int64_t>(sizeof(encoded) + encoded.fates.shown_by.size() * sizeof(int32_t) +
                                    encoded.fates.is_mixed.size());
  for (const MediaPiece& piece : encoded.pieces) {
    if (const auto* tokens = std::get_if<MediaTokens>(&piece)) bytes += bytes_of(*tokens);
    bytes += static_cast<int64_t>(sizeof(piece));
  }
  return bytes;
}

Tensor copy_of(const Tensor& tensor) {
  return tensor.is_empty() ? Tensor() : copy_rows(tensor, 0, tensor.shape()[0]);
}

// What is taken from the cache may be thinned out; what is in it stays.
std::vector<MediaPiece> copies_of(const std::vector<MediaPiece>& pieces) {
  std::vector<MediaPiece> copies;
  for (const MediaPiece& piece : pieces) {
    if (const auto* text = std::get_if<std::string>(&piece)) {
      copies.emplace_back(*text);
      continue;
    }
    const auto& grid = std::get<MediaTokens>(piece);
    MediaTokens copy = {.vectors = copy_of(grid.vectors),
                        .places = grid.places,
                        .extent = grid.extent,
                        .cells = grid.cells,
                        .weights = grid.weights,
                        .shown_by = grid.shown_by,
                        .is_fixed = grid.is_fixed,
                        .class_attention = grid.class_attention,
                        .keys = copy_of(grid.keys)};
    copies.emplace_back(std::move(copy));
  }
  return copies;
}

std::span<const int32_t> flat(std::span<const Place> places) {
  static_assert(sizeof(Place) == 3 * sizeof(int32_t));
  return {reinterpret_cast<const int32_t*>(places.data()), places.size() * 3};
}

// Piece by piece, text or the arrays of a grid under its number.
std::vector<std::byte> encode(const EncodedPicture& encoded) {
  const Window crop = encoded.crop.value_or(Window());
  const std::array<int32_t, 8> head = {
      encoded.size.width, encoded.size.height, encoded.crop ? 1 : 0, crop.left,
      crop.top,           crop.size.width,     crop.size.height,     static_cast<int32_t>(encoded.pieces.size())};
  std::vector<NamedArray> arrays = {named_array("head", std::span<const int32_t>(head)),
                                    named_array("shown_by", std::span<const int32_t>(encoded.fates.shown_by)),
                                    named_array("is_mixed", std::span<const uint8_t>(encoded.fates.is_mixed))};
  std::vector<std::string> names(encoded.pieces.size() * 9);  // that the arrays refer to
  std::vector<std::array<int32_t, 3>> extents(encoded.pieces.size());
  for (size_t i = 0; i < encoded.pieces.size(); ++i) {
    size_t part = 9 * i;
    const auto name = [&](const char* what) -> std::string_view { return names[part++] = format("%zu.%s", i, what); };
    if (const auto* text = std::get_if<std::string>(&encoded.pieces[i])) {
      arrays.push_back(named_array(name("text"), std::string_view(*text)));
      continue;
    }
    const auto& grid = std::get<MediaTokens>(encoded.pieces[i]);
    extents[i] = {grid.extent.t, grid.extent.y, grid.extent.x};
    arrays.push_back(named_array(name("extent"), std::span<const int32_t>(extents[i])));
    arrays.push_back(named_array(name("places"), flat(grid.places)));
    arrays.push_back(named_array(name("cells"), std::span<const int32_t>(grid.cells)));
    arrays.push_back(named_array(name("weights"), std::span<const float>(grid.weights)));
    arrays.push_back(named_array(name("shown_by"), std::span<const int32_t>(grid.shown_by)));
    arrays.push_back(named_array(name("is_fixed"), std::span<const uint8_t>(grid.is_fixed)));
    arrays.push_back(named_array(name("attention"), std::span<const float>(grid.class_attention)));
    if (!grid.vectors.is_empty()) arrays.push_back(named_array(name("vectors"), grid.vectors.view()));
    if (!grid.keys.is_empty()) arrays.push_back(named_array(name("keys"), grid.keys.view()));
  }
  return encode_arrays(arrays);
}

Expected<MediaTokens> decode_grid(const DecodedArrays& arrays, size_t idx) {
  const auto name = [&](const char* what) { return format("%zu.%s", idx, what); };
  MediaTokens grid;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int32_t> extent, arrays.values<int32_t>(name("extent")));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int32_t> places, arrays.values<int32_t>(name("places")));
  if (extent.size() != 3 || places.size() % 3 != 0) return corrupt_data("a cached picture's places are no places");
  grid.extent = {extent[0], extent[1], extent[2]};
  for (size_t i = 0; i < places.size(); i += 3) grid.places.push_back({places[i], places[i + 1], places[i + 2]});
  SACCADE_ASSIGN_OR_RETURN(grid.cells, arrays.values<int32_t>(name("cells")));
  SACCADE_ASSIGN_OR_RETURN(grid.weights, arrays.values<float>(name("weights")));
  SACCADE_ASSIGN_OR_RETURN(grid.shown_by, arrays.values<int32_t>(name("shown_by")));
  SACCADE_ASSIGN_OR_RETURN(grid.is_fixed, arrays.values<uint8_t>(name("is_fixed")));
  SACCADE_ASSIGN_OR_RETURN(grid.class_attention, arrays.values<float>(name("attention")));
  if (arrays.find(name("vectors")) != nullptr) {
    SACCADE_ASSIGN_OR_RETURN(grid.vectors, arrays.tensor(name("vectors")));
  }
  if (arrays.find(name("keys")) != nullptr) {
    SACCADE_ASSIGN_OR_RETURN(grid.keys, arrays.tensor(name("keys")));
  }
  const int64_t num_rows = grid.vectors.is_empty() ? 0 : grid.vectors.shape()[0];
  if (num_rows != std::ssize(grid.places)) return corrupt_data("a cached picture has not a place for each vector");
  return grid;
}

Expected<EncodedPicture> decode(std::span<const std::byte> bytes) {
  SACCADE_ASSIGN_OR_RETURN(const DecodedArrays arrays, decode_arrays(bytes));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int32_t> head, arrays.values<int32_t>("head"));
  if (head.size() != 8 || head[7] < 0) return corrupt_data("a cached picture's head is damaged");
  EncodedPicture encoded = {.size = {head[0], head[1]}, .crop = {}, .fates = {}, .pieces = {}};
  if (head[2] != 0) encoded.crop = Window{head[3], head[4], {head[5], head[6]}};
  SACCADE_ASSIGN_OR_RETURN(encoded.fates.shown_by, arrays.values<int32_t>("shown_by"));
  SACCADE_ASSIGN_OR_RETURN(encoded.fates.is_mixed, arrays.values<uint8_t>("is_mixed"));
  for (size_t i = 0; i < static_cast<size_t>(head[7]); ++i) {
    const std::string text = format("%zu.text", i);
    if (arrays.find(text) != nullptr) {
      SACCADE_ASSIGN_OR_RETURN(std::string piece, arrays.text(text));
      encoded.pieces.emplace_back(std::move(piece));
    } else {
      SACCADE_ASSIGN_OR_RETURN(MediaTokens grid, decode_grid(arrays, i));
      encoded.pieces.emplace_back(std::move(grid));
    }
  }
  return encoded;
}

ObjectCodec<KnownLooks> known_looks_codec() {
  ObjectCodec<KnownLooks> codec;
  codec.num_bytes = [](const KnownLooks& known) { return static_cast<int64_t>(known.looks.size() * 256); };
  codec.encode = [](const KnownLooks& known) {
    std::string processings;  // one a line
    std::vector<float> shares;
    std::vector<int64_t> counts;
    for (const KnownLook& look : known.looks) {
      processings += look.processing + "\n";
      shares.push_back(static_cast<float>(look.skip));
      shares.push_back(static_cast<float>(look.encoder_layers));
      counts.push_back(look.num_tokens);
    }
    return encode_arrays(std::array{named_array("processings", std::string_view(processings)),
                                    named_array("shares", std::span<const float>(shares)),
                                    named_array("counts", std::span<const int64_t>(counts))});
  };
  codec.decode = [](std::span<const std::byte> bytes) -> Expected<KnownLooks> {
    SACCADE_ASSIGN_OR_RETURN(const DecodedArrays arrays, decode_arrays(bytes));
    SACCADE_ASSIGN_OR_RETURN(const std::string processings, arrays.text("processings"));
    SACCADE_ASSIGN_OR_RETURN(const std::vector<float> shares, arrays.values<float>("shares"));
    SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> counts, arrays.values<int64_t>("counts"));
    if (shares.size() != 2 * counts.size()) return corrupt_data("a cached list of looks is damaged");
    KnownLooks known;
    size_t begin = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      const size_t end = processings.find('\n', begin);
      if (end == std::string::npos) return corrupt_data("a cached list of looks is damaged");
      known.looks.push_back({processings.substr(begin, end - begin), shares[2 * i], shares[2 * i + 1], counts[i]});
      begin = end + 1;
    }
    return known;
  };
  return codec;
}

std::string operating_point_of(const Plan& plan) {
  return format("skip %d margin %d, merge %lld, keep %a, layers %a", plan.skip_equal.value_or(-1),
                plan.skip_equal ? plan.skip_equal_margin : 0, static_cast<long long>(plan.merge),
                plan.encoder_keep.value_or(1), plan.encoder_layers.value_or(1));
}

// Lever::kSkip of the plan; nothing where it is no setting of that.
std::optional<double> skip_of(const Plan& plan) {
  for (size_t i = 0; i < kSkips.size(); ++i) {
    const bool is_same_margin = !plan.skip_equal || plan.skip_equal_margin == kSkips[i].margin;
    if (plan.skip_equal.value_or(-1) == kSkips[i].levels && is_same_margin) return static_cast<double>(i);
  }
  return std::nullopt;
}

int64_t num_tokens_of(const std::vector<MediaPiece>& pieces) {
  int64_t count = 0;
  for (const MediaTokens* grid : grids_of(pieces)) count += std::ssize(grid->places);
  return count;
}

}  // namespace

std::string processing_of(const LookPlan& look, bool has_exact_pixels, const Picture& picture) {
  EncodePlan needs;
  if (look.strategy != nullptr) add_needs(*look.strategy, needs);
  return format("%dx%d of %dx%d, tiles %d of %dx%d, exact %d, crops %d, attention %d, keys %d",
                picture.layout.resized.width, picture.layout.resized.height, picture.original.width,
                picture.original.height, picture.layout.num_tiles, picture.layout.tile.width,
                picture.layout.tile.height, has_exact_pixels ? 1 : 0, look.plan.crops_margins ? 1 : 0,
                needs.wants_class_attention ? 1 : 0, needs.wants_keys ? 1 : 0);
}

ObjectCodec<EncodedPicture> encoded_picture_codec() {
  return {
      .num_bytes = [](const EncodedPicture& encoded) { return bytes_of(encoded); }, .encode = encode, .decode = decode};
}

EncodedPicture take_encoded(const Picture& picture) {
  return {picture.facts.size, picture.crop, picture.fates, copies_of(picture.pieces)};
}

Status restore_encoded(const EncodedPicture& encoded, Picture& picture) {
  SACCADE_RETURN_IF_ERROR(recall({encoded.size, encoded.crop, {}, encoded.fates}, picture));
  picture.pieces = copies_of(encoded.pieces);
  return {};
}

Expected<std::unique_ptr<EncodedPictures>> make_picture_cache(const EngineOptions& options, const std::string& model) {
  std::vector<std::unique_ptr<CacheTier>> tiers;
  const auto max_bytes = static_cast<int64_t>(options.picture_cache_bytes);
  if (max_bytes > 0 && !options.picture_cache_path.empty()) {
    DiskTierOptions disk = {.directory = options.picture_cache_path,
                            .max_bytes = static_cast<int64_t>(options.picture_cache_disk_bytes)};
    disk.on_notice = options.on_notice;
    SACCADE_ASSIGN_OR_RETURN(auto tier, DiskTier::open(std::move(disk)));
    tiers.push_back(std::make_unique<WriteBehindTier>(std::move(tier), kMaxPendingBytes));
  }
  if (max_bytes > 0 && !options.picture_cache_redis.empty()) {
    SACCADE_ASSIGN_OR_RETURN(auto tier, RedisTier::make({.url = options.picture_cache_redis}));
    tiers.push_back(std::make_unique<WriteBehindTier>(std::move(tier), kMaxPendingBytes));
  }
  std::shared_ptr<TieredCache> below;
  std::optional<double> ttl_ms;
  if (options.picture_cache_ttl_s > 0) ttl_ms = 1e3 * options.picture_cache_ttl_s;
  if (!tiers.empty()) {
    // What other machines and earlier runs have, as bytes: half of the memory, by how often it was asked for.
    tiers.insert(tiers.begin(),
                 std::make_unique<MemoryTier>(
                     "memory", MemoryCacheOptions{.max_bytes = max_bytes / 2, .eviction = EvictionPolicy::kLfu}));
    below = std::make_shared<TieredCache>(std::move(tiers), TieredCacheOptions{.ttl_ms = ttl_ms});
  }
  const int64_t object_bytes = below ? max_bytes / 2 : max_bytes;
  return std::make_unique<EncodedPictures>(model, object_bytes, below, ttl_ms);
}

EncodedPictures::EncodedPictures(std::string model, int64_t max_bytes, const std::shared_ptr<TieredCache>& below,
                                 std::optional<double> ttl_ms)
    : model_(std::move(model)),
      pictures_("pictures", {.max_bytes = max_bytes}, encoded_picture_codec(), below, ttl_ms),
      looks_("looks", {.max_bytes = max_bytes > 0 ? kMaxLookBytes : 0}, known_looks_codec(), below, ttl_ms) {}

Expected<bool> EncodedPictures::restore(const LookPlan& look, bool has_exact_pixels, Picture& picture) {
  const auto found = pictures_.get(key_of(look, has_exact_pixels, picture));
  if (!found) return false;
  SACCADE_RETURN_IF_ERROR(restore_encoded(*found->object, picture));
  return true;
}

CacheKey EncodedPictures::key_of(const LookPlan& look, bool has_exact_pixels, const Picture& picture) const {
  const std::string processing = processing_of(look, has_exact_pixels, picture);
  const std::string operating_point = operating_point_of(look.plan);
  return CacheKeyBuilder({.kind = CacheKind::kFeatures,
                          .model = model_,
                          .processing = processing,
                          .operating_point = operating_point})
      .add_content(picture.content)
      .build();
}

CacheKey EncodedPictures::looks_key(const Picture& picture) const {
  return CacheKeyBuilder({.kind = CacheKind::kFeatures, .model = model_, .operating_point = "looks"})
      .add_content(picture.content)
      .build();
}

Expected<bool> EncodedPictures::restore_or_encode(const LookPlan& look, bool has_exact_pixels,
                                                  FunctionRef<Status()> encode, const WaitLimits& limits,
                                                  Picture& picture) {
  bool is_encoded = false;
  const auto compute = [&]() -> Expected<EncodedPicture> {
    is_encoded = true;
    SACCADE_RETURN_IF_ERROR(encode());
    return take_encoded(picture);
  };
  const CacheKey key = key_of(look, has_exact_pixels, picture);  // before the picture's margins are cut off
  SACCADE_ASSIGN_OR_RETURN(const auto found, pictures_.get_or_compute(key, compute, limits));
  if (is_encoded) {
    remember(look, has_exact_pixels, picture);
    return false;
  }
  SACCADE_RETURN_IF_ERROR(restore_encoded(*found.object, picture));
  return true;
}

void EncodedPictures::remember(const LookPlan& look, bool has_exact_pixels, const Picture& picture) {
  const std::optional<double> skip = skip_of(look.plan);
  if (!skip || look.plan.merge > 0 || look.plan.encoder_keep || look.plan.crops_margins) return;
  const KnownLook known = {processing_of(look, has_exact_pixels, picture), *skip, look.plan.encoder_layers.value_or(1),
                           num_tokens_of(picture.pieces)};
  const CacheKey key = looks_key(picture);
  const std::lock_guard lock(looks_mutex_);
  KnownLooks all;
  if (const auto before = looks_.get(key)) all = *before->object;
  const bool is_there = std::ranges::any_of(all.looks, [&](const KnownLook& other) {
    return other.processing == known.processing && other.skip == known.skip &&
           other.encoder_layers == known.encoder_layers;
  });
  if (is_there) return;
  all.looks.push_back(known);
  looks_.put(key, std::make_shared<const KnownLooks>(std::move(all)));
}

std::vector<KnownLook> EncodedPictures::known(const Picture& picture) {
  const auto all = looks_.get(looks_key(picture));
  return all ? all->object->looks : std::vector<KnownLook>();
}

void EncodedPictures::forget() {
  (void)pictures_.clear();  // what can't be deleted is overwritten, or leaves in time
  (void)looks_.clear();
}

}  // namespace saccade
