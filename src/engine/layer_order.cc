#include "engine/layer_order.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "platform/whole_file.h"
#include "weights/json_text.h"

namespace saccade {
namespace {

// log of the sum of exponentials.
double log_sum(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - largest);
  return largest + std::log(total);
}

}  // namespace

std::string layer_order_path(const std::string& model_path) {
  return model_path + ".layers.json";
}

Expected<std::vector<int64_t>> read_layer_order(const std::string& path, int64_t num_layers) {
  const auto json = read_json_object(path);
  if (!json && json.status().code() == StatusCode::kNotFound) return std::vector<int64_t>();
  if (!json) return json.status();
  const auto wrong = [&] {
    return corrupt_data(
        format("%s: \"order\" is not an order of the decoder's layers 0 to %lld; remove the file or make "
               "it anew with saccade layers",
               path.c_str(), static_cast<long long>(num_layers - 1)));
  };
  const Json* order = find_member(*json, "order");
  if (order == nullptr || !order->is_array()) return wrong();
  std::vector<int64_t> layers;
  for (const Json& layer : *order) {
    if (!layer.is_number_integer()) return wrong();
    layers.push_back(layer.get<int64_t>());
  }
  std::vector<int64_t> sorted = layers;
  std::ranges::sort(sorted);
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int64_t>(i)) return wrong();
  }
  if (static_cast<int64_t>(layers.size()) != num_layers) return wrong();
  return layers;
}

Status write_layer_order(const std::string& path, const std::string& model_name, std::span<const LayerNeed> needs,
                         int64_t num_items) {
  nlohmann::ordered_json json = {{"model", model_name},
                                 {"num_layers", needs.size()},
                                 {"num_items", num_items},
                                 {"order", nlohmann::ordered_json::array()},
                                 {"divergence", nlohmann::ordered_json::array()}};
  for (const LayerNeed& need : needs) {
    json["order"].push_back(need.layer);
    json["divergence"].push_back(need.divergence);
  }
  const std::string text = json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return write_whole_file(path, std::as_bytes(std::span(text)));
}

double divergence(std::span<const float> p_logits, std::span<const float> q_logits) {
  const double p_log_sum = log_sum(p_logits);
  const double q_log_sum = log_sum(q_logits);
  double sum = 0;
  for (size_t i = 0; i < p_logits.size(); ++i) {
    const double p_log = p_logits[i] - p_log_sum;
    sum += std::exp(p_log) * (p_log - (q_logits[i] - q_log_sum));
  }
  return std::max(0.0, sum);
}

}  // namespace saccade
