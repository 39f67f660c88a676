#include "saccade/status.h"

namespace saccade {

Status Status::with_context(std::string_view context) const {
  if (is_ok()) return *this;
  Status status = *this;
  status.message_ = std::string(context) + ": " + message_;
  return status;
}

Status invalid_argument(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}
Status not_found(std::string message) {
  return {StatusCode::kNotFound, std::move(message)};
}
Status corrupt_data(std::string message) {
  return {StatusCode::kCorruptData, std::move(message)};
}
Status unsupported(std::string message) {
  return {StatusCode::kUnsupported, std::move(message)};
}
Status resource_exhausted(std::string message) {
  return {StatusCode::kResourceExhausted, std::move(message)};
}
Status budget_exceeded(std::string message) {
  return {StatusCode::kBudgetExceeded, std::move(message)};
}
Status budget_exceeded(std::string message, double retry_after_ms) {
  Status status(StatusCode::kBudgetExceeded, std::move(message));
  status.retry_after_ms_ = retry_after_ms;
  return status;
}
Status overloaded(std::string message, double retry_after_ms) {
  Status status(StatusCode::kOverloaded, std::move(message));
  status.retry_after_ms_ = retry_after_ms;
  return status;
}
Status cancelled(std::string message) {
  return {StatusCode::kCancelled, std::move(message)};
}
Status io_error(std::string message) {
  return {StatusCode::kIoError, std::move(message)};
}
Status internal_error(std::string message) {
  return {StatusCode::kInternal, std::move(message)};
}

}  // namespace saccade
