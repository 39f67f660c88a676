// Pictures that clients named, so that they need not send them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace saccade {

/// Keeps those that were asked for last, of each account by itself: none sees another's. Thread safety: any thread.
class MediaStore {
 public:
  using Bytes = std::shared_ptr<const std::vector<std::byte>>;

  /// Of all accounts together.
  explicit MediaStore(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// Replaces what had the name. One that is larger than the store is not kept.
  void put(const std::string& account, const std::string& uuid, const std::vector<std::byte>& bytes);
  /// Null where it is not there, or not any more.
  Bytes find(const std::string& account, const std::string& uuid);

 private:
  using Key = std::pair<std::string, std::string>;
  struct Entry {
    Key key;
    Bytes bytes;
  };

  void drop(std::list<Entry>::iterator entry);

  const uint64_t max_bytes_;
  std::mutex mutex_;          // guards what follows
  std::list<Entry> entries_;  // the one asked for last in front
  std::map<Key, std::list<Entry>::iterator> index_;
  uint64_t num_bytes_ = 0;
};

}  // namespace saccade
