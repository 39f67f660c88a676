#include "npy.h"

#include <cstdint>
#include <fstream>

namespace saccade::parity {

Status write_npy(const std::string& path, const Tensor& tensor) {
  std::string shape = "(";
  for (int dim = 0; dim < tensor.shape().rank(); ++dim) shape += std::to_string(tensor.shape()[dim]) + ",";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "), }";
  // Magic, version 1.0 and the header's length take 10 bytes; all of it together is a multiple of 64, a newline last.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  const auto length = static_cast<uint16_t>(header.size());
  file << "\x93NUMPY\x01" << '\0' << static_cast<char>(length & 0xff) << static_cast<char>(length >> 8) << header;
  file.write(reinterpret_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.view().num_bytes()));
  return file.good() ? Status() : io_error(path + ": can't be written");
}

}  // namespace saccade::parity
