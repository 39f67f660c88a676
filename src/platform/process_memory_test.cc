#include "platform/process_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>

namespace saccade {
namespace {

// A made-up cgroup.
class CgroupTest : public ::testing::Test {
 protected:
  CgroupTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~CgroupTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ + "/" + name) << text; }

  const std::string folder_ =
      testing::TempDir() + "process_memory_test_" + testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(CgroupTest, WithoutALimitThereIsNone) {
  EXPECT_EQ(cgroup_memory_left(folder_), std::nullopt);
  EXPECT_EQ(cgroup_memory_left(folder_ + "/absent"), std::nullopt);
  write("memory.max", "max\n");
  write("memory.current", "5000\n");
  EXPECT_EQ(cgroup_memory_left(folder_), std::nullopt);
}

TEST_F(CgroupTest, Version2CountsCleanUnmappedFilePagesAsFree) {
  write("memory.max", "10000\n");
  write("memory.current", "9900\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 100u);  // no memory.stat
  write("memory.stat",
        "anon 1900\nfile 8000\nshmem 500\nfile_mapped 2000\nfile_dirty 300\nfile_writeback 200\n"
        "inactive_anon 1900\nactive_anon 0\ninactive_file 4000\nactive_file 3500\nworkingset_refault_file 12\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 100u + 4000 + 3500 - 2000 - 300 - 200);
}

TEST_F(CgroupTest, Version1HasOtherNames) {
  write("memory.limit_in_bytes", "10000\n");
  write("memory.usage_in_bytes", "9900\n");
  write("memory.stat",
        "cache 1\nmapped_file 2\ndirty 3\ninactive_file 4\nactive_file 5\nhierarchical_memory_limit 10000\n"
        "total_cache 8000\ntotal_mapped_file 2000\ntotal_dirty 300\ntotal_writeback 200\n"
        "total_inactive_file 4000\ntotal_active_file 3500\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 100u + 4000 + 3500 - 2000 - 300 - 200);
}

TEST_F(CgroupTest, Version1WritesALargeNumberForNoLimit) {
  write("memory.limit_in_bytes", "9223372036854771712\n");
  write("memory.usage_in_bytes", "9900\n");
  EXPECT_EQ(cgroup_memory_left(folder_), std::nullopt);
}

TEST_F(CgroupTest, NeverWrapsAroundZero) {
  write("memory.max", "10000\n");
  write("memory.current", "12000\n");  // the limit was lowered
  EXPECT_EQ(cgroup_memory_left(folder_), 0u);
  write("memory.stat", "file_mapped 9000\ninactive_file 4000\nactive_file 100\n");  // shared memory is mapped too
  EXPECT_EQ(cgroup_memory_left(folder_), 0u);
  write("memory.stat", "inactive_file 400000\nactive_file nonsense\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 10000u);
}

TEST(ProcessMemory, FindsTheGroupsOfAProcess) {
  EXPECT_EQ(memory_cgroup_folders("0::/user.slice/job\n", "/m"),
            (std::vector<std::string>{"/m/user.slice/job", "/m/user.slice", "/m"}));
  EXPECT_EQ(memory_cgroup_folders("9:name=systemd:/a\n4:cpu,memory:/b\n0::/\nnonsense\n", "/m"),
            (std::vector<std::string>{"/m/memory/b", "/m/memory", "/m"}));
  EXPECT_TRUE(memory_cgroup_folders("", "/m").empty());
}

TEST(ProcessMemory, ALimitOfOurOwnCounts) {
  EXPECT_EQ(free_memory_bytes(1), 0u);
  const uint64_t resident = resident_bytes();
  if (resident == 0) GTEST_SKIP() << "the system does not say what is resident";
  EXPECT_LE(free_memory_bytes(resident + (64 << 20)), uint64_t{64} << 20);
  EXPECT_GT(free_memory_bytes(0), 0u);
}

TEST(ProcessMemory, KnowsThisProcess) {
#ifdef __linux__
  EXPECT_GT(available_memory_bytes(), 0u);
#endif
  constexpr size_t kNumBytes = 64 << 20;
  const uint64_t before = peak_resident_bytes();
  ASSERT_GT(before, 0u);
  const std::unique_ptr<char[]> memory(new char[kNumBytes]);
  volatile char* touched = memory.get();  // so that no compiler leaves the stores out
  for (size_t i = 0; i < kNumBytes; i += 4096) touched[i] = 1;
  EXPECT_GE(peak_resident_bytes(), kNumBytes);
  EXPECT_GE(peak_resident_bytes(), before);
}

}  // namespace
}  // namespace saccade
