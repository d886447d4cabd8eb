// Turns a parsed kernel and the functions it reaches into a Program.
#ifndef LIB_EMULATION_CORE_DECODER_H
#define LIB_EMULATION_CORE_DECODER_H

#include "Program.h"

#include <functional>

namespace rill::emu {

/// The device address of a module variable.
using AddressOf = std::function<uint64_t(uint32_t moduleVar)>;

/// Throws PtxError for whatever cannot be executed.
std::shared_ptr<Program> decodeKernel(const Module &module,
                                      const Function &kernel,
                                      const AddressOf &addressOf);

class Decoder;

/// One instruction being decoded: what a family's decode function sees.
class Decode {
public:
  Decode(Decoder &owner, const Function &fn, const Instruction &ast, Ins &ins,
         InsInfo &info)
      : owner(owner), fn(fn), ast(ast), ins(ins), info(info) {}

  Decoder &owner;
  const Function &fn;
  const Instruction &ast;
  Ins &ins;
  InsInfo &info;

  [[noreturn]] void fail(const std::string &reason) const;
  [[noreturn]] void unsupported() const { fail("unsupported instruction"); }
  bool has(std::string_view modifier) const { return ast.has(modifier); }
  size_t count() const { return ast.operands.size(); }
  const Operand &op(size_t i) const;
  /// Fails unless the instruction has `low` to `high` operands.
  void arity(size_t low, size_t high) const;
  /// The last modifier that is a type.
  Type type() const;
  /// The n-th modifier that is a type (0 = first), or None.
  Type typeAt(unsigned n) const;

  /// A register, constant or special register that is read as `type`.
  uint32_t src(const Operand &op, Type type);
  /// A register that is written; `_` gives a register nobody reads.
  uint32_t dst(const Operand &op, Type type);
  /// Both read and written (accumulators tied in place).
  uint32_t predicate(const Operand &op, bool &negated);
  uint32_t predicateOut(const Operand &op);
  /// A compile-time integer; fails on anything else.
  int64_t integer(const Operand &op) const;
  /// Bytes of a register operand; 0 for immediates.
  unsigned registerSize(const Operand &op) const;
  /// Base register in ins.a, offset in ins.imm, and the space.
  void address(const Operand &op, Space space);
  /// As address, for a second memory operand; returns the register.
  uint32_t addressOperand(const Operand &op, int64_t &offset);
  Space space() const;
  Semantics semantics() const;
  Scope scope() const;
  void finish(Handler handler, InsClass cls) {
    ins.run = handler;
    ins.cls = cls;
  }
};

using DecodeFn = void (*)(Decode &);
using OpTable = std::unordered_map<std::string_view, DecodeFn>;

// One per family of instructions, each in Ops/<Family>.cpp.
void addInteger(OpTable &table);
void addIntegerBits(OpTable &table);
void addFloat(OpTable &table);
void addHalf(OpTable &table);
void addConvert(OpTable &table);
void addCompare(OpTable &table);
void addMove(OpTable &table);
void addLoadStore(OpTable &table);
void addAtomic(OpTable &table);
void addControl(OpTable &table);
void addBarrier(OpTable &table);
void addCollective(OpTable &table);
void addMatrix(OpTable &table);
void addWgmma(OpTable &table);
void addAsync(OpTable &table);
void addMbarrier(OpTable &table);
void addTensor(OpTable &table);
void addCluster(OpTable &table);
void addSimd(OpTable &table);

/// Each decodes its instruction when the type is a float one, else answers
/// false and leaves the instruction alone.
bool decodeHalfArithmetic(Decode &d);
bool decodeFloatAddSub(Decode &d, bool subtract);
bool decodeFloatMul(Decode &d);
bool decodeFloatFma(Decode &d);
bool decodeFloatDiv(Decode &d);
bool decodeFloatMinMax(Decode &d, bool max);
bool decodeFloatUnary(Decode &d);
/// mov or cvta of a variable in a frame or of a kernel parameter.
bool decodeVariableAddress(Decode &d, bool generic);
/// red.async to a cluster's shared memory.
void decodeRedAsync(Decode &d);
/// cp.async.bulk and its relatives.
void decodeBulk(Decode &d);
/// prefetch.tensormap.
void decodeTensorPrefetch(Decode &d);

/// Replaces register numbers by offsets into the register file.
void allocateRegisters(Program &program, FunctionInfo &fn,
                       const std::vector<Type> &types, uint32_t base);

class Decoder {
public:
  Decoder(const Module &module, const Function &kernel, const AddressOf &a)
      : module(module), kernel(kernel), addressOf(a) {}
  std::shared_ptr<Program> run();

  uint32_t constant(uint64_t bits, bool wide);
  uint32_t special(std::string_view name);
  uint64_t variableAddress(const Function &fn, const Operand &op);
  /// Index of a function in the program, or -1 (declared only).
  int functionIndex(std::string_view name) const;
  uint32_t trash(bool wide);

  const Module &module;
  const Function &kernel;
  std::shared_ptr<Program> program;
  std::vector<Type> types; ///< of the function being decoded
  uint32_t functionNumber = 0;

private:
  void collect();
  void visit(const Function &fn, int depth);
  void layoutShared();
  void layoutFrames();
  void decodeFunction(uint32_t index);
  void patchFixed();
  void estimateRegisters();

  const AddressOf &addressOf;
  std::vector<const Function *> order;
  std::unordered_map<const Function *, int> state; ///< 1 open, 2 done
  std::unordered_map<const Function *, bool> recursive;
  std::unordered_map<uint32_t, uint64_t> moduleShared; ///< var -> address
  std::map<std::pair<const Function *, uint32_t>, uint64_t> localShared;
  std::map<std::pair<uint64_t, bool>, uint32_t> constants;
  std::unordered_map<std::string_view, uint32_t> specials;
  uint32_t dynamicBase = 0;
  std::vector<uint32_t> trashRegs;
};

constexpr uint32_t kFixedBit = 0x80000000u;

} // namespace rill::emu
#endif
