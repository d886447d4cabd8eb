// A PTX module as parsed: variables, functions, instructions with resolved
// registers, variables and labels. Nothing here knows how to execute.
#ifndef LIB_EMULATION_PTX_AST_H
#define LIB_EMULATION_PTX_AST_H

#include "Type.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rill::emu {

/// A PTX text that cannot be accepted; `what()` reads "FILE:LINE: reason".
struct PtxError : std::runtime_error {
  PtxError(const std::string &message, uint32_t line)
      : std::runtime_error(message), line(line) {}
  uint32_t line; ///< 1-based line in the PTX text
};

enum class Space : uint8_t { Generic, Global, Const, Shared, Local, Param };

struct Operand {
  enum Kind : uint8_t {
    Register, ///< `reg`
    Integer,  ///< `bits`
    Float,    ///< `bits`: f32 when `single`, else f64
    Variable, ///< `index` into Function::vars or Module::vars, plus `offset`
    Name,     ///< function, label, special register or keyword: `name`
    Vector,   ///< {items}
    List,     ///< (items) of a call
    Memory,   ///< [items[0] + offset {, items[1]...}]
    Pair,     ///< items[0] | items[1]
    Sink      ///< `_`
  };
  Kind kind = Sink;
  bool negated = false; ///< `!p`
  bool single = false;
  bool moduleVar = false; ///< Variable is module-level
  uint32_t index = 0;     ///< register, variable or resolved label target
  uint64_t bits = 0;
  int64_t offset = 0;
  std::string_view name;
  std::vector<Operand> items;
};

/// Where an instruction came from, by `.loc` (0 when unknown).
struct SourceLoc {
  uint32_t file = 0, line = 0, column = 0;
};

struct Instruction {
  std::string_view opcode;             ///< the whole dotted word
  std::vector<std::string_view> parts; ///< opcode split at dots
  std::vector<Operand> operands;
  int32_t predicate = -1; ///< register index
  bool predicateNegated = false;
  uint32_t line = 0; ///< 1-based line of the PTX text
  SourceLoc loc;

  /// Whether a modifier (without dot) stands in the opcode.
  bool has(std::string_view modifier) const {
    for (size_t i = 1; i < parts.size(); ++i) {
      if (parts[i] == modifier) {
        return true;
      }
    }
    return false;
  }
};

/// One relocation of an initialised variable: the address of a symbol.
struct Reloc {
  uint64_t at = 0;
  std::string_view symbol;
  int64_t addend = 0;
  uint8_t size = 8;
};

struct Variable {
  std::string_view name;
  Space space = Space::Global;
  Type type = Type::None;
  uint64_t size = 0; ///< bytes
  uint64_t align = 1;
  bool external = false;
  bool unsized = false; ///< `name[]`: dynamic shared memory
  std::vector<uint8_t> init;
  std::vector<Reloc> relocs;
  uint32_t line = 0;
};

struct RegisterInfo {
  std::string name;
  Type type = Type::None;
};

/// A `.callprototype`: the sizes of results and parameters.
struct Prototype {
  std::vector<Variable> results, params;
};

struct Function {
  std::string_view name;
  bool isKernel = false;
  bool hasBody = false;
  bool noReturn = false;
  std::vector<Variable> results, params;
  std::vector<Variable> vars; ///< locals, shared and call parameters
  std::vector<RegisterInfo> registers;
  std::vector<Instruction> code;
  std::unordered_map<std::string_view, Prototype> prototypes;
  std::unordered_map<std::string_view, std::vector<uint32_t>> branchTargets;
  uint32_t maxntid[3] = {0, 0, 0}; ///< 0: not given
  uint32_t reqntid[3] = {0, 0, 0};
  uint32_t reqCluster[3] = {0, 0, 0};
  uint32_t maxnreg = 0;
  uint32_t maxClusterRank = 0;
  bool explicitCluster = false;
  uint32_t line = 0;
};

struct Module {
  std::string name; ///< for messages: a file name or the module's number
  std::string text; ///< owns what every string_view points into
  uint32_t versionMajor = 0, versionMinor = 0;
  std::string_view target; ///< first word of `.target`
  std::vector<Variable> vars;
  std::vector<std::unique_ptr<Function>> functions;
  std::unordered_map<std::string_view, uint32_t> varIndex, functionIndex;
  std::unordered_map<uint32_t, std::string> files; ///< `.file` table

  const Function *find(std::string_view function) const {
    auto it = functionIndex.find(function);
    return it == functionIndex.end() ? nullptr : functions[it->second].get();
  }
};

/// Parses a whole PTX text. Throws PtxError; never anything else.
std::unique_ptr<Module> parsePtx(std::string text, std::string name);

} // namespace rill::emu
#endif
