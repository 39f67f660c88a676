#include "cache/disk_tier.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cache/test_cache.h"

#ifdef __SANITIZE_THREAD__
#define SACCADE_SKIP_UNDER_TSAN \
  GTEST_SKIP() << "RocksDB is not built with the thread sanitizer, which would not see its locks"
#else
#define SACCADE_SKIP_UNDER_TSAN (void)0
#endif

namespace saccade {
namespace {

namespace fs = std::filesystem;
using test::entry_of;
using test::holds;
using test::is_absent;
using test::key_of;
using testing::HasSubstr;

constexpr int64_t kMaxBytes = kMinDiskBytes;
constexpr const char* kChildDirectory = "SACCADE_CACHE_CHILD_DIRECTORY";

class DiskTierTest : public testing::Test {
 protected:
  void SetUp() override {
    SACCADE_SKIP_UNDER_TSAN;
    fs::remove_all(directory_);
  }

  DiskTierOptions options() {
    return {.directory = directory_,
            .max_bytes = kMaxBytes,
            .clock = clock_.clock(),
            .backoff = {.first_pause_ms = 50},
            .on_notice = [this](const std::string& message) { notices_.push_back(message); }};
  }
  std::unique_ptr<DiskTier> open() {
    auto tier = DiskTier::open(options());
    EXPECT_TRUE(tier.is_ok()) << tier.status().message();
    return tier ? *std::move(tier) : nullptr;
  }
  std::vector<fs::path> files(const std::string& extension) const {
    std::vector<fs::path> found;
    for (const auto& file : fs::directory_iterator(database_)) {
      if (file.path().extension() == extension) found.push_back(file.path());
    }
    return found;
  }
  uint64_t num_bytes() const {
    uint64_t num_bytes = 0;
    std::error_code error;
    for (fs::directory_iterator file(database_, error); !error && file != fs::directory_iterator();
         file.increment(error)) {
      std::error_code gone;
      const uint64_t size = file->file_size(gone);
      if (!gone) num_bytes += size;
    }
    return num_bytes;
  }
  // Old tables are dropped on a thread of RocksDB's, after the one that makes them too many.
  static void settle(DiskTier& tier) {
    ASSERT_TRUE(tier.flush().is_ok());
    uint64_t before = 0;
    do {
      before = tier.stats().num_evictions;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    } while (before != tier.stats().num_evictions);
  }
  // A child process that puts entries 0, 1, ... until it is killed; each that was acknowledged is a line in a pipe.
  pid_t start_child(int& pipe_end) const;

