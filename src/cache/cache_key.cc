#include "cache/cache_key.h"

#include <openssl/evp.h>

#include <new>

#include "base/format.h"

namespace saccade {
namespace {

// Of the serialisation that is hashed: a change of it must not find what an older program stored.
constexpr std::string_view kFormat = "saccade cache key 1";

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

// OpenSSL's calls on SHA-256 fail for want of memory alone.
void require(int is_done) {
  if (is_done != 1) throw std::bad_alloc();
}

Context make_context() {
  Context context(EVP_MD_CTX_new());
  require(context != nullptr ? 1 : 0);
  return context;
}

Sha256 finish(EVP_MD_CTX* context) {
  Sha256 digest;
  unsigned int num_bytes = 0;
  require(EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(digest.data()), &num_bytes));
  return digest;
}

}  // namespace

struct CacheKeyBuilder::State {
  Context context = make_context();

  void add(std::span<const std::byte> bytes) {
    std::array<unsigned char, 8> length = {};  // little-endian on any machine: keys are shared between them
    for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<unsigned char>(bytes.size() >> (8 * i));
    require(EVP_DigestUpdate(context.get(), length.data(), length.size()));
    require(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()));
  }
};

Sha256 sha256_of(std::span<const std::byte> bytes) {
  const Context context = make_context();
  require(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr));
  require(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()));
  return finish(context.get());
}

std::string CacheKey::to_hex() const {
  std::string text;
  for (const std::byte byte : bytes) text += format("%02x", std::to_integer<unsigned>(byte));
  return text;
}

CacheKeyBuilder::CacheKeyBuilder(const CacheScope& scope) : state_(std::make_unique<State>()) {
  require(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
  const auto kind = static_cast<std::byte>(scope.kind);
  add_content(kFormat);
  add_content(std::span(&kind, 1));
  for (const std::string_view field : {scope.tenant, scope.model, scope.processing, scope.operating_point}) {
    add_content(field);
  }
}

CacheKeyBuilder::~CacheKeyBuilder() = default;

CacheKeyBuilder& CacheKeyBuilder::add_content(std::span<const std::byte> bytes) {
  state_->add(bytes);
  return *this;
}

CacheKey CacheKeyBuilder::build() const {
  const Context copy = make_context();
  require(EVP_MD_CTX_copy_ex(copy.get(), state_->context.get()));
  return {finish(copy.get())};
}

}  // namespace saccade
