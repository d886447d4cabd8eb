// The recursive-descent parser of PTX modules; see Ast.h for its result.
#ifndef LIB_EMULATION_PTX_PARSER_H
#define LIB_EMULATION_PTX_PARSER_H

#include "Lexer.h"

#include <algorithm>
#include <deque>

namespace rill::emu {

class Parser {
public:
  Parser(Module &module) : module(module), lex(module.text, module.name) {}
  void run();

private:
  struct Range {
    std::string_view prefix;
    uint32_t count;
    Type type;
  };
  /// One `{ ... }`: registers, variables and labels declared in it.
  struct Scope {
    int32_t parent = -1;
    std::unordered_map<std::string_view, uint32_t> registers, vars, labels;
    std::vector<Range> ranges;
  };
  struct LabelUse {
    uint32_t instruction, operand, scope;
  };
  struct Linkage {
    bool external = false;
  };

  // Module level (Parser.cpp)
  void parseVersion();
  void parseTarget();
  void parseFile();
  void skipSection();
  void parseModuleVariable(Space space, Linkage linkage);
  void parseFunction(bool kernel);
  void parseFunctionDirectives(Function &fn);
  void addFunction(std::unique_ptr<Function> fn);
  std::vector<Variable> parseParams();
  Variable parseParam();

  // Variables (ParseVariable.cpp)
  Variable parseVariableHead(Space space);
  void parseInitializer(Variable &var);
  void parseInitItem(Variable &var, uint64_t &at);
  uint64_t parseDims(Variable &var);
  void parseTriple(uint32_t (&out)[3]);

  // Bodies (ParseBody.cpp)
  void parseBody(Function &fn);
  void parseStatement();
  void parseScope();
  void parseRegisters();
  void parseLoc();
  void parseLocalVariable(Space space);
  void parseInstruction();
  void parseLabelled(std::string_view label);
  void parsePrototype(std::string_view label);
  void resolveLabels();
  bool resolveRegister(std::string_view name, Operand &out);
  bool resolveVariable(std::string_view name, Operand &out);
  void declare(std::unordered_map<std::string_view, uint32_t> &map,
               std::string_view name, uint32_t value, const char *what);

  // Operands (ParseOperand.cpp)
  Operand parseOperand();
  Operand parsePrimary();
  Operand parseNumber(bool minus);
  Operand parseWord();
  Operand parseGroup(char close, Operand::Kind kind);
  Operand parseMemory();

  Module &module;
  Lexer lex;
  Function *fn = nullptr;
  std::deque<Scope> scopes;
  uint32_t scope = 0;
  uint32_t depth = 0;
  SourceLoc loc;
  std::vector<LabelUse> labelUses;
  std::vector<std::pair<std::string_view,
                        std::pair<uint32_t, std::vector<std::string_view>>>>
      targetLists;
};

} // namespace rill::emu
#endif
