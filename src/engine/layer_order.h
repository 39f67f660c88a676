// In which decoder layers visual tokens are needed least (ShortV, arXiv 2504.00502): measured once for a model, kept in
// a file beside it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "saccade/engine.h"
#include "saccade/status.h"

namespace saccade {

/// MODEL.gguf.layers.json.
std::string layer_order_path(const std::string& model_path);

/// Decoder layers, the least needed first; empty where there is no such file. Errors, with the path: kCorruptData (not
/// an order of `num_layers` layers), those of reading.
Expected<std::vector<int64_t>> read_layer_order(const std::string& path, int64_t num_layers);

/// What read_layer_order() reads: as Engine::measure_layers() found it over `num_items` requests to the model of that
/// file name. Whole or not at all. Errors: those of write_whole_file().
Status write_layer_order(const std::string& path, const std::string& model_name, std::span<const LayerNeed> needs,
                         int64_t num_items);

/// KL(p || q) in nats between the distributions that two rows of logits stand for.
double divergence(std::span<const float> p_logits, std::span<const float> q_logits);

}  // namespace saccade
