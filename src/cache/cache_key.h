// What a cached value is filed under: a SHA-256 of all that it depends on. Two values that may differ never share a
// key, also where somebody chooses the pictures (keys cross tenants, so an ordinary hash would not do).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace saccade {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256_of(std::span<const std::byte> bytes);

struct CacheKey {
  Sha256 bytes = {};

  bool operator==(const CacheKey&) const = default;
  bool operator<(const CacheKey& other) const { return bytes < other.bytes; }
  /// 64 digits, lower case.
  std::string to_hex() const;
};

struct CacheKeyHash {
  size_t operator()(const CacheKey& key) const {
    size_t hash = 0;  // of an even hash any eight bytes will do
    std::memcpy(&hash, key.bytes.data(), sizeof(hash));
    return hash;
  }
};

enum class CacheKind : uint8_t {
  kFeatures = 1,  // vectors of a picture, as the encoder or what follows it made them
  kPrefix = 2,    // keys and values of the beginning of a prompt
  kAnswer = 3,
};

/// All but the content. The texts are compared byte by byte: whoever makes them must write one setting in one way.
struct CacheScope {
  CacheKind kind = CacheKind::kFeatures;
  std::string_view tenant = {};           // empty: shared by all
  std::string_view model = {};            // which weights: not a path, which may hold others tomorrow
  std::string_view processing = {};       // how content becomes what the model sees: size, crop, normalisation
  std::string_view operating_point = {};  // how much was looked at and computed: layers, tokens, strategy
};

/// Every field goes into the hash with its length in front, so that no two lists of fields read the same. Content may
/// be added piece by piece, in order: a builder can tell the key of each prefix on the way.
class CacheKeyBuilder {
 public:
  explicit CacheKeyBuilder(const CacheScope& scope);
  ~CacheKeyBuilder();
  CacheKeyBuilder(const CacheKeyBuilder&) = delete;
  CacheKeyBuilder& operator=(const CacheKeyBuilder&) = delete;

  /// A digest of a picture's bytes, token ids, ...
  CacheKeyBuilder& add_content(std::span<const std::byte> bytes);
  CacheKeyBuilder& add_content(std::string_view text) { return add_content(std::as_bytes(std::span(text))); }

  /// Of what was added so far; more can be added after it.
  CacheKey build() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace saccade
