#include "platform/process_memory.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

namespace saccade {
namespace {

// The first number of a one-line file such as /sys/fs/cgroup/memory.max, or `fallback` ("max", or no such file).
uint64_t number_in(const char* path, uint64_t fallback) {
  std::ifstream in(path);
  uint64_t value = 0;
  return in >> value ? value : fallback;
}

uint64_t kilobytes_of(const char* path, const std::string& key) {
  std::ifstream in(path);
  std::string word;
  while (in >> word) {
    uint64_t value = 0;
    if (word == key && in >> value) return value * 1024;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

}  // namespace

uint64_t peak_resident_bytes() {
  const uint64_t high_water = kilobytes_of("/proc/self/status", "VmHWM:");
  if (high_water != 0) return high_water;
  struct rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return static_cast<uint64_t>(usage.ru_maxrss);
#else
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

uint64_t available_memory_bytes() {
  const uint64_t system = kilobytes_of("/proc/meminfo", "MemAvailable:");
  constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
  const uint64_t limit = number_in("/sys/fs/cgroup/memory.max", kNoLimit);
  if (limit == kNoLimit) return system;
  const uint64_t used = number_in("/sys/fs/cgroup/memory.current", 0);
  const uint64_t left = limit > used ? limit - used : 0;
  return system == 0 ? left : std::min(system, left);
}

int usable_cores() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t mask;
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) cores = CPU_COUNT(&mask);
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");  // "<quota in us>|max <period in us>"
  double quota_us = 0;
  double period_us = 0;
  if (quota_file >> quota_us >> period_us && period_us > 0) {
    cores = std::min(cores, static_cast<int>(quota_us / period_us + 0.999));
  }
#endif
  return std::max(cores, 1);
}

}  // namespace saccade
