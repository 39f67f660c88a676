#include "platform/cores.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace saccade {
namespace {

#ifdef __linux__
/// Whole cores of the cgroup's CPU quota, rounded up; as many as anyone has where there is none.
int cores_of_quota() {
  constexpr int kNoQuota = 1 << 20;
  std::ifstream file("/sys/fs/cgroup/cpu.max");  // "<quota in us>|max <period in us>"
  double quota_us = 0;
  double period_us = 0;
  if (!(file >> quota_us >> period_us) || period_us <= 0) return kNoQuota;
  return static_cast<int>(quota_us / period_us + 0.999);
}
#endif

}  // namespace

std::vector<int> core_numbers() {
  std::vector<int> cores;
#ifdef __linux__
  std::vector<std::string> siblings_seen;
  cpu_set_t mask;
  if (::sched_getaffinity(0, sizeof mask, &mask) != 0) return cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!(file >> siblings)) siblings = std::to_string(cpu);
    if (std::ranges::find(siblings_seen, siblings) != siblings_seen.end()) continue;
    siblings_seen.push_back(siblings);
    cores.push_back(cpu);
  }
#endif
  return cores;
}

int usable_cores() {
#ifdef __linux__
  if (const std::vector<int> cores = core_numbers(); !cores.empty()) {
    return std::max(1, std::min(static_cast<int>(cores.size()), cores_of_quota()));
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void pin_to_core([[maybe_unused]] int number) {
#ifdef __linux__
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(number, &mask);
  ::sched_setaffinity(0, sizeof mask, &mask);
#endif
}

}  // namespace saccade
