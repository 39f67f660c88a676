// What a value costs that is put into a tier and had from it, and what those who ask at once cost each other.
// Redis: SACCADE_BENCH_REDIS=unix:///path/of/socket names a server; without it that tier is left out.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_key.h"
#include "cache/disk_tier.h"
#include "cache/feature_codec.h"
#include "cache/memory_tier.h"
#include "cache/object_cache.h"
#include "cache/redis_tier.h"
#include "cache/single_flight.h"
#include "cache/write_behind_tier.h"

namespace saccade {
namespace {

constexpr int kValues = 64;  // of 4 MB: no longer in the processor's caches
constexpr int64_t kMemoryBytes = 1 << 30;

CacheKey key_of(int64_t number) {
  return {sha256_of(std::as_bytes(std::span(&number, 1)))};
}

std::vector<std::byte> random_bytes(size_t num_bytes) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes(num_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

struct Bench {
  std::string name;
  std::unique_ptr<CacheTier> tier;
};

Expected<std::unique_ptr<CacheTier>> make_disk() {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "saccade_cache_bench";
  std::filesystem::remove_all(folder);
  SACCADE_ASSIGN_OR_RETURN(auto tier, DiskTier::open({.directory = folder, .max_bytes = kMemoryBytes}));
  return std::unique_ptr<CacheTier>(std::move(tier));
}

std::vector<Bench> make_tiers() {
  std::vector<Bench> tiers;
  tiers.push_back({"lru", std::make_unique<MemoryTier>("lru", MemoryCacheOptions{.max_bytes = kMemoryBytes})});
  tiers.push_back({"lfu", std::make_unique<MemoryTier>(
                              "lfu", MemoryCacheOptions{.max_bytes = kMemoryBytes, .eviction = EvictionPolicy::kLfu})});
  if (auto disk = make_disk()) tiers.push_back({"disk", *std::move(disk)});
  if (const char* url = std::getenv("SACCADE_BENCH_REDIS")) {
    if (auto redis = RedisTier::make({.url = url, .timeout_ms = 1000})) tiers.push_back({"redis", *std::move(redis)});
  }
  return tiers;
}

void put(benchmark::State& state, CacheTier& tier, size_t num_bytes) {
  const CacheEntry entry = {CacheValue(random_bytes(num_bytes))};
  std::vector<CacheKey> keys;
  for (int i = 0; i < kValues; ++i) keys.push_back(key_of(i));
  size_t turn = 0;
  for (auto _ : state) {
    const Status status = tier.put(keys[turn++ % kValues], entry);
    if (!status.is_ok()) return state.SkipWithError(status.message().c_str());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * num_bytes));
}

void get(benchmark::State& state, CacheTier& tier, size_t num_bytes) {
  std::vector<CacheKey> keys;
  for (int i = 0; i < kValues; ++i) {
    keys.push_back(key_of(i));
    const Status status = tier.put(keys.back(), {CacheValue(random_bytes(num_bytes))});
    if (!status.is_ok()) return state.SkipWithError(status.message().c_str());
  }
  if (const Status status = tier.flush(); !status.is_ok()) return state.SkipWithError(status.message().c_str());
  size_t turn = 0;
  for (auto _ : state) {
    const auto found = tier.get(keys[turn++ % kValues]);
    if (!found || !*found) return state.SkipWithError("a value is not there");
    benchmark::DoNotOptimize((*found)->value.bytes().data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * num_bytes));
}

void miss(benchmark::State& state, CacheTier& tier) {
  const CacheKey key = key_of(-1);
  for (auto _ : state) benchmark::DoNotOptimize(tier.get(key).is_ok());
}

// What a request pays for the disk tier: the hand-over to the thread that writes.
void put_behind(benchmark::State& state, size_t num_bytes) {
  WriteBehindTier tier(std::make_unique<MemoryTier>("lru", MemoryCacheOptions{.max_bytes = kMemoryBytes}), 1 << 30);
  const CacheEntry entry = {CacheValue(random_bytes(num_bytes))};
  const CacheKey key = key_of(1);
  for (auto _ : state) benchmark::DoNotOptimize(tier.put(key, entry).is_ok());
}

void make_key(benchmark::State& state) {
  const Sha256 content = sha256_of({});
  for (auto _ : state) {
    CacheKeyBuilder builder({CacheKind::kFeatures, "", "model", "resize 288x288", "layers 6 keep 144"});
    benchmark::DoNotOptimize(builder.add_content(content).build());
  }
}

void sha256(benchmark::State& state) {
  const std::vector<std::byte> bytes = random_bytes(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(sha256_of(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes = random_bytes(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(checksum_of(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Nothing to compute: what the flight itself takes.
void single_flight(benchmark::State& state) {
  static SingleFlight<int> flight;
  const CacheKey key = key_of(state.thread_index());
  for (auto _ : state) {
    benchmark::DoNotOptimize(flight.run(key, [] { return Expected<int>(7); }).is_ok());
  }
}

void object_hit(benchmark::State& state) {
  static ObjectCache<int> cache("objects", {.max_bytes = kMemoryBytes}, {.num_bytes = [](const int&) { return 4; }},
                                nullptr);
  const CacheKey key = key_of(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.get_or_compute(key, [] { return Expected<int>(7); }).is_ok());
  }
}

// [num_tokens, 1024] f32.
void encode(benchmark::State& state) {
  Tensor vectors({state.range(0) / 4096, 1024});
  vectors.fill(1);
  const std::vector<NamedArray> arrays = {named_array("vectors", vectors)};
  for (auto _ : state) benchmark::DoNotOptimize(encode_arrays(arrays).data());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void decode(benchmark::State& state) {
  Tensor vectors({state.range(0) / 4096, 1024});
  vectors.fill(1);
  const std::vector<std::byte> bytes = encode_arrays(std::vector<NamedArray>{named_array("vectors", vectors)});
  for (auto _ : state) benchmark::DoNotOptimize(decode_arrays(bytes)->tensor("vectors")->data());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void register_all(std::vector<Bench>& tiers) {
  const std::vector<std::pair<std::string, size_t>> sizes = {{"4kB", 4'000}, {"400kB", 400'000}, {"4MB", 4'000'000}};
  for (Bench& bench : tiers) {
    CacheTier& tier = *bench.tier;
    benchmark::RegisterBenchmark((bench.name + "/miss").c_str(), [&](auto& state) { miss(state, tier); });
    for (const auto& [size_name, num_bytes] : sizes) {
      benchmark::RegisterBenchmark((bench.name + "/put/" + size_name).c_str(), [&tier, num_bytes](auto& state) {
        put(state, tier, num_bytes);
      })->UseRealTime();
      benchmark::RegisterBenchmark((bench.name + "/get/" + size_name).c_str(), [&tier, num_bytes](auto& state) {
        get(state, tier, num_bytes);
      })->UseRealTime();
    }
  }
  for (const auto& [size_name, num_bytes] : sizes) {
    benchmark::RegisterBenchmark(("write_behind/put/" + size_name).c_str(),
                                 [num_bytes](auto& state) { put_behind(state, num_bytes); });
  }
  benchmark::RegisterBenchmark("key", make_key);
  benchmark::RegisterBenchmark("sha256", sha256)->Arg(400'000)->Arg(4'000'000);
  benchmark::RegisterBenchmark("checksum", checksum)->Arg(4'000)->Arg(400'000)->Arg(4'000'000);
  benchmark::RegisterBenchmark("encode", encode)->Arg(4'096)->Arg(409'600)->Arg(4'096'000);
  benchmark::RegisterBenchmark("decode", decode)->Arg(4'096)->Arg(409'600)->Arg(4'096'000);
  benchmark::RegisterBenchmark("single_flight", single_flight)->Threads(1)->Threads(2)->UseRealTime();
  benchmark::RegisterBenchmark("object_hit", object_hit)->Threads(1)->Threads(2)->UseRealTime();
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  auto tiers = saccade::make_tiers();
  saccade::register_all(tiers);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
