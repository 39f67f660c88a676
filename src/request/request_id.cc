#include "request/request_id.h"

#include <random>

#include "base/format.h"

namespace saccade {

std::string new_request_id() {
  std::random_device random;
  return format("req-%08x%08x%08x", random(), random(), random());
}

}  // namespace saccade
