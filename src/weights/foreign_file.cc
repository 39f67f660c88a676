#include "weights/foreign_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/format.h"

namespace saccade {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view magic;
  std::string_view meaning;
};

constexpr std::string_view kPicture = "give pictures with --image";
constexpr std::string_view kConvertFolder = "convert the folder it is in with `saccade convert FOLDER OUT.gguf`";
constexpr std::string_view kTorch = "save the checkpoint as safetensors, then `saccade convert FOLDER OUT.gguf`";

constexpr std::array kSignatures = {
    Signature{"\xff\xd8\xff"sv, "a JPEG picture"},
    Signature{"\x89PNG"sv, "a PNG picture"},
    Signature{"GIF8"sv, "a GIF picture"},
    Signature{"RIFF"sv, "a WebP picture or another RIFF file"},
    Signature{"%PDF"sv, "a PDF document"},
    Signature{"PK\x03\x04"sv, "a zip archive, as PyTorch checkpoints are"},
    Signature{"\x80\x02"sv, "a Python pickle, as PyTorch checkpoints are"},
    Signature{"\x80\x03"sv, "a Python pickle, as PyTorch checkpoints are"},
    Signature{"\x80\x04"sv, "a Python pickle, as PyTorch checkpoints are"},
    Signature{"\x80\x05"sv, "a Python pickle, as PyTorch checkpoints are"},
    Signature{"\x1f\x8b"sv, "a gzip archive; unpack it first"},
    Signature{"\x28\xb5\x2f\xfd"sv, "a zstd archive; unpack it first"},
    Signature{"\x7f"
              "ELF"sv,
              "a program"},
    Signature{"lmgg"sv, "a ggml file from before GGUF; find a newer download of the model"},
    Signature{"fmgg"sv, "a ggml file from before GGUF; find a newer download of the model"},
    Signature{"tjgg"sv, "a ggml file from before GGUF; find a newer download of the model"},
    Signature{"FUGG"sv, "a byte-swapped GGUF file; only little-endian files are read"},
    Signature{"version https://git-lfs"sv,
              "a Git LFS pointer; run `git lfs pull` in its folder to get the file itself"},
    Signature{"<!DOCTYPE"sv, "a web page; the download went wrong"},
    Signature{"<!doctype"sv, "a web page; the download went wrong"},
    Signature{"<html"sv, "a web page; the download went wrong"},
};

// Safetensors: the header's length in 8 bytes, then JSON.
bool is_safetensors(std::string_view text) {
  if (text.size() < 10) return false;
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, text.data(), sizeof(header_bytes));
  return header_bytes >= 2 && header_bytes <= (100u << 20) && text[8] == '{';
}

bool is_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t';
  });
}

std::string_view advice_for(std::string_view meaning) {
  if (meaning.find("picture") != std::string_view::npos) return kPicture;
  if (meaning.find("PyTorch") != std::string_view::npos) return kTorch;
  return {};
}

std::string_view first_bytes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 256)};
}

std::string meaning_of(std::span<const std::byte> bytes) {
  if (std::string kind = kind_of_foreign_file(bytes); !kind.empty()) return kind;
  const std::string_view text = first_bytes(bytes);
  if ("GGUF"sv.starts_with(text)) return "the first bytes of a GGUF file; the download is not complete";
  if (is_safetensors(text)) return std::string("a safetensors checkpoint; ").append(kConvertFolder);
  if (std::ranges::all_of(text, [](char c) { return c == '\0'; })) return "zeros; the download is not complete";
  if (is_text(text) && text.front() == '{') {
    return std::string("a JSON file; if it is of a checkpoint, ").append(kConvertFolder);
  }
  if (is_text(text)) return "a text file";
  return "of no format known here";
}

}  // namespace

std::string describe_foreign_file(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "it is empty";
  return "starts with " + quote(first_bytes(bytes).substr(0, 8), 8) + ": " + meaning_of(bytes);
}

std::string kind_of_foreign_file(std::span<const std::byte> bytes) {
  for (const Signature& signature : kSignatures) {
    if (!first_bytes(bytes).starts_with(signature.magic)) continue;
    std::string meaning(signature.meaning);
    if (const auto advice = advice_for(meaning); !advice.empty()) meaning.append("; ").append(advice);
    return meaning;
  }
  return {};
}

Status model_is_a_folder(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::path(path) / "config.json", ignored)) {
    return unsupported(path + ": a folder with a Hugging Face checkpoint; make a model file of it first: " +
                       "`saccade convert " + path + " OUT.gguf`");
  }
  return io_error(path + ": is a directory, not a file; give the .gguf file in it");
}

}  // namespace saccade
