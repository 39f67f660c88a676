// Errors that a user can cause, carried by value: a file, a picture, a request, a full disk.
//
// A message says what was wrong, where (the path, key, tensor or byte) and, where it helps, what to do; it is one
// line without a full stop, fit to follow "saccade: error: ". Bugs of our own are assertions, not Status.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace saccade {

enum class StatusCode {
  kOk = 0,
  kInvalidArgument,    // the request or a flag makes no sense
  kNotFound,           // no such file, key or name
  kCorruptData,        // a file or picture whose bytes break its format
  kUnsupported,        // well formed, but not something this program can do
  kResourceExhausted,  // over a limit on bytes, pixels, tokens or memory
  kBudgetExceeded,     // the request's budget can't be kept, and it is strict
  kOverloaded,         // other requests leave no room for it now; see Status::retry_after_ms()
  kCancelled,          // the caller asked to stop
  kIoError,            // the operating system refused or failed
  kInternal,           // an exception nobody foresaw, of a caller's callback or a bug of ours
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool is_ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  /// Of kOverloaded: when there may be room; of kBudgetExceeded: when a limit begins anew, where that is why.
  std::optional<double> retry_after_ms() const { return retry_after_ms_; }

  /// The same error with `context: ` in front of the message, to name the file or tensor it happened in.
  Status with_context(std::string_view context) const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
  std::optional<double> retry_after_ms_;

  friend Status budget_exceeded(std::string message, double retry_after_ms);
  friend Status overloaded(std::string message, double retry_after_ms);
};

Status invalid_argument(std::string message);
Status not_found(std::string message);
Status corrupt_data(std::string message);
Status unsupported(std::string message);
Status resource_exhausted(std::string message);
Status budget_exceeded(std::string message);
Status budget_exceeded(std::string message, double retry_after_ms);
Status overloaded(std::string message, double retry_after_ms);
Status cancelled(std::string message);
Status io_error(std::string message);
Status internal_error(std::string message);

/// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit on purpose
  Expected(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT: implicit on purpose
    assert(!std::get<1>(state_).is_ok());
  }

  bool is_ok() const { return state_.index() == 0; }
  explicit operator bool() const { return is_ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Status& status() const { return std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace saccade

#define SACCADE_CONCAT_(a, b) a##b
#define SACCADE_CONCAT(a, b) SACCADE_CONCAT_(a, b)

/// Returns the Status of `expression` from the enclosing function unless it is ok.
#define SACCADE_RETURN_IF_ERROR(expression)                                         \
  do {                                                                              \
    if (::saccade::Status status_ = (expression); !status_.is_ok()) return status_; \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): a declaration can't be in parentheses.
/// Evaluates an Expected; on an error returns its Status, otherwise assigns the value: SACCADE_ASSIGN_OR_RETURN(auto x,
/// f());
#define SACCADE_ASSIGN_OR_RETURN(declaration, expression)                                                \
  auto SACCADE_CONCAT(expected_, __LINE__) = (expression);                                               \
  if (!SACCADE_CONCAT(expected_, __LINE__).is_ok()) return SACCADE_CONCAT(expected_, __LINE__).status(); \
  declaration = *std::move(SACCADE_CONCAT(expected_, __LINE__))
// NOLINTEND(bugprone-macro-parentheses)
