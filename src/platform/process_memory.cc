#include "platform/process_memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
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

// The number behind `key` in a file of lines "key number"; 0 where there is none.
uint64_t number_of(const std::string& path, std::string_view key) {
  std::ifstream in(path);
  std::string word;
  while (in >> word) {
    uint64_t value = 0;
    if (word == key && in >> value) return value;
    in.clear();
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

// Files of a memory cgroup, and names in its memory.stat, all of which count the groups below it too.
struct CgroupNames {
  const char* limit;
  const char* used;
  std::array<const char*, 2> file_pages;
  std::array<const char*, 3> kept_pages;  // of these: in use by a process, or not yet on the disk
};
constexpr CgroupNames kVersion1 = {"memory.limit_in_bytes",
                                   "memory.usage_in_bytes",
                                   {"total_inactive_file", "total_active_file"},
                                   {"total_mapped_file", "total_dirty", "total_writeback"}};
constexpr CgroupNames kVersion2 = {
    "memory.max", "memory.current", {"inactive_file", "active_file"}, {"file_mapped", "file_dirty", "file_writeback"}};

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
    if (!limit) continue;
    const std::string stat = folder + "/memory.stat";
    uint64_t reclaimable = 0;
    for (const char* name : names.file_pages) reclaimable += number_of(stat, name);
    for (const char* name : names.kept_pages) reclaimable = less(reclaimable, number_of(stat, name));
    const uint64_t used = number_in(folder + "/" + names.used).value_or(0);
    return less(*limit, less(used, reclaimable));
  }
  return std::nullopt;
}

uint64_t available_memory_bytes() {
  constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
  const uint64_t system = number_of("/proc/meminfo", "MemAvailable:") * 1024;
  uint64_t available = system == 0 ? kNoLimit : system;
  for (const char* folder : {"/sys/fs/cgroup", "/sys/fs/cgroup/memory"}) {
    available = std::min(available, cgroup_memory_left(folder).value_or(kNoLimit));
  }
  return available;
}

}  // namespace saccade
