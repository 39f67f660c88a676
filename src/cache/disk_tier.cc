#include "cache/disk_tier.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <utility>

#include "base/format.h"
#include "cache/entry_format.h"
#include "cache/tier_counters.h"
#include "platform/clock.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestTableBytes = 64 << 20;
// Every lookup asks each table's filter, and every table is an open file.
constexpr int64_t kMostTables = 400;
// What lies on the disk besides the tables that are kept, in tables: a table that is being written (it may be twice as
// long, since the value that fills it still goes in), the logs of it and of its successor, likewise; and one to spare.
constexpr int64_t kTablesInWriting = 7;
// What the disk may take on from one look at its files to the next.
constexpr int64_t kTablesBetweenLooks = 3;
constexpr int64_t kLooksPerTable = 8;
constexpr double kLongestWaitMs = 2000;  // for old tables to leave, which takes milliseconds
constexpr int64_t kTablesInLimit = 20;
constexpr size_t kBlockCacheBytes = 8 << 20;  // for the small values; the system's page cache has the others

constexpr const char* kMarkName = "saccade_cache";
constexpr std::string_view kMark = "This folder is a cache of saccade and may be deleted when no saccade runs.\n";

int64_t table_bytes(int64_t max_bytes) {
  return std::max(std::min(max_bytes / kTablesInLimit, kLargestTableBytes), max_bytes / kMostTables);
}

rocksdb::Slice slice_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// RocksDB's log files would not count among the limit's bytes.
class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}  // NOLINT(readability-identifier-naming)
};

// How many entries leave with each table.
class EvictionCounter : public rocksdb::EventListener {
 public:
  explicit EvictionCounter(TierCounters& counters) : counters_(counters) {}

  // NOLINTBEGIN(readability-identifier-naming): RocksDB's names
  void OnTableFileCreated(const rocksdb::TableFileCreationInfo& info) override {
    add(info.file_path, info.table_properties.num_entries);
  }
  void OnTableFileDeleted(const rocksdb::TableFileDeletionInfo& info) override {
    const std::lock_guard lock(mutex_);
    const auto found = num_entries_.find(name_of(info.file_path));
    if (found == num_entries_.end()) return;
    if (is_counting_) counters_.num_evictions += found->second;
    num_entries_.erase(found);
  }
  // NOLINTEND(readability-identifier-naming)

  void add(const std::string& path, uint64_t num_entries) {
    const std::lock_guard lock(mutex_);
    num_entries_[name_of(path)] = num_entries;
  }
  void stop_counting() {
    const std::lock_guard lock(mutex_);
    is_counting_ = false;
  }

 private:
  static std::string name_of(const std::string& path) { return fs::path(path).filename(); }

  TierCounters& counters_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, uint64_t> num_entries_;  // of each table
  bool is_counting_ = true;
};

// A value where RocksDB has it: in a block, which the cache keeps for us also when the database is closed.
struct PinnedValue {
  std::shared_ptr<rocksdb::Cache> blocks;  // outlives `bytes`
  rocksdb::PinnableSlice bytes;
};

// Whether what failed is the database's content, not the system or another process.
bool is_damage(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound() || status.IsInvalidArgument() ||
         status.IsNotSupported();
}

Status make_directory(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return io_error("can't make the folder: " + error.message());
  const std::string mark = directory + "/" + kMarkName;
  if (fs::exists(mark, error)) return {};
  fs::directory_iterator content(directory, error);
  if (error) return io_error("can't read the folder: " + error.message());
  for (const fs::directory_entry& entry : content) {
    if (entry.path().filename() == "lost+found") continue;  // an empty disk
    return invalid_argument("holds " + quote(entry.path().filename().string()) +
                            " and was not made by this cache; name an empty folder, or one that is not there");
  }
  return write_whole_file(mark, std::as_bytes(std::span(kMark)));
}

uint64_t bytes_of_files(const std::string& directory) {
  uint64_t num_bytes = 0;
  std::error_code error;
  fs::directory_iterator file(directory, error);
  while (!error && file != fs::directory_iterator()) {
    std::error_code gone;  // while we look
    const uint64_t size = file->file_size(gone);
    if (!gone) num_bytes += size;
    file.increment(error);
  }
  return num_bytes;
}

}  // namespace

