#include "platform/process_memory.h"

#include <sys/resource.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>

namespace saccade {
namespace {

// The first number of a one-line file such as /sys/fs/cgroup/memory.max; nothing for "max" or where there is no file.
std::optional<uint64_t> number_in(const std::string& path) {
  std::ifstream in(path);
  uint64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

// The numbers behind `keys` in a file of lines "key number"; 0 where there is none.
template <size_t kCount>
std::array<uint64_t, kCount> numbers_of(const std::string& path, const std::array<const char*, kCount>& keys) {
  std::array<uint64_t, kCount> values = {};
  std::ifstream in(path);
  std::string word;
  for (size_t num_found = 0; num_found < kCount && in >> word;) {
    const auto found = std::ranges::find(keys, word);
    uint64_t value = 0;
    if (found != keys.end() && in >> value) {
      values[static_cast<size_t>(found - keys.begin())] = value;
      ++num_found;
    }
    in.clear();
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return values;
}

uint64_t number_of(const std::string& path, const char* key) {
  return numbers_of<1>(path, {key})[0];
}

// Version 1 writes a number near 2^63 for no limit.
constexpr uint64_t kLeastOfNoLimit = uint64_t{1} << 62;

// Files of a memory cgroup, and names in its memory.stat, all of which count the groups below it too.
struct CgroupNames {
  const char* limit;
  const char* used;
  // Two kinds of pages of files, then of these those in use by a process, or not yet on the disk.
  std::array<const char*, 5> pages;
};
constexpr size_t kNumFilePages = 2;
constexpr CgroupNames kVersion1 = {
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    {"total_inactive_file", "total_active_file", "total_mapped_file", "total_dirty", "total_writeback"}};
constexpr CgroupNames kVersion2 = {
    "memory.max", "memory.current", {"inactive_file", "active_file", "file_mapped", "file_dirty", "file_writeback"}};

uint64_t less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

}  // namespace

uint64_t peak_resident_bytes() {
  const uint64_t high_water_kb = number_of("/proc/self/status", "VmHWM:");
  if (high_water_kb != 0) return high_water_kb * 1024;
  struct rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return static_cast<uint64_t>(usage.ru_maxrss);
#else
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

std::optional<uint64_t> cgroup_memory_left(const std::string& folder) {
  for (const CgroupNames& names : {kVersion2, kVersion1}) {
    const std::optional<uint64_t> limit = number_in(folder + "/" + names.limit);
    if (!limit || *limit >= kLeastOfNoLimit) continue;
    const auto pages = numbers_of(folder + "/memory.stat", names.pages);
    uint64_t reclaimable = 0;
    for (size_t i = 0; i < pages.size(); ++i) {
      reclaimable = i < kNumFilePages ? reclaimable + pages[i] : less(reclaimable, pages[i]);
    }
    const uint64_t used = number_in(folder + "/" + names.used).value_or(0);
    return less(*limit, less(used, reclaimable));
  }
  return std::nullopt;
}

uint64_t resident_bytes() {
  return number_of("/proc/self/status", "VmRSS:") * 1024;
}

// Lines are "0::/path" of version 2, "4:memory:/path" of version 1.
void return_freed_memory_at_once() {
#if defined(__GLIBC__)
  // Setting them keeps glibc from raising them with every large block that is freed.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

std::vector<std::string> memory_cgroup_folders(std::string_view text, const std::string& mount) {
  std::vector<std::string> folders;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_version2 = controllers == ",,";
    if (!is_version2 && controllers.find(",memory,") == std::string::npos) continue;
    const std::string root = is_version2 ? mount : mount + "/memory";
    std::string path = line.substr(second + 1);
    while (path.size() > 1) {
      folders.push_back(root + path);
      path.resize(std::max<size_t>(1, path.rfind('/')));
    }
    folders.push_back(root);
  }
  return folders;
}

uint64_t available_memory_bytes() {
  constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
  const uint64_t system = number_of("/proc/meminfo", "MemAvailable:") * 1024;
  uint64_t available = system == 0 ? kNoLimit : system;
  std::ifstream in("/proc/self/cgroup");
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (const std::string& folder : memory_cgroup_folders(text, "/sys/fs/cgroup")) {
    available = std::min(available, cgroup_memory_left(folder).value_or(kNoLimit));
  }
  return available;
}

uint64_t free_memory_bytes(uint64_t max_resident_bytes) {
  const uint64_t available = available_memory_bytes();
  return max_resident_bytes == 0 ? available : std::min(available, less(max_resident_bytes, resident_bytes()));
}

}  // namespace saccade
