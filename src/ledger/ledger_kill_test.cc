// What several processes do to one file, some of them killed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "ledger/test_ledger.h"

namespace saccade {
namespace {

// The child's end of its work, without the test's destructors.
[[noreturn]] void finish_child(bool is_good) {
  ::_exit(is_good ? 0 : 1);
}

class LedgerKillTest : public LedgerFileTest {
 protected:
  // Tests run in a process of their own (CTest) and have started no thread when they fork.
  template <typename Work>
  pid_t start(Work work) const {
    const pid_t child = ::fork();
    EXPECT_GE(child, 0);
    if (child == 0) finish_child(work());
    return child;
  }

  static int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }

  bool record(const std::string& prefix, int num_entries) const {
    const auto ledger = Ledger::open(path_, LedgerAccess::kCreate);
    Status status = ledger ? Status() : ledger.status();
    for (int i = 0; status.is_ok() && i < num_entries; ++i) {
      status = (*ledger)->record(entry(prefix + std::to_string(i)));
    }
    if (!status.is_ok()) std::fprintf(stderr, "%s%s\n", prefix.c_str(), status.message().c_str());
    return status.is_ok();
  }

  // As fast as it can, until it is killed: each id that was acknowledged as a line into the pipe.
  bool record_for_ever(const std::string& prefix, int pipe) const {
    const auto ledger = Ledger::open(path_, LedgerAccess::kCreate);
    if (!ledger) return false;
    for (int i = 0;; ++i) {
      const std::string id = prefix + std::to_string(i);
      if (!(*ledger)->record(entry(id, i)).is_ok()) return false;
      const std::string line = id + "\n";
      if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return false;
    }
  }

  // The lines that a child wrote before it was killed.
  std::vector<std::string> kill_one(const std::string& prefix, std::chrono::milliseconds delay) const {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = start([&] { return record_for_ever(prefix, ends[1]); });
    ::close(ends[1]);
    std::this_thread::sleep_for(delay);
    ::kill(child, SIGKILL);
    const int status = wait_for(child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child failed before it was killed";
    std::string text;
    char bytes[4096];
    for (ssize_t count = 0; (count = ::read(ends[0], bytes, sizeof bytes)) > 0;) text.append(bytes, count);
    ::close(ends[0]);
    std::vector<std::string> lines;
    for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      lines.push_back(text.substr(begin, end - begin));
    }
    return lines;
  }
};

TEST_F(LedgerKillTest, NothingAcknowledgedIsLostInAHundredKills) {
  constexpr int kKills = 100;
  std::mt19937 random(20261127);
  std::uniform_int_distribution<int> delay_ms(1, 30);
  std::set<std::string> acknowledged;
  for (int i = 0; i < kKills; ++i) {
    const auto lines = kill_one(std::to_string(i) + ".", std::chrono::milliseconds(delay_ms(random)));
    acknowledged.insert(lines.begin(), lines.end());
    std::set<std::string> kept;
    for (const LedgerRecord& record : all_of(*open())) kept.insert(record.entry.request_id);
    ASSERT_TRUE(std::ranges::includes(kept, acknowledged)) << "after kill " << i;
    // At most the one that was being written is there without an acknowledgement.
    ASSERT_LE(kept.size(), acknowledged.size() + static_cast<size_t>(i) + 1);
    ASSERT_EQ(sql("PRAGMA integrity_check"), "ok") << "after kill " << i;
  }
  EXPECT_GT(acknowledged.size(), 0u);
  std::printf("%zu acknowledged entries outlived %d kills\n", acknowledged.size(), kKills);
}

TEST_F(LedgerKillTest, TwoProcessesWriteAtOnce) {
  constexpr int kEach = 200;
  std::vector<pid_t> children;
  for (const char* prefix : {"a", "b"}) children.push_back(start([&, prefix] { return record(prefix, kEach); }));
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(all_of(*open()).size(), 2u * kEach);
  EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
}

TEST_F(LedgerKillTest, OneLedgerIsMadeByManyProcessesAtOnce) {
  constexpr int kProcesses = 6;
  for (int round = 0; round < 10; ++round) {
    std::filesystem::remove(path_);
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      children.push_back(start([&, i] { return record(std::to_string(i) + ".", 1); }));
    }
    for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
    EXPECT_EQ(all_of(*open()).size(), kProcesses);
  }
}

TEST_F(LedgerKillTest, AnEntryIsSeenByTheOtherProcessAtOnce) {
  const auto ledger = open();
  ASSERT_TRUE(ledger->record(entry("parent")).is_ok());
  const pid_t child = start([&] {
    const auto other = Ledger::open(path_, LedgerAccess::kWrite);
    return other && (*other)->add_feedback("parent", 1, FeedbackSource::kUser).is_ok() &&
           !(*other)->record(entry("parent")).is_ok() && (*other)->record(entry("child")).is_ok();
  });
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(all_of(*ledger).size(), 2u);
  EXPECT_EQ(all_of(*ledger)[0].user_score, 1);
}

}  // namespace
}  // namespace saccade
