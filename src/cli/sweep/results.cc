#include "cli/sweep/results.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/format.h"
#include "platform/whole_file.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxResultBytes = 4ull << 30;
constexpr const char* kAdvice = "; choose another folder, or begin anew with --restart";

double rounded(double ms) {
  return std::round(ms * 1000) / 1000;
}

Json to_json(const std::optional<WarmTimes>& times) {
  if (!times) return {};
  return {{"latency_ms", rounded(times->latency_ms)}, {"ttft_ms", rounded(times->ttft_ms)}};
}

Json to_json(const SweepResult& result) {
  return {{"item", result.item},
          {"repeat", result.repeat},
          {"plan", result.plan},
          {"answer", result.answer},
          {"right", result.is_right ? Json(*result.is_right) : Json()},
          {"latency_ms", rounded(result.latency_ms)},
          {"ttft_ms", rounded(result.ttft_ms)},
          {"prepare_ms", rounded(result.prepare_ms)},
          {"encode_ms", rounded(result.encode_ms)},
          {"compress_ms", rounded(result.compress_ms)},
          {"prefill_ms", rounded(result.prefill_ms)},
          {"decode_ms", rounded(result.decode_ms)},
          {"laid_out_tokens", result.laid_out_tokens},
          {"encoded_tokens", result.encoded_tokens},
          {"visual_tokens", result.visual_tokens},
          {"generated_tokens", result.generated_tokens},
          {"num_layers", result.num_layers},
          {"layers", result.layers},
          {"decode_layers", result.decode_layers},
          {"encode_flops", result.flops.encode},
          {"prefill_flops", result.flops.prefill},
          {"decode_flops", result.flops.decode},
          {"same_picture", to_json(result.same_picture)},
          {"other_picture", to_json(result.other_picture)}};
}

std::optional<WarmTimes> times_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return WarmTimes{json.at("latency_ms").get<double>(), json.at("ttft_ms").get<double>()};
}

// Throws what nlohmann throws where a field is missing or of another type.
SweepResult result_from(const Json& json) {
  SweepResult result;
  const auto take = [&](const char* name, auto& target) { json.at(name).get_to(target); };
  take("item", result.item);
  take("repeat", result.repeat);
  take("plan", result.plan);
  take("answer", result.answer);
  if (!json.at("right").is_null()) result.is_right = json.at("right").get<bool>();
  take("latency_ms", result.latency_ms);
  take("ttft_ms", result.ttft_ms);
  take("prepare_ms", result.prepare_ms);
  take("encode_ms", result.encode_ms);
  take("compress_ms", result.compress_ms);
  take("prefill_ms", result.prefill_ms);
  take("decode_ms", result.decode_ms);
  take("laid_out_tokens", result.laid_out_tokens);
  take("encoded_tokens", result.encoded_tokens);
  take("visual_tokens", result.visual_tokens);
  take("generated_tokens", result.generated_tokens);
  take("num_layers", result.num_layers);
  take("layers", result.layers);
  take("decode_layers", result.decode_layers);
  take("encode_flops", result.flops.encode);
  take("prefill_flops", result.flops.prefill);
  take("decode_flops", result.flops.decode);
  result.same_picture = times_from(json.at("same_picture"));
  result.other_picture = times_from(json.at("other_picture"));
  return result;
}