struct DiskTier::State {
  explicit State(DiskTierOptions given) : options(std::move(given)), writes(options.backoff) {}

  const DiskTierOptions options;
  const std::string path = options.directory + "/database";
  const std::shared_ptr<rocksdb::Cache> blocks = rocksdb::NewLRUCache(kBlockCacheBytes);
  TierCounters counters;
  Backoff writes;

  std::shared_mutex mutex;  // exclusive: to close the database and open another
  // Guarded by mutex.
  std::shared_ptr<EvictionCounter> evictions;
  std::unique_ptr<rocksdb::DB> database;  // null: it could not be opened again
  bool is_read_only = false;              // the disk was full when it was opened

  std::mutex room_mutex;
  // Guarded by room_mutex.
  int64_t num_bytes_since_look = 0;

  Status failure(const rocksdb::Status& status, const char* advice) const {
    return io_error(options.directory + ": " + status.ToString() + advice);
  }

  rocksdb::Options database_options() const {
    const int64_t one_table_bytes = table_bytes(options.max_bytes);
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.block_cache = blocks;
    rocksdb::Options made;
    made.create_if_missing = true;
    made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    made.compression = rocksdb::kNoCompression;  // vectors of floats
    made.compaction_style = rocksdb::kCompactionStyleFIFO;
    made.compaction_options_fifo.max_table_files_size =
        static_cast<uint64_t>(options.max_bytes - kTablesInWriting * one_table_bytes);
    made.compaction_options_fifo.allow_compaction = false;
    made.write_buffer_size = static_cast<size_t>(one_table_bytes);
    made.max_write_buffer_number = 2;
    // All tables are of level 0, however many there are.
    made.level0_slowdown_writes_trigger = 1 << 20;
    made.level0_stop_writes_trigger = 1 << 20;
    made.max_open_files = -1;
    made.avoid_flush_during_recovery = true;  // logs stay what they are, rather than becoming tables beside them
    made.max_manifest_file_size = 256 << 10;
    made.info_log = std::make_shared<NoLog>();
    made.listeners = {evictions};
    return made;
  }

  rocksdb::Status open_database() {
    evictions = std::make_shared<EvictionCounter>(counters);
    rocksdb::DB* opened = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(database_options(), path, &opened);
    database.reset(opened);
    if (!status.ok()) return status;
    rocksdb::TablePropertiesCollection tables;
    rocksdb::Status listed = database->GetPropertiesOfAllTables(&tables);
    if (listed.ok()) {
      for (const auto& [file, properties] : tables) evictions->add(file, properties->num_entries);
    }
    return listed;
  }

  void close_database() {
    is_read_only = false;
    if (evictions) evictions->stop_counting();
    database.reset();
  }

  // A new one in place of what is damaged.
  Status open_or_begin_anew() {
    const rocksdb::Status first = open_database();
    if (first.ok()) return {};
    close_database();
    if (!is_damage(first)) {
      return failure(first, "; a cache's folder belongs to one process, which must be able to write to it");
    }
    const std::string aside = path + ".damaged";
    std::error_code error;
    fs::remove_all(aside, error);
    fs::rename(path, aside, error);
    if (error) return io_error(path + " is damaged and can't be renamed: " + error.message() + "; delete it");
    if (options.on_notice) {
      options.on_notice("the cache in " + path + " is damaged (" + first.ToString() + "); it was renamed to " + aside +
                        ", which may be deleted, and an empty one takes its place");
    }
    const rocksdb::Status second = open_database();
    if (second.ok()) return {};
    close_database();
    return failure(second, "; the folder must be writable, and its disk have room");
  }

