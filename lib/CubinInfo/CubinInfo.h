// What a compiled kernel needs, without a GPU: ptxas logs, cubins, occupancy.
#ifndef LIB_CUBININFO_CUBININFO_H
#define LIB_CUBININFO_CUBININFO_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rill::cubin {

/// What `ptxas -v` says about one kernel. Bytes and counts; -1: not said.
struct PtxasKernel {
  std::string name, chip;
  int registers = -1, barriers = -1, shared = -1, stack = -1;
  int spillStores = -1, spillLoads = -1;
};

struct PtxasLog {
  std::vector<PtxasKernel> kernels;
  /// Codes such as C7514 (wgmma serialised), with their whole line.
  std::vector<std::pair<std::string, std::string>> warnings;
};
PtxasLog parsePtxasLog(std::string_view log);

/// Kinds of SASS instructions that tests of kernels ask about.
enum class Sass : uint8_t {
  Hmma,
  Wgmma,
  Ldsm,
  LoadGlobal,
  StoreGlobal,
  LoadShared,
  StoreShared,
  LoadLocal,
  StoreLocal,
  CpAsync,
  Barrier,
  Shuffle,
  Ffma,
  Mufu,
  Atomic,
  TensorLoad,
  TensorStore,
  Nop,
  Other
};
const char *sassName(Sass s);
/// The kind of an opcode (low 12 bits of an instruction's first word).
Sass sassOf(uint32_t opcode);

struct CubinKernel {
  std::string name;
  int registers = 0; ///< of a thread
  int shared = 0;    ///< static, bytes, without what the system reserves
  int stack = 0;     ///< bytes of the stack frame
  uint64_t codeBytes = 0;
  std::map<uint32_t, uint64_t> opcodes; ///< 12-bit opcode -> count
  std::map<Sass, uint64_t> histogram;
};

struct Cubin {
  std::vector<CubinKernel> kernels;
};

/// Reads an ELF64 cubin; false (with a reason) when the bytes are none.
bool readCubin(std::string_view bytes, Cubin &out, std::string &error);

/// Limits of one multiprocessor.
struct SmLimits {
  int threads = 2048, blocks = 32, registers = 65536;
  int shared = 233472, sharedReserved = 1024; ///< bytes; reserved per block
};
struct BlockNeeds {
  int threads = 0, registersPerThread = 0, shared = 0;
};
/// Blocks that fit at once; 0 when one does not fit.
int occupancy(const SmLimits &sm, const BlockNeeds &block);

} // namespace rill::cubin
#endif
