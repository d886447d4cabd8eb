// A kernel decoded for execution: handlers, register offsets, constants.
#ifndef LIB_EMULATION_CORE_PROGRAM_H
#define LIB_EMULATION_CORE_PROGRAM_H

#include "../Ptx/Ast.h"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace rill::emu {

using Mask = uint32_t; ///< one bit per lane of a warp
constexpr Mask kAllLanes = ~Mask(0);
constexpr int kLanes = 32;
constexpr uint32_t kNoReg = ~0u;

struct Warp;
struct Ins;

/// What the scheduler does with the lanes that ran an instruction.
enum class Step : uint8_t {
  Next,  ///< go on with the following instruction
  Park,  ///< stay here: the instruction cannot run yet
  Jump,  ///< the handler has moved the lanes itself
  Yield, ///< go on, but end the warp's turn (a spin read)
  Block  ///< stay here as a waiter; the handler registered the lanes
};

using Handler = Step (*)(Warp &, const Ins &, Mask);

/// Classes for counters and for deciding what counts as progress.
enum class InsClass : uint8_t {
  Integer,
  Float,
  Half,
  Double,
  Convert,
  Move,
  Compare,
  Control,
  Load,
  Store,
  Atomic,
  SharedLoad,
  SharedStore,
  LocalAccess,
  ParamAccess,
  Collective,
  Matrix,
  Async,
  Barrier,
  Fence,
  Special,
  Count
};
const char *className(InsClass c);

enum class Semantics : uint8_t { Weak, Relaxed, Acquire, Release, AcqRel };
enum class Scope : uint8_t { Cta, Cluster, Gpu, Sys };

/// One decoded instruction. `d a b c` are register numbers while decoding
/// and byte offsets into the warp's register file afterwards.
struct Ins {
  Handler run = nullptr;
  uint32_t d = kNoReg, a = kNoReg, b = kNoReg, c = kNoReg;
  int64_t imm = 0;
  uint32_t predicate = kNoReg;
  bool predicateNegated = false;
  InsClass cls = InsClass::Integer;
  Space space = Space::Generic;
  uint8_t size = 0;  ///< bytes of one element
  uint8_t count = 1; ///< elements
  Semantics sem = Semantics::Weak;
  Scope scope = Scope::Gpu;
  uint8_t mode = 0; ///< meaning is the handler's
  bool flag = false, flag2 = false;
  bool wideBase = true; ///< the address register is 64 bits wide
  uint32_t target = 0;
  uint32_t info = 0; ///< index into Program::infos
};

/// What only slow paths and reports need.
struct InsInfo {
  const Instruction *ast = nullptr;
  const Function *function = nullptr;
  std::vector<uint32_t> regs;          ///< further operands, mapped like Ins::d
  std::vector<uint32_t> regs2;         ///< a second list where one is needed
  std::vector<uint32_t> reads, writes; ///< register numbers, for liveness
  std::vector<int64_t> ints;
};

/// Where a function stands in the program.
struct FunctionInfo {
  const Function *ast = nullptr;
  uint32_t entry = 0, end = 0;     ///< pc range
  uint32_t window = 0;             ///< first byte of its registers
  uint32_t windowSize = 0;         ///< bytes
  uint32_t slots[4] = {};          ///< predicates, 4-, 8- and 16-byte slots
  uint32_t frameSize = 0;          ///< bytes of local memory
  bool recursive = false;          ///< may be entered while active
  uint32_t liveWords = 0;          ///< 32-bit registers alive at once, at most
  std::vector<uint32_t> varOffset; ///< by Function::vars index
};

/// Values that are not ordinary registers but live in register slots.
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NwarpId,
  SmId,
  NsmId,
  GridId,
  LaneMaskEq,
  LaneMaskLt,
  LaneMaskLe,
  LaneMaskGt,
  LaneMaskGe,
  ClusterIdX,
  ClusterIdY,
  ClusterIdZ,
  NclusterIdX,
  NclusterIdY,
  NclusterIdZ,
  ClusterCtaIdX,
  ClusterCtaIdY,
  ClusterCtaIdZ,
  ClusterNctaIdX,
  ClusterNctaIdY,
  ClusterNctaIdZ,
  ClusterCtaRank,
  ClusterNctaRank,
  IsExplicitCluster,
  DynamicSmemSize,
  TotalSmemSize,
  AggrSmemSize,
  ReservedSmemBegin,
  ReservedSmemEnd,
  ReservedSmemCap,
  None
};

struct FixedSlot {
  uint32_t offset = 0;
  Special special = Special::None;
  bool wide = false;
  uint64_t bits = 0; ///< the constant when special is None
};

struct Program {
  const Module *module = nullptr;
  const Function *kernel = nullptr;
  std::vector<Ins> code;
  std::vector<InsInfo> infos;
  std::vector<FunctionInfo> functions;
  std::vector<FixedSlot> fixed; ///< constants and special registers
  std::vector<int> codeIndex;   ///< Module::functions index -> functions or -1
  uint32_t registerBytes = 0;   ///< of one warp
  uint32_t entry = 0;
  uint32_t staticShared = 0; ///< bytes, from kSharedBase
  uint32_t paramBytes = 0;   ///< of the kernel
  std::vector<uint32_t> paramOffset;
  uint32_t maxFrame = 0;
  /// What a thread needs by our own liveness, for occupancy where nobody says
  /// what ptxas chose.
  uint32_t registerEstimate = 16;
  bool usesCluster = false;

  uint32_t lineOf(uint32_t pc) const {
    return pc < code.size() ? infos[code[pc].info].ast->line : 0;
  }
};

/// The address where shared variables begin, as on sm_90: the first 1024
/// bytes belong to the system.
constexpr uint32_t kSharedBase = 1024;

} // namespace rill::emu
#endif
