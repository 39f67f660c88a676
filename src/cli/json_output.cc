#include "cli/json_output.h"

#include "cli/exit_code.h"
#include "cli/terminal.h"

namespace saccade {

void print_json(const nlohmann::ordered_json& json) {
  write_out(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

nlohmann::ordered_json error_json(const Status& status) {
  return {{"code", error_name(status.code())}, {"message", status.message()}};
}

}  // namespace saccade
