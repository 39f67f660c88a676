#include "ledger/picture_text_file.h"

#include <utility>

#include "base/format.h"

namespace saccade {
namespace {

constexpr int64_t kApplicationId = 0x53414354;  // "SACT"
constexpr int64_t kVersion = 1;

Status prepare_schema(sqlite::Database& database) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t id, database.number("PRAGMA application_id"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t version, database.number("PRAGMA user_version"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_tables, database.number("SELECT count(*) FROM sqlite_schema"));
  const bool is_empty = id == 0 && version == 0 && num_tables == 0;
  if (!is_empty && id != kApplicationId) return unsupported("not a file of pictures' texts, but another database");
  if (version > kVersion) {
    return unsupported(format("of version %lld, made by a newer saccade; this one knows version %lld",
                              static_cast<long long>(version), static_cast<long long>(kVersion)));
  }
  if (!is_empty) return {};
  return database.execute(
      "CREATE TABLE IF NOT EXISTS texts (model TEXT NOT NULL, picture TEXT NOT NULL, caption TEXT NOT NULL,"
      " transcription TEXT NOT NULL, PRIMARY KEY (model, picture)) STRICT, WITHOUT ROWID;" +
      format("PRAGMA application_id = %lld; PRAGMA user_version = %lld;", static_cast<long long>(kApplicationId),
             static_cast<long long>(kVersion)));
}

Expected<sqlite::Database> open_database(const std::string& path, int max_wait_ms) {
  SACCADE_ASSIGN_OR_RETURN(sqlite::Database database,
                           sqlite::Database::open(path, sqlite::OpenMode::kCreate, max_wait_ms));
  SACCADE_RETURN_IF_ERROR(database.execute("PRAGMA trusted_schema = OFF; BEGIN IMMEDIATE"));
  const Status prepared = prepare_schema(database);
  SACCADE_RETURN_IF_ERROR(database.execute(prepared.is_ok() ? "COMMIT" : "ROLLBACK"));
  SACCADE_RETURN_IF_ERROR(prepared);
  return database;
}

}  // namespace

Expected<std::shared_ptr<PictureTextFile>> PictureTextFile::open(const std::string& path, int max_wait_ms) {
  if (path.empty()) return invalid_argument("the name of the file of pictures' texts is empty");
  auto database = open_database(path, max_wait_ms);
  if (!database) return database.status().with_context(path);
  std::shared_ptr<PictureTextFile> file(new PictureTextFile(path, *std::move(database)));
  auto select = file->database_.prepare("SELECT caption, transcription FROM texts WHERE model = ?1 AND picture = ?2");
  if (!select) return select.status().with_context(path);
  auto insert = file->database_.prepare(
      "INSERT INTO texts (model, picture, caption, transcription) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT DO UPDATE SET caption = excluded.caption, transcription = excluded.transcription");
  if (!insert) return insert.status().with_context(path);
  file->select_ = *std::move(select);
  file->insert_ = *std::move(insert);
  return file;
}

Expected<std::optional<PictureText>> PictureTextFile::find(const std::string& model, const std::string& picture) {
  const std::lock_guard lock(mutex_);
  auto found = select(model, picture);
  select_.reset();
  if (!found) return found.status().with_context(path_);
  return found;
}

Expected<std::optional<PictureText>> PictureTextFile::select(const std::string& model, const std::string& picture) {
  select_.bind(1, std::string_view(model));
  select_.bind(2, std::string_view(picture));
  SACCADE_ASSIGN_OR_RETURN(const bool is_there, select_.step());
  if (!is_there) return std::optional<PictureText>();
  PictureText text;
  select_.read(0, text.caption);
  select_.read(1, text.transcription);
  return std::optional(std::move(text));
}

Status PictureTextFile::put(const std::string& model, const std::string& picture, const PictureText& text) {
  const std::lock_guard lock(mutex_);
  insert_.bind(1, std::string_view(model));
  insert_.bind(2, std::string_view(picture));
  insert_.bind(3, std::string_view(text.caption));
  insert_.bind(4, std::string_view(text.transcription));
  const Status status = insert_.run();
  return status.is_ok() ? status : status.with_context(path_);
}

}  // namespace saccade
