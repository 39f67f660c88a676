#include "weights/safetensors_file.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "base/format.h"
#include "weights/byte_reader.h"
#include "weights/foreign_file.h"
#include "weights/json_text.h"

namespace saccade {
namespace {

// A quarter of a million tensors. The format's own implementation stops at 100 MB, which would take 1 GB of memory
// here.
constexpr uint64_t kMaxHeaderBytes = 32 << 20;
// An index has an entry per tensor too, a shorter one.
constexpr uint64_t kMaxIndexBytes = 32 << 20;
constexpr size_t kMaxRank = 8;

struct ElementType {
  std::string_view name;
  int num_bytes;
  std::optional<DType> dtype;
};

constexpr std::array<ElementType, 14> kElementTypes = {{
    {"F32", 4, DType::kF32},
    {"F16", 2, DType::kF16},
    {"BF16", 2, DType::kBF16},
    {"F64", 8, {}},
    {"I64", 8, {}},
    {"I32", 4, {}},
    {"I16", 2, {}},
    {"I8", 1, {}},
    {"U64", 8, {}},
    {"U32", 4, {}},
    {"U16", 2, {}},
    {"U8", 1, {}},
    {"BOOL", 1, {}},
    {"F8_E4M3", 1, {}},
}};

const ElementType* find_type(std::string_view name) {
  const auto* found = std::ranges::find(kElementTypes, name, &ElementType::name);
  return found == kElementTypes.end() ? nullptr : found;
}

struct Range {
  uint64_t begin;
  uint64_t end;
  std::string_view name;
};

Expected<std::vector<int64_t>> parse_dims(const Json& tensor, const std::string& place) {
  const Json* shape = find_member(tensor, "shape");
  if (shape == nullptr || !shape->is_array() || shape->size() > kMaxRank) {
    return corrupt_data(place + ": shape is not a list of at most 8 dimensions");
  }
  std::vector<int64_t> dims;
  int64_t num_elements = 1;
  for (const Json& dim : *shape) {
    if (!dim.is_number_unsigned() || !std::in_range<int64_t>(dim.get<uint64_t>()) ||
        __builtin_mul_overflow(num_elements, dim.get<int64_t>(), &num_elements) || num_elements > (int64_t{1} << 60)) {
      return corrupt_data(place + ": shape holds a dimension that is no sensible size");
    }
    dims.push_back(dim.get<int64_t>());
  }
  return dims;
}

Expected<Range> parse_range(const Json& tensor, uint64_t data_bytes, const std::string& place) {
  const Json* offsets = find_member(tensor, "data_offsets");
  if (offsets == nullptr || !offsets->is_array() || offsets->size() != 2 || !(*offsets)[0].is_number_unsigned() ||
      !(*offsets)[1].is_number_unsigned()) {
    return corrupt_data(place + ": data_offsets is not a pair of positions");
  }
  const auto begin = (*offsets)[0].get<uint64_t>();
  const auto end = (*offsets)[1].get<uint64_t>();
  if (begin > end || end > data_bytes) {
    return corrupt_data(format("%s: bytes %llu to %llu lie outside the data of %llu bytes; is the download complete?",
                               place.c_str(), static_cast<unsigned long long>(begin),
                               static_cast<unsigned long long>(end), static_cast<unsigned long long>(data_bytes)));
  }
  return Range{begin, end, {}};
}

Expected<std::pair<SafeTensor, Range>> parse_tensor(const std::string& name, const Json& entry,
                                                    std::span<const std::byte> data) {
  const std::string place = "tensor " + quote(name);
  SafeTensor tensor;
  tensor.name = name;
  const Json* dtype = find_member(entry, "dtype");
  if (dtype == nullptr || !dtype->is_string()) return corrupt_data(place + ": no dtype");
  tensor.dtype_name = dtype->get<std::string>();
  const ElementType* type = find_type(tensor.dtype_name);
  if (type == nullptr) return unsupported(place + ": type " + quote(tensor.dtype_name) + " is not known");
  tensor.dtype = type->dtype;
  SACCADE_ASSIGN_OR_RETURN(tensor.dims, parse_dims(entry, place));
  tensor.num_elements = 1;
  for (const int64_t dim : tensor.dims) tensor.num_elements *= dim;
  SACCADE_ASSIGN_OR_RETURN(const Range range, parse_range(entry, data.size(), place));
  if (static_cast<uint64_t>(tensor.num_elements) * static_cast<uint64_t>(type->num_bytes) != range.end - range.begin) {
    return corrupt_data(format("%s: %s does not take %llu bytes", place.c_str(), tensor.to_string().c_str(),
                               static_cast<unsigned long long>(range.end - range.begin)));
  }
  tensor.data = data.data() + range.begin;
  return std::pair{std::move(tensor), range};
}

Status check_overlaps(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, [](const Range& range) { return std::pair{range.begin, range.end}; });
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin >= ranges[i - 1].end) continue;
    return corrupt_data("tensors " + quote(ranges[i - 1].name) + " and " + quote(ranges[i].name) +
                        " overlap in the file");
  }
  return {};
}