  Expected<std::optional<CacheEntry>> find(const CacheKey& key) {
    const std::shared_lock lock(mutex);
    if (!database) return closed();
    auto pinned = std::make_shared<PinnedValue>(PinnedValue{blocks, {}});
    const rocksdb::Status status =
        database->Get(rocksdb::ReadOptions(), database->DefaultColumnFamily(), slice_of(key.bytes), &pinned->bytes);
    if (status.IsNotFound()) return std::optional<CacheEntry>();
    if (status.IsCorruption()) return corrupt_data(status.ToString());
    if (!status.ok()) return failure(status, "");
    const std::span<const char> bytes(pinned->bytes.data(), pinned->bytes.size());
    SACCADE_ASSIGN_OR_RETURN(CacheEntry entry, read_entry(key, std::as_bytes(bytes), pinned));
    return std::optional(std::move(entry));
  }

  // RocksDB drops old tables after new ones are written, on a thread of its own that may be late: until then who writes
  // waits, so that the limit is kept.
  Status wait_for_room(int64_t num_bytes) {
    const int64_t one_table_bytes = table_bytes(options.max_bytes);
    const std::lock_guard lock(room_mutex);
    num_bytes_since_look += num_bytes;
    if (num_bytes_since_look < one_table_bytes / kLooksPerTable) return {};
    const auto most_bytes = static_cast<uint64_t>(options.max_bytes - kTablesBetweenLooks * one_table_bytes);
    const Stopwatch watch;
    while (bytes_of_files(path) > most_bytes) {
      if (watch.elapsed_ms() > kLongestWaitMs) {
        ++counters.num_dropped_writes;
        return overloaded(options.directory + ": no room within its limit, since the disk is too slow to make some", 0);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    num_bytes_since_look = 0;
    return {};
  }

  Status write(rocksdb::WriteBatch& batch) {
    const bool has_failed = writes.is_paused();
    if (!writes.may_try()) {
      ++counters.num_skipped;
      return io_error(options.directory + ": not written, since writing failed just before");
    }
    rocksdb::Status status = has_failed ? recover() : rocksdb::Status::OK();
    if (status.ok()) {
      const std::shared_lock lock(mutex);
      status = database ? database->Write(rocksdb::WriteOptions(), &batch) : rocksdb::Status::Aborted("not open");
    }
    if (status.ok()) {
      writes.succeeded();
      return {};
    }
    writes.failed();
    ++counters.num_errors;
    return failure(status, "; nothing more is stored there until the disk takes it");
  }

  // Of an entry that get() found to be of no use. Who reads does not wait for who writes: where that would be, the
  // entry is found, and dropped, another time.
  void drop(const CacheKey& key) {
    if (writes.is_paused()) return;
    const std::shared_lock lock(mutex);
    if (!database) return;
    rocksdb::WriteOptions at_once;
    at_once.no_slowdown = true;
    database->Delete(at_once, slice_of(key.bytes)).PermitUncheckedError();
  }

  // After an error RocksDB takes no writes until it is told that all may be well again, and where its log could not be
  // written, not even then: what helps is to open the database anew, for reading alone where the disk is still full.
  rocksdb::Status recover() {
    const std::unique_lock lock(mutex);
    if (database && !is_read_only && database->Resume().ok()) return rocksdb::Status::OK();
    close_database();
    rocksdb::Status status = open_database();
    if (status.ok()) return status;
    close_database();
    rocksdb::DB* opened = nullptr;
    if (rocksdb::DB::OpenForReadOnly(database_options(), path, &opened).ok()) {
      database.reset(opened);
      is_read_only = true;
    }
    return status;
  }

  Status closed() {
    ++counters.num_skipped;
    return io_error(options.directory + ": the cache could not be opened again after an error");
  }
};

Expected<std::unique_ptr<DiskTier>> DiskTier::open(DiskTierOptions options) {
  if (options.directory.empty()) return invalid_argument("the name of the disk cache's folder is empty");
  if (options.max_bytes < kMinDiskBytes) {
    return invalid_argument(options.directory + ": a disk cache needs at least " + format_bytes(kMinDiskBytes));
  }
  if (const Status made = make_directory(options.directory); !made.is_ok()) return made.with_context(options.directory);
  auto state = std::make_unique<State>(std::move(options));
  SACCADE_RETURN_IF_ERROR(state->open_or_begin_anew());
  return std::unique_ptr<DiskTier>(new DiskTier(std::move(state)));
}

DiskTier::DiskTier(std::unique_ptr<State> state) : state_(std::move(state)) {}

DiskTier::~DiskTier() {
  state_->close_database();
}

std::string_view DiskTier::name() const {
  return state_->options.name;
}

int64_t DiskTier::max_value_bytes() const {
  return table_bytes(state_->options.max_bytes) - static_cast<int64_t>(kEntryHeaderBytes + sizeof(CacheKey));
}

Expected<std::optional<CacheEntry>> DiskTier::get(const CacheKey& key) {
  TierCounters& counters = state_->counters;
  auto found = state_->find(key);
  if (found && *found && (*found)->expires_at_us > state_->options.clock()) {
    ++counters.num_hits;
    return found;
  }
  ++counters.num_misses;
  if (found) {
    if (!*found) return found;
    ++counters.num_expired;
  } else if (found.status().code() == StatusCode::kCorruptData) {
    ++counters.num_corrupt;
  } else if (found.status().code() != StatusCode::kUnsupported) {
    ++counters.num_errors;
    return found;
  }
  state_->drop(key);
  return std::optional<CacheEntry>();
}

Status DiskTier::put(const CacheKey& key, const CacheEntry& entry) {
  if (entry.value.num_bytes() > max_value_bytes()) {
    ++state_->counters.num_refused;
    const auto largest = static_cast<uint64_t>(max_value_bytes());
    return resource_exhausted(state_->options.directory + ": a value of " +
                              format_bytes(static_cast<uint64_t>(entry.value.num_bytes())) +
                              " is larger than this cache takes (" + format_bytes(largest) + "); give it more bytes");
  }
  if (entry.expires_at_us <= state_->options.clock()) {
    ++state_->counters.num_expired;
    return erase(key);
  }
  const auto header = make_entry_header(key, entry);
  const rocksdb::Slice key_part = slice_of(key.bytes);
  const std::array<rocksdb::Slice, 2> value_parts = {slice_of(header), slice_of(entry.value.bytes())};
  rocksdb::WriteBatch batch;
  const rocksdb::Status batched =
      batch.Put(rocksdb::SliceParts(&key_part, 1), rocksdb::SliceParts(value_parts.data(), value_parts.size()));
  if (!batched.ok()) return state_->failure(batched, "");
  SACCADE_RETURN_IF_ERROR(state_->wait_for_room(static_cast<int64_t>(batch.GetDataSize())));
  SACCADE_RETURN_IF_ERROR(state_->write(batch));
  ++state_->counters.num_puts;
  return {};
}

Status DiskTier::erase(const CacheKey& key) {
  rocksdb::WriteBatch batch;
  const rocksdb::Status batched = batch.Delete(slice_of(key.bytes));
  if (!batched.ok()) return state_->failure(batched, "");
  return state_->write(batch);
}

Status DiskTier::clear() {
  const std::unique_lock lock(state_->mutex);
  state_->close_database();
  const rocksdb::Status destroyed = rocksdb::DestroyDB(state_->path, rocksdb::Options());
  Status opened = state_->open_or_begin_anew();
  if (!destroyed.ok()) return state_->failure(destroyed, "; delete the folder when no saccade runs");
  return opened;
}

Status DiskTier::flush() {
  const std::shared_lock lock(state_->mutex);
  if (!state_->database) return state_->closed();
  const rocksdb::Status status = state_->database->Flush(rocksdb::FlushOptions());
  return status.ok() ? Status() : state_->failure(status, "");
}

TierStats DiskTier::stats() const {
  TierStats stats;
  stats.name = state_->options.name;
  state_->counters.tell(stats);
  const std::shared_lock lock(state_->mutex);
  stats.max_bytes = static_cast<uint64_t>(state_->options.max_bytes);
  stats.num_bytes = bytes_of_files(state_->path);
  uint64_t num_entries = 0;
  if (state_->database && state_->database->GetIntProperty("rocksdb.estimate-num-keys", &num_entries)) {
    stats.num_entries = num_entries;
  }
  return stats;
}

}  // namespace saccade
