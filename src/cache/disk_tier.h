// Bytes on a disk, in a RocksDB database of their own: first in, first out. Survives a restart and kill -9.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cache/backoff.h"
#include "cache/cache_tier.h"
#include "saccade/status.h"

namespace saccade {

struct DiskTierOptions {
  std::string name = "disk";
  std::string directory;  // the tier's own; is made where it is not there
  /// Of all files, logs of what is being written included; what was set aside is not counted. At least kMinDiskBytes.
  int64_t max_bytes = 0;
  WallClock clock = wall_time_us;
  BackoffOptions backoff = {};  // of writes, after one failed
  /// What an operator should know, one line each: a damaged database was set aside. Called by open() and clear().
  std::function<void(const std::string& message)> on_notice = nullptr;
};

inline constexpr int64_t kMinDiskBytes = 16 << 20;

/// Who writes waits for the disk: write_behind_tier.h has another thread wait. A value may take a twentieth of the
/// limit (max_value_bytes). What was put is in the system's hands: it outlives the process, and a loss of power but for
/// the last seconds. Where the disk is full, put() fails and is tried again after a pause; what is stored can be had
/// meanwhile. One process at a time has the directory.
class DiskTier : public CacheTier {
 public:
  /// A damaged database is renamed to `directory`/database.damaged (one that was set aside before goes), and the tier
  /// begins anew. Errors: kInvalidArgument (no directory named, too few bytes, a folder that holds something
  /// else: it is left alone), kIoError (no permission, disk full, another process has it), with the directory in the
  /// message.
  static Expected<std::unique_ptr<DiskTier>> open(DiskTierOptions options);
  ~DiskTier() override;

  std::string_view name() const override;
  Expected<std::optional<CacheEntry>> get(const CacheKey& key) override;
  Status put(const CacheKey& key, const CacheEntry& entry) override;
  Status erase(const CacheKey& key) override;
  Status clear() override;
  Status flush() override;
  /// Entries are an estimate; num_bytes are those of the files.
  TierStats stats() const override;

  int64_t max_value_bytes() const;

 private:
  struct State;
  explicit DiskTier(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace saccade
