// What a sweep measured, question by question, in memory and as the file that it goes on from when it was stopped:
// JSON lines, the first of which says what was asked of what.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "saccade/receipt.h"
#include "saccade/status.h"

namespace saccade {

/// The same question asked again, behind another one.
struct WarmTimes {
  double latency_ms = 0;
  double ttft_ms = 0;
};

/// One question, asked by one plan with nothing kept from before.
struct SweepResult {
  int64_t item = 0;  // of the set, from 0
  int64_t repeat = 0;
  std::string plan;  // its name
  std::string answer;
  std::optional<bool> is_right;  // none where the item has no answer
  double latency_ms = 0;
  double ttft_ms = 0;
  double prepare_ms = 0;  // reading, decoding and resizing the picture, the prompt's layout
  double encode_ms = 0;   // with the projector
  double compress_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
  int64_t laid_out_tokens = 0;
  int64_t encoded_tokens = 0;
  int64_t visual_tokens = 0;
  int64_t generated_tokens = 0;
  int num_layers = 0;
  double layers = 0;  // that a token of the prompt went through, in the mean
  double decode_layers = 0;
  FlopCounts flops;
  std::optional<WarmTimes> same_picture;   // behind another question about the picture
  std::optional<WarmTimes> other_picture;  // behind a question about another picture
};

/// Without the time that the model's load took.
WarmTimes times_of(const Receipt& receipt);
void take_receipt(const Receipt& receipt, SweepResult& result);

struct SweepRecord {
  std::vector<SweepResult> results;
  std::map<std::string, std::string> refused;  // plans that the model can't carry out, and why
};

/// The file of results, open to be added to.
class ResultFile {
 public:
  /// A new file with the header, or one that is there, whose results are put into `record`; a last line that is not
  /// whole (the program was killed while it wrote) is cut off. `restarts`: what is there is thrown away.
  /// Errors: kInvalidArgument where the file has another header, naming the first field that differs; kCorruptData with
  /// the line; kIoError.
  static Expected<ResultFile> open(const std::string& path, const nlohmann::ordered_json& header, bool restarts,
                                   SweepRecord& record);

  /// Errors: kIoError with the path.
  Status add(const SweepResult& result);
  Status add_refusal(const std::string& plan, const std::string& reason);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  ResultFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  Status add_line(const nlohmann::ordered_json& json);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace saccade
