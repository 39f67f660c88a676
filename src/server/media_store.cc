#include "server/media_store.h"

#include <iterator>

namespace saccade {

void MediaStore::drop(std::list<Entry>::iterator entry) {
  num_bytes_ -= entry->bytes->size();
  index_.erase(entry->key);
  entries_.erase(entry);
}

void MediaStore::put(const std::string& account, const std::string& uuid, const std::vector<std::byte>& bytes) {
  const Key key = {account, uuid};
  const std::lock_guard lock(mutex_);
  if (const auto found = index_.find(key); found != index_.end()) drop(found->second);
  if (bytes.size() > max_bytes_) return;
  while (num_bytes_ + bytes.size() > max_bytes_) drop(std::prev(entries_.end()));
  entries_.push_front({key, std::make_shared<const std::vector<std::byte>>(bytes)});
  index_[key] = entries_.begin();
  num_bytes_ += bytes.size();
}

MediaStore::Bytes MediaStore::find(const std::string& account, const std::string& uuid) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find({account, uuid});
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->bytes;
}

}  // namespace saccade
