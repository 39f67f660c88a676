// For this folder's tests: the golden files that tools/parity/pixels.py writes, and the pictures it draws.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/testing/tab_separated.h"
#include "media/image.h"

namespace saccade {

inline std::string golden_path(const std::string& name) {
  return std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/pixels/" + name;
}

inline std::vector<std::byte> read_golden(const std::string& name) {
  std::ifstream in(golden_path(name), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

/// The rows of a .tsv file, without its comments.
inline std::vector<std::vector<std::string>> read_golden_table(const std::string& name) {
  return read_tab_separated(golden_path(name));
}

inline uint32_t crc_of(const void* data, size_t num_bytes) {
  return static_cast<uint32_t>(crc32_z(0, static_cast<const Bytef*>(data), num_bytes));
}

inline uint32_t crc_of(const Image& image) {
  return crc_of(image.rgb.data(), image.rgb.size());
}

inline uint32_t crc_in(const std::string& cell) {
  return static_cast<uint32_t>(std::stoul(cell, nullptr, 16));
}

/// A slope with hashed noise on it; the same as synthetic_picture() of tools/parity/pixels.py.
inline Image synthetic_picture(int width, int height) {
  Image image = make_image({width, height});
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (uint32_t c = 0; c < 3; ++c) {
        const auto ux = static_cast<uint32_t>(x);
        const auto uy = static_cast<uint32_t>(y);
        const uint32_t place = (ux * 73856093u) ^ (uy * 19349663u) ^ (c * 83492791u);
        const uint32_t noise = (place ^ (place >> 15)) * 739982445u;
        const uint32_t slope =
            (ux * 151u / static_cast<uint32_t>(width) + uy * 40u / static_cast<uint32_t>(height) + c * 10u) % 192u;
        image.pixel(x, y)[c] = static_cast<uint8_t>(slope + ((noise >> 20) & 63u));
      }
    }
  }
  return image;
}

}  // namespace saccade