  const std::string directory_ = testing::TempDir() + "cache";
  const std::string database_ = directory_ + "/database";
  test::FakeClock clock_;
  std::vector<std::string> notices_;
};

TEST_F(DiskTierTest, GivesBackWhatWasPut) {
  const auto tier = open();
  for (const size_t num_bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{400'000}}) {
    const int number = static_cast<int>(num_bytes);
    EXPECT_TRUE(is_absent(*tier, number));
    ASSERT_TRUE(tier->put(key_of(number), entry_of(number, num_bytes)).is_ok());
    EXPECT_TRUE(holds(*tier, number, num_bytes));  // from memory
    ASSERT_TRUE(tier->flush().is_ok());
    EXPECT_TRUE(holds(*tier, number, num_bytes));  // from a table
  }
  ASSERT_TRUE(tier->put(key_of(1), entry_of(2, 50)).is_ok());
  EXPECT_EQ(test::to_vector((*tier->get(key_of(1)))->value.bytes()), test::bytes_of(2, 50));
  ASSERT_TRUE(tier->erase(key_of(1)).is_ok());
  EXPECT_TRUE(is_absent(*tier, 1));
  const TierStats stats = tier->stats();
  EXPECT_EQ(stats.num_puts, 5u);
  EXPECT_EQ(stats.num_hits, 9u);
  EXPECT_EQ(stats.num_misses, 5u);
  EXPECT_EQ(stats.max_bytes, static_cast<uint64_t>(kMaxBytes));
  EXPECT_GT(*stats.num_bytes, 400'000u);
}

TEST_F(DiskTierTest, SurvivesARestart) {
  const int64_t expires_at_us = clock_.now_us() + 10'000'000;
  {
    const auto tier = open();
    ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 100'000, expires_at_us)).is_ok());
    ASSERT_TRUE(tier->put(key_of(2), entry_of(2, 1000)).is_ok());
  }
  const auto tier = open();
  EXPECT_TRUE(holds(*tier, 1, 100'000));
  EXPECT_TRUE(holds(*tier, 2, 1000));
  EXPECT_EQ((*tier->get(key_of(1)))->expires_at_us, expires_at_us);
  clock_.advance_ms(10'000);
  EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_TRUE(holds(*tier, 2, 1000));
  EXPECT_EQ(tier->stats().num_expired, 1u);
  EXPECT_THAT(notices_, testing::IsEmpty());
}

TEST_F(DiskTierTest, AValueOutlivesTheTier) {
  std::vector<CacheValue> values;
  {
    const auto tier = open();
    for (const int number : {1, 2}) ASSERT_TRUE(tier->put(key_of(number), entry_of(number, 300'000)).is_ok());
    ASSERT_TRUE(tier->flush().is_ok());
    for (const int number : {1, 2}) values.push_back((*tier->get(key_of(number)))->value);
    ASSERT_TRUE(tier->clear().is_ok());
    EXPECT_TRUE(is_absent(*tier, 1));
    ASSERT_TRUE(tier->put(key_of(3), entry_of(3, 300'000)).is_ok());
    EXPECT_TRUE(holds(*tier, 3, 300'000));
  }
  for (const int number : {1, 2}) {
    EXPECT_EQ(test::to_vector(values[static_cast<size_t>(number) - 1].bytes()), test::bytes_of(number, 300'000));
  }
}

TEST_F(DiskTierTest, TheOldestLeaveAndTheLimitIsKept) {
  const auto tier = open();
  std::atomic<bool> is_over = false;
  uint64_t most_bytes = 0;
  std::jthread watcher([&] {
    while (!is_over) most_bytes = std::max(most_bytes, num_bytes());
  });
  // Of all sizes up to the largest, four times the limit.
  std::minstd_rand random(1);
  const auto size_of = [&](int number) {
    return number % 4 != 0 ? size_t{50'000} : static_cast<size_t>(tier->max_value_bytes()) - number % 1000;
  };
  uint64_t num_put_bytes = 0;
  int number = 0;
  for (; num_put_bytes < 4 * kMaxBytes; ++number) {
    ASSERT_TRUE(tier->put(key_of(number), entry_of(number, size_of(number))).is_ok());
    num_put_bytes += size_of(number);
  }
  settle(*tier);
  is_over = true;
  watcher.join();
  EXPECT_LE(most_bytes, static_cast<uint64_t>(kMaxBytes));
  int num_left = 0;
  bool has_begun = false;
  for (int i = 0; i < number; ++i) {
    const bool is_there = !is_absent(*tier, i);
    if (is_there) {
      EXPECT_TRUE(holds(*tier, i, size_of(i)));
    }
    EXPECT_TRUE(is_there || !has_begun) << i << " of " << number << " left before an older one";
    has_begun |= is_there;
    num_left += is_there;
  }
  const TierStats stats = tier->stats();
  EXPECT_EQ(stats.num_evictions, static_cast<uint64_t>(number - num_left));
  uint64_t num_left_bytes = 0;
  for (int i = number - num_left; i < number; ++i) num_left_bytes += size_of(i);
  EXPECT_GE(num_left_bytes, static_cast<uint64_t>(kMaxBytes) / 2);
  std::printf("at most %.2f of the limit, %.2f of it values in the end\n", static_cast<double>(most_bytes) / kMaxBytes,
              static_cast<double>(num_left_bytes) / kMaxBytes);
}

TEST_F(DiskTierTest, AValueTooLargeIsRefused) {
  const auto tier = open();
  const Status status = tier->put(key_of(1), entry_of(1, static_cast<size_t>(tier->max_value_bytes()) + 1));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("is larger than this cache takes (839 kB)"));
  EXPECT_EQ(tier->stats().num_refused, 1u);
}

TEST_F(DiskTierTest, WithoutRoomItStoresNothing) {
  const auto tier = open();
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  std::ofstream(database_ + "/somebody's") << std::string(kMaxBytes, 'x');  // stands for tables that do not leave
  const Status status = tier->put(key_of(2), entry_of(2, 500'000));
  EXPECT_EQ(status.code(), StatusCode::kOverloaded);
  EXPECT_THAT(status.message(), HasSubstr("no room within its limit"));
  EXPECT_EQ(tier->stats().num_dropped_writes, 1u);
  EXPECT_TRUE(holds(*tier, 1, 1000));
  fs::remove(database_ + "/somebody's");
  EXPECT_TRUE(tier->put(key_of(2), entry_of(2, 500'000)).is_ok());
}

TEST_F(DiskTierTest, FlippedBitsAreFoundAndDropped) {
  constexpr int kEntries = 40;
  constexpr size_t kSize = 10'000;
  {
    const auto tier = open();
    for (int i = 0; i < kEntries; ++i) ASSERT_TRUE(tier->put(key_of(i), entry_of(i, kSize)).is_ok());
    ASSERT_TRUE(tier->flush().is_ok());
  }
  const auto tables = files(".sst");
  ASSERT_EQ(tables.size(), 1u);
  {
    std::fstream file(tables[0], std::ios::in | std::ios::out | std::ios::binary);
    for (const int at : {100'000, 250'001}) {  // within two of the values
      file.seekg(at);
      const char byte = static_cast<char>(file.get() ^ 0x10);
      file.seekp(at);
      file.put(byte);
    }
  }
  const auto tier = open();
  int num_lost = 0;
  for (int i = 0; i < kEntries; ++i) {
    const bool is_lost = is_absent(*tier, i);
    num_lost += is_lost;
    if (is_lost) {
      ASSERT_TRUE(tier->put(key_of(i), entry_of(i, kSize)).is_ok());
    } else {
      EXPECT_TRUE(holds(*tier, i, kSize));
    }
  }
  EXPECT_EQ(num_lost, 2);
  EXPECT_EQ(tier->stats().num_corrupt, 2u);
  for (int i = 0; i < kEntries; ++i) EXPECT_TRUE(holds(*tier, i, kSize));  // what was put anew as well
}

TEST_F(DiskTierTest, ADamagedDatabaseIsSetAside) {
  const auto damage = [&](const std::string& which) {
    if (which == "CURRENT") std::ofstream(database_ + "/CURRENT") << "nonsense";
    if (which == "tables") {
      for (const fs::path& table : files(".sst")) fs::resize_file(table, 10);
    }
    if (which == "table gone") {
      for (const fs::path& table : files(".sst")) fs::remove(table);
    }
    if (which == "manifest") {
      for (const auto& file : fs::directory_iterator(database_)) {
        if (file.path().filename().string().starts_with("MANIFEST")) fs::remove(file);
      }
    }
    if (which == "bytes") {
      for (const auto& file : fs::directory_iterator(database_)) {
        if (file.path().filename() != "LOCK") std::ofstream(file.path()) << std::string(1000, 'x');
      }
    }
  };
  size_t num_damaged = 0;
  for (const char* which : {"CURRENT", "tables", "table gone", "manifest", "bytes"}) {
    SCOPED_TRACE(which);
    {
      const auto tier = open();
      ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
      ASSERT_TRUE(tier->flush().is_ok());
    }
    damage(which);
    const auto tier = open();
    ASSERT_NE(tier, nullptr);
    ASSERT_EQ(notices_.size(), ++num_damaged);
    EXPECT_THAT(notices_.back(), HasSubstr("it was renamed to " + database_ + ".damaged"));
    EXPECT_TRUE(fs::exists(database_ + ".damaged"));
    EXPECT_TRUE(is_absent(*tier, 1));
    ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
    EXPECT_TRUE(holds(*tier, 1, 1000));
  }
}

// Random damage to any file: the tier opens, and what it gives is what was put.
TEST_F(DiskTierTest, NoDamageIsHandedOut) {
  std::minstd_rand random(7);
  for (int round = 0; round < 30; ++round) {
    fs::remove_all(directory_);
    {
      const auto tier = open();
      for (int i = 0; i < 20; ++i) ASSERT_TRUE(tier->put(key_of(i), entry_of(i, 2000)).is_ok());
      if (round % 2 == 0) {
        ASSERT_TRUE(tier->flush().is_ok());
      }
    }
    for (const auto& file : fs::directory_iterator(database_)) {
      const uint64_t size = file.file_size();
      if (size == 0) continue;
      std::fstream stream(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      for (int i = 0; i < 3; ++i) {
        stream.seekp(static_cast<std::streamoff>(random() % size));
        stream.put(static_cast<char>(random() >> 8));
      }
      stream.close();
      if (random() % 3 == 0) fs::resize_file(file.path(), random() % size);
    }
    const auto tier = open();
    ASSERT_NE(tier, nullptr) << round;
    for (int i = 0; i < 20; ++i) {
      const auto found = tier->get(key_of(i));
      if (!found || !*found) continue;
      EXPECT_EQ(test::to_vector((*found)->value.bytes()), test::bytes_of(i, 2000));
    }
    ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
    EXPECT_TRUE(holds(*tier, 1, 1000));
  }
}

TEST_F(DiskTierTest, AFolderOfSomethingElseIsLeftAlone) {
  fs::create_directories(directory_);
  std::ofstream(directory_ + "/thesis.tex") << "chapter 1";
  const auto tier = DiskTier::open(options());
  EXPECT_EQ(tier.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(tier.status().message(), HasSubstr("holds \"thesis.tex\" and was not made by this cache"));
  EXPECT_TRUE(fs::exists(directory_ + "/thesis.tex"));
  EXPECT_EQ(DiskTier::open({.directory = "", .max_bytes = kMaxBytes}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(DiskTier::open({.directory = directory_, .max_bytes = 1000}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(DiskTier::open({.directory = directory_ + "/thesis.tex", .max_bytes = kMaxBytes}).status().code(),
            StatusCode::kIoError);
}

TEST_F(DiskTierTest, TheSecondToOpenItIsToldSo) {
  const auto tier = open();
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  const auto second = DiskTier::open(options());
  EXPECT_EQ(second.status().code(), StatusCode::kIoError);
  EXPECT_THAT(second.status().message(), HasSubstr("a cache's folder belongs to one process"));
  EXPECT_THAT(notices_, testing::IsEmpty());
  EXPECT_TRUE(holds(*tier, 1, 1000));
}

// A limit on the size of files stands for a full disk.
TEST_F(DiskTierTest, AFullDiskIsAnErrorAndNoMore) {
  const auto tier = open();
  ASSERT_TRUE(tier->put(key_of(0), entry_of(0, 10'000)).is_ok());
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit = {100'000, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  Status status;
  for (int i = 1; i < 30 && status.is_ok(); ++i) status = tier->put(key_of(i), entry_of(i, 10'000));
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr(directory_ + ": IO error"));
  EXPECT_EQ(tier->put(key_of(50), entry_of(50, 10'000)).code(), StatusCode::kIoError);
  EXPECT_TRUE(holds(*tier, 0, 10'000));
  EXPECT_GE(tier->stats().num_errors, 1u);
  EXPECT_GE(tier->stats().num_skipped, 1u);
  // Fuller still: the database can be opened for reading alone.
  const rlimit less = {10, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &less), 0);
  for (const uint64_t num_errors = tier->stats().num_errors; tier->stats().num_errors < num_errors + 2;) {
    EXPECT_FALSE(tier->put(key_of(51), entry_of(51, 10'000)).is_ok());
    EXPECT_TRUE(holds(*tier, 0, 10'000));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  ::signal(SIGXFSZ, old_handler);
  // There is room again.
  status = io_error("not tried");
  for (int i = 0; i < 100 && !status.is_ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    status = tier->put(key_of(60), entry_of(60, 10'000));
  }
  EXPECT_TRUE(status.is_ok()) << status.message();
  EXPECT_TRUE(holds(*tier, 60, 10'000));
  EXPECT_TRUE(holds(*tier, 0, 10'000));
}

TEST_F(DiskTierTest, ManyThreads) {
  const auto tier = open();
  std::atomic<int> num_wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        std::minstd_rand random(static_cast<unsigned>(thread) + 1);
        for (int i = 0; i < 300; ++i) {
          const int number = static_cast<int>(random() % 30);
          const size_t num_bytes = static_cast<size_t>(number) * 1000;
          switch (random() % 8) {
            case 0:
              num_wrong += !tier->erase(key_of(number)).is_ok();
              break;
            case 1:
              num_wrong += thread == 0 && i % 50 == 0 && !tier->clear().is_ok();
              break;
            case 2:
            case 3:
              num_wrong += !tier->put(key_of(number), entry_of(number, num_bytes)).is_ok();
              break;
            default: {
              const auto found = tier->get(key_of(number));
              num_wrong += !found.is_ok();
              if (found && *found) {
                num_wrong += test::to_vector((*found)->value.bytes()) != test::bytes_of(number, num_bytes);
              }
            }
          }
        }
      });
    }
  }
  EXPECT_EQ(num_wrong, 0);
  EXPECT_EQ(tier->stats().num_corrupt, 0u);
}

size_t child_entry_bytes(int number) {
  return 1000 + static_cast<size_t>(number % 7) * 20'000;
}

// What the child of the next test does: the same program, started anew, since RocksDB's threads do not outlive a
// fork().
void write_until_killed(const std::string& directory) {
  const auto tier = DiskTier::open({.directory = directory, .max_bytes = kMaxBytes});
  ASSERT_TRUE(tier.is_ok()) << tier.status().message();
  for (int i = 0;; ++i) {
    ASSERT_TRUE((*tier)->put(key_of(i), entry_of(i, child_entry_bytes(i))).is_ok());
    ASSERT_EQ(::write(STDERR_FILENO, &i, sizeof(i)), static_cast<ssize_t>(sizeof(i)));
  }
}

pid_t DiskTierTest::start_child(int& pipe_end) const {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::setenv(kChildDirectory, directory_.c_str(), 1);
  // Its own temporary directory, which a killed program leaves behind, goes with ours.
  ::setenv("TMPDIR", testing::TempDir().c_str(), 1);
  std::string program = "/proc/self/exe";
  std::string filter = "--gtest_filter=DiskTierTest.NothingAcknowledgedIsLostWhenItIsKilled";
  char* arguments[] = {program.data(), filter.data(), nullptr};
  pid_t child = -1;
  EXPECT_EQ(::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  pipe_end = ends[0];
  return child;
}

TEST_F(DiskTierTest, NothingAcknowledgedIsLostWhenItIsKilled) {
  if (const char* directory = std::getenv(kChildDirectory); directory != nullptr) return write_until_killed(directory);
  std::mt19937 random(20261127);
  int num_outlived = 0;
  for (int round = 0; round < 12; ++round) {
    fs::remove_all(directory_);
    int pipe_end = -1;
    const pid_t child = start_child(pipe_end);
    int last = -1;
    ASSERT_EQ(::read(pipe_end, &last, sizeof(last)), static_cast<ssize_t>(sizeof(last))) << "the child did not begin";
    // Until before and after the first table is full, and oldest entries leave.
    const int stop_at = static_cast<int>(random() % 400);
    while (last < stop_at && ::read(pipe_end, &last, sizeof(last)) == static_cast<ssize_t>(sizeof(last))) {
    }
    ::kill(child, SIGKILL);
    while (::read(pipe_end, &last, sizeof(last)) == static_cast<ssize_t>(sizeof(last))) {
    }
    ::close(pipe_end);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed before it was killed";
    const auto tier = open();
    settle(*tier);
    ASSERT_THAT(notices_, testing::IsEmpty());
    ASSERT_LE(num_bytes(), static_cast<uint64_t>(kMaxBytes));
    bool has_begun = false;
    for (int i = 0; i <= last; ++i) {
      if (!has_begun && is_absent(*tier, i)) continue;  // left to make room
      has_begun = true;
      ASSERT_TRUE(holds(*tier, i, child_entry_bytes(i))) << i << " of " << last;
      ++num_outlived;
    }
    ASSERT_TRUE(has_begun);
  }
  std::printf("%d acknowledged entries outlived 12 kills\n", num_outlived);
}

}  // namespace
}  // namespace saccade