// Puts a line into the record; false where it is neither a result nor a refusal.
bool take_line(const Json& json, SweepRecord& record) {
  try {
    if (json.contains("refused")) {
      record.refused[json.at("refused").get<std::string>()] = json.at("reason").get<std::string>();
    } else {
      record.results.push_back(result_from(json));
    }
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

Status check_header(const std::string& path, const Json& found, const Json& wanted) {
  if (!found.is_object() || !found.contains("sweep")) {
    return invalid_argument(path + " is not a file of a sweep's results" + kAdvice);
  }
  for (const auto& [name, value] : wanted.items()) {
    if (found.contains(name) && found[name] == value) continue;
    const auto shown = [](const Json& json) {
      return quote(json.dump(-1, ' ', false, Json::error_handler_t::replace));
    };
    return invalid_argument(format("%s has the results of another sweep: its %s is %s, now it is %s%s", path.c_str(),
                                   name.c_str(), found.contains(name) ? shown(found[name]).c_str() : "not there",
                                   shown(value).c_str(), kAdvice));
  }
  return {};
}

// Reads the lines that are whole. Returns how many bytes they take; 0 where not even the header is whole.
Expected<uint64_t> read_lines(const std::string& path, const Json& header, SweepRecord& record) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_whole_file(path, kMaxResultBytes));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_t begin = 0;
  for (int line_idx = 1; begin < text.size(); ++line_idx) {
    const size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    const Json json = Json::parse(text.substr(begin, end - begin), nullptr, /*allow_exceptions=*/false);
    if (line_idx == 1) {
      SACCADE_RETURN_IF_ERROR(check_header(path, json, header));
    } else if (!take_line(json, record)) {
      return corrupt_data(format("%s:%d: is not a result of a sweep%s", path.c_str(), line_idx, kAdvice));
    }
    begin = end + 1;
  }
  // A file of something else, which happens to have no line end, is not ours to cut.
  constexpr std::string_view kBegin = "{\"sweep\":";
  if (begin == 0 &&
      !text.substr(0, kBegin.size()).starts_with(kBegin.substr(0, std::min(text.size(), kBegin.size())))) {
    return check_header(path, Json(), header);
  }
  return begin;
}

Status write_error(const std::string& path) {
  return io_error(path + ": cannot write: " + std::strerror(errno));
}

}  // namespace

WarmTimes times_of(const Receipt& receipt) {
  const double load = receipt.stages_ms.load;
  return {receipt.latency_ms - load, receipt.ttft_ms.value_or(receipt.latency_ms) - load};
}

void take_receipt(const Receipt& receipt, SweepResult& result) {
  const StageTimes& stages = receipt.stages_ms;
  const WarmTimes times = times_of(receipt);
  result.latency_ms = times.latency_ms;
  result.ttft_ms = times.ttft_ms;
  result.prepare_ms = stages.media_decode + stages.prompt + stages.resize;
  result.encode_ms = stages.encode + stages.project;
  result.compress_ms = stages.compress;
  result.prefill_ms = stages.prefill;
  result.decode_ms = stages.decode;
  for (const PictureReceipt& picture : receipt.pictures) {
    result.laid_out_tokens += picture.laid_out_tokens;
    result.encoded_tokens += picture.encoded_tokens;
  }
  result.visual_tokens = receipt.tokens.visual;
  result.generated_tokens = receipt.tokens.generated;
  result.num_layers = receipt.decoder.num_layers;
  result.layers = receipt.decoder.prefill_layers;
  result.decode_layers = receipt.decoder.decode_layers;
  result.flops = receipt.flops;
}

Expected<ResultFile> ResultFile::open(const std::string& path, const Json& header, bool restarts, SweepRecord& record) {
  uint64_t num_bytes = 0;
  std::error_code error;
  const bool is_there = std::filesystem::exists(path, error);
  if (is_there && !restarts) {
    SACCADE_ASSIGN_OR_RETURN(num_bytes, read_lines(path, header, record));
    std::filesystem::resize_file(path, num_bytes, error);
    if (error) return io_error(path + ": cannot write: " + error.message());
  }
  std::FILE* stream = std::fopen(path.c_str(), num_bytes > 0 ? "ae" : "we");
  if (stream == nullptr) return write_error(path);
  ResultFile file(path, stream);
  if (num_bytes == 0) SACCADE_RETURN_IF_ERROR(file.add_line(header));
  return file;
}

Status ResultFile::add(const SweepResult& result) {
  return add_line(to_json(result));
}

Status ResultFile::add_refusal(const std::string& plan, const std::string& reason) {
  return add_line({{"refused", plan}, {"reason", reason}});
}

Status ResultFile::add_line(const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const bool is_written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size();
  return is_written && std::fflush(file_.get()) == 0 ? Status() : write_error(path_);
}

}  // namespace saccade