// The shards an index names, each once. Names with a path in them are refused: a checkpoint is one folder.
Expected<std::set<std::string>> read_index(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const Json index, read_json_object(path, kMaxIndexBytes));
  const Json* map = find_member(index, "weight_map");
  if (map == nullptr || !map->is_object() || map->empty()) return corrupt_data(path + ": no \"weight_map\"");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) return corrupt_data(path + ": the file of " + quote(tensor) + " is not a string");
    const auto& name = file.get_ref<const std::string&>();
    if (name.empty() || name.find('/') != std::string::npos || name.find('\\') != std::string::npos) {
      return corrupt_data(path + ": " + quote(name) + " is not the name of a file in this folder");
    }
    names.insert(name);
  }
  return names;
}

Status missing_weights(const std::string& dir) {
  if (!std::filesystem::is_directory(dir)) return not_found(dir + ": no such folder");
  const std::filesystem::path folder(dir);
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    return unsupported(dir + ": has pickled weights (" + name +
                       ") and no safetensors; save it with save_pretrained(..., safe_serialization=True) first");
  }
  return not_found(dir + ": neither model.safetensors nor model.safetensors.index.json is in this folder");
}

}  // namespace

std::string SafeTensor::to_string() const {
  std::string text = dtype_name + " [";
  for (size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + "]";
}

Expected<std::vector<SafeTensor>> parse_safetensors(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  const auto header_bytes = reader.read<uint64_t>();
  // Not before the header fails to be one: a header's length may look like another format's signature.
  if (bytes.size() <= 8 || bytes[8] != std::byte{'{'}) {
    const std::string kind = kind_of_foreign_file(bytes);
    if (!kind.empty()) return unsupported("not a safetensors file but " + kind);
  }
  if (!header_bytes) return corrupt_data(format("only %zu bytes; a safetensors file has at least 10", bytes.size()));
  if (*header_bytes > reader.num_left()) {
    return corrupt_data(
        format("header of %llu bytes at byte 0 does not fit the file of %zu bytes; is the download "
               "complete?",
               static_cast<unsigned long long>(*header_bytes), bytes.size()));
  }
  if (*header_bytes > kMaxHeaderBytes) {
    return resource_exhausted("a header of " + format_bytes(*header_bytes) + "; at most " +
                              format_bytes(kMaxHeaderBytes) + " are read");
  }
  auto header = parse_json_object(*reader.take(*header_bytes));
  if (!header) return header.status().with_context("header at byte 8");
  const auto data = bytes.subspan(reader.position());
  std::vector<SafeTensor> tensors;
  std::vector<Range> ranges;
  tensors.reserve(header->size());
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") continue;
    SACCADE_ASSIGN_OR_RETURN(auto parsed, parse_tensor(name, entry, data));
    tensors.push_back(std::move(parsed.first));
    parsed.second.name = tensors.back().name;
    if (parsed.second.begin != parsed.second.end) ranges.push_back(parsed.second);
  }
  SACCADE_RETURN_IF_ERROR(check_overlaps(std::move(ranges)));
  return tensors;
}

Status SafetensorsCheckpoint::add_file(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  auto tensors = parse_safetensors(file.bytes());
  if (!tensors) return tensors.status().with_context(path);
  for (SafeTensor& tensor : *tensors) {
    tensor.file_idx = files_.size();
    std::string name = tensor.name;
    if (!tensors_.emplace(std::move(name), std::move(tensor)).second) {
      return corrupt_data(path + ": a tensor of this file is in another shard too");
    }
  }
  files_.push_back(std::move(file));
  return {};
}

Expected<SafetensorsCheckpoint> SafetensorsCheckpoint::open(const std::string& dir) {
  const std::filesystem::path folder(dir);
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  const std::filesystem::path single = folder / "model.safetensors";
  SafetensorsCheckpoint checkpoint;
  std::error_code ignored;
  if (std::filesystem::exists(index, ignored)) {
    SACCADE_ASSIGN_OR_RETURN(const std::set<std::string> names, read_index(index.string()));
    for (const std::string& name : names) SACCADE_RETURN_IF_ERROR(checkpoint.add_file((folder / name).string()));
  } else if (std::filesystem::exists(single, ignored)) {
    SACCADE_RETURN_IF_ERROR(checkpoint.add_file(single.string()));
  } else {
    return missing_weights(dir);
  }
  return checkpoint;
}

uint64_t SafetensorsCheckpoint::file_bytes() const {
  uint64_t total = 0;
  for (const MappedFile& file : files_) total += file.bytes().size();
  return total;
}

}  // namespace saccade
