// The texts that stand in place of pictures, in one SQLite file that several processes may use at once.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "ledger/sqlite.h"
#include "saccade/picture_text.h"
#include "saccade/status.h"

namespace saccade {

/// Errors of all calls name the file: kIoError (disk full, read-only, no permission, locked for too long),
/// kCorruptData (a damaged file).
class PictureTextFile : public PictureTextStore {
 public:
  /// A file that is not there, or is empty, becomes one. Further errors: kUnsupported (a database of another program,
  /// or of a newer version), which is left as it is.
  static Expected<std::shared_ptr<PictureTextFile>> open(const std::string& path, int max_wait_ms = 10'000);

  Expected<std::optional<PictureText>> find(const std::string& model, const std::string& picture) override;
  Status put(const std::string& model, const std::string& picture, const PictureText& text) override;

 private:
  PictureTextFile(std::string path, sqlite::Database database)
      : path_(std::move(path)), database_(std::move(database)) {}
  Expected<std::optional<PictureText>> select(const std::string& model, const std::string& picture);

  const std::string path_;
  std::mutex mutex_;  // guards what is below
  sqlite::Database database_;
  sqlite::Statement select_;
  sqlite::Statement insert_;
};

}  // namespace saccade
