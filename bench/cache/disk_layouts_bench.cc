// Three ways to keep a cache in RocksDB, for docs/decisions/the_disk_tier.md: a limit of 512 MiB, four times as much
// put.
//   tables      FIFO compaction, values in the tables
//   blobs       FIFO compaction, values in blob files
//   own_index   levels with blob files and their garbage collection; the oldest are deleted by an order of our own
// usage: disk_layouts_bench LAYOUT BYTES_OF_A_VALUE WITH_LOG(0|1) FOLDER
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "platform/clock.h"

namespace saccade {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLimitBytes = 512ull << 20;
constexpr uint64_t kTableBytes = kLimitBytes / 16;
constexpr double kMegabyte = 1e6;

struct Layout {
  std::string name;
  size_t value_bytes = 0;
  bool has_log = false;
  std::string folder;

  bool is_fifo() const { return name != "own_index"; }
  bool has_blobs() const { return name != "tables"; }
};

rocksdb::Options options_of(const Layout& layout) {
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.block_cache = rocksdb::NewLRUCache(8 << 20);
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_size = kTableBytes;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.info_log_level = rocksdb::ERROR_LEVEL;
  if (layout.is_fifo()) {
    options.compaction_style = rocksdb::kCompactionStyleFIFO;
    options.compaction_options_fifo.max_table_files_size = kLimitBytes - 3 * kTableBytes;
    options.level0_slowdown_writes_trigger = 1 << 20;
    options.level0_stop_writes_trigger = 1 << 20;
  }
  if (layout.has_blobs()) {
    options.enable_blob_files = true;
    options.min_blob_size = 1024;
    options.blob_file_size = kTableBytes;
  }
  if (!layout.is_fifo()) {
    options.enable_blob_garbage_collection = true;
    options.blob_garbage_collection_age_cutoff = 1.0;
    options.blob_garbage_collection_force_threshold = 0.5;
  }
  return options;
}

std::string key_of(size_t number) {
  std::mt19937_64 random(number + 7);
  std::string key(32, '\0');
  for (size_t i = 0; i < 4; ++i) {
    const uint64_t part = random();
    std::memcpy(&key[8 * i], &part, 8);
  }
  return key;
}

uint64_t bytes_of_files(const std::string& folder) {
  uint64_t num_bytes = 0;
  std::error_code error;
  for (fs::directory_iterator file(folder, error); !error && file != fs::directory_iterator(); file.increment(error)) {
    std::error_code gone;
    const uint64_t size = file->file_size(gone);
    if (!gone) num_bytes += size;
  }
  return num_bytes;
}

uint64_t bytes_written() {
  std::ifstream file("/proc/self/io");
  std::string name;
  for (uint64_t value = 0; file >> name >> value;) {
    if (name == "wchar:") return value;
  }
  return 0;
}

double at(std::vector<double>& times_ms, double share) {
  std::sort(times_ms.begin(), times_ms.end());
  return times_ms[static_cast<size_t>(share * static_cast<double>(times_ms.size() - 1))];
}

void require(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::unique_ptr<rocksdb::DB> open(const Layout& layout) {
  rocksdb::DB* database = nullptr;
  require(rocksdb::DB::Open(options_of(layout), layout.folder, &database));
  return std::unique_ptr<rocksdb::DB>(database);
}

void put_all(rocksdb::DB& database, const Layout& layout, size_t num_values) {
  std::mt19937_64 random(1);
  std::string value(layout.value_bytes, '\0');
  for (char& byte : value) byte = static_cast<char>(random());
  rocksdb::WriteOptions write;
  write.disableWAL = !layout.has_log;
  std::atomic<bool> is_over = false;
  std::atomic<uint64_t> most_bytes = 0;
  std::thread watcher([&] {
    while (!is_over) {
      most_bytes = std::max(most_bytes.load(), bytes_of_files(layout.folder));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  std::deque<size_t> order;
  std::vector<double> times_ms;
  const uint64_t written_before = bytes_written();
  const Stopwatch all;
  for (size_t i = 0; i < num_values; ++i) {
    std::memcpy(value.data(), &i, sizeof(i));
    const Stopwatch watch;
    while (!layout.is_fifo() && (order.size() + 1) * layout.value_bytes > kLimitBytes * 3 / 4) {
      require(database.Delete(write, key_of(order.front())));
      order.pop_front();
    }
    if (!layout.is_fifo()) order.push_back(i);
    require(database.Put(write, key_of(i), value));
    times_ms.push_back(watch.elapsed_ms());
  }
  const double total_ms = all.elapsed_ms();
  const double num_bytes = static_cast<double>(num_values * layout.value_bytes);
  is_over = true;
  watcher.join();
  std::printf(
      "%s, %zu bytes%s: put %.0f MB/s, p50 %.3f ms, p99 %.3f ms; bytes written per byte %.2f; at most %.2f of the "
      "limit\n",
      layout.name.c_str(), layout.value_bytes, layout.has_log ? ", log" : "", num_bytes / kMegabyte / (total_ms / 1000),
      at(times_ms, 0.5), at(times_ms, 0.99), static_cast<double>(bytes_written() - written_before) / num_bytes,
      static_cast<double>(most_bytes) / static_cast<double>(kLimitBytes));
}

void get_all(rocksdb::DB& database, const Layout& layout, size_t num_values) {
  require(database.Flush(rocksdb::FlushOptions()));
  std::this_thread::sleep_for(std::chrono::seconds(1));  // until the oldest have left
  const auto find = [&](size_t number) {
    rocksdb::PinnableSlice value;
    return database.Get(rocksdb::ReadOptions(), database.DefaultColumnFamily(), key_of(number), &value).ok();
  };
  size_t num_there = 0;
  while (num_there < num_values && num_there * layout.value_bytes < kLimitBytes && find(num_values - 1 - num_there)) {
    ++num_there;
  }
  std::mt19937_64 random(2);
  std::vector<double> found_ms;
  std::vector<double> absent_ms;
  for (size_t i = 0; i < 2000; ++i) {
    const size_t number = num_values - 1 - random() % num_there;
    const Stopwatch watch;
    if (!find(number)) std::printf("value %zu is gone\n", number);
    found_ms.push_back(watch.elapsed_ms());
    const Stopwatch absent;
    (void)find(num_values + 1 + i);
    absent_ms.push_back(absent.elapsed_ms());
  }
  std::printf("  %.2f of the limit can be had, %.2f of it is taken; get p50 %.3f ms, p99 %.3f ms; absent p50 %.4f ms\n",
              static_cast<double>(num_there * layout.value_bytes) / static_cast<double>(kLimitBytes),
              static_cast<double>(bytes_of_files(layout.folder)) / static_cast<double>(kLimitBytes), at(found_ms, 0.5),
              at(found_ms, 0.99), at(absent_ms, 0.5));
}

void run(const Layout& layout) {
  fs::remove_all(layout.folder);
  const size_t num_values = 4 * kLimitBytes / layout.value_bytes;
  {
    const std::unique_ptr<rocksdb::DB> database = open(layout);
    put_all(*database, layout, num_values);
    get_all(*database, layout, num_values);
  }
  const Stopwatch watch;
  const std::unique_ptr<rocksdb::DB> database = open(layout);
  std::printf("  opened again in %.1f ms\n", watch.elapsed_ms());
}

}  // namespace
}  // namespace saccade

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: disk_layouts_bench tables|blobs|own_index BYTES_OF_A_VALUE 0|1 FOLDER\n");
    return 1;
  }
  saccade::run({argv[1], static_cast<size_t>(std::strtoull(argv[2], nullptr, 10)), argv[3][0] == '1',
                std::string(argv[4]) + "/database"});
  return 0;
}
