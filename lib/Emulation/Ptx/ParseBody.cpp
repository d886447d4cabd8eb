// Function bodies of the PTX parser: scopes, labels, statements.
#include "Parser.h"

namespace rill::emu {

void Parser::declare(std::unordered_map<std::string_view, uint32_t> &map,
                     std::string_view name, uint32_t value, const char *what) {
  if (!map.emplace(name, value).second) {
    lex.fail(std::string(what) + " '" + std::string(name) +
             "' is declared twice in one scope");
  }
}

void Parser::parseRegisters() {
  std::string_view word = lex.expectWord("a register type");
  if (word == ".v2" || word == ".v4") {
    lex.fail("vector registers are not supported");
  }
  Type type = word.size() > 1 ? parseType(word.substr(1)) : Type::None;
  if (type == Type::None) {
    lex.fail("unknown register type '" + std::string(word) + "'");
  }
  do {
    std::string_view name = lex.expectWord("a register name");
    Scope &sc = scopes[scope];
    if (lex.accept('<')) {
      int64_t count = lex.expectInteger("a register count");
      lex.expect('>');
      if (count < 0 || count > 1 << 24) {
        lex.fail("register count out of range");
      }
      sc.ranges.push_back({name, static_cast<uint32_t>(count), type});
    } else {
      declare(sc.registers, name, static_cast<uint32_t>(fn->registers.size()),
              "register");
      fn->registers.push_back({std::string(name), type});
    }
  } while (lex.accept(','));
  lex.expect(';');
}

void Parser::parseLoc() {
  loc.file = static_cast<uint32_t>(lex.expectInteger("a file number"));
  loc.line = static_cast<uint32_t>(lex.expectInteger("a line"));
  loc.column = static_cast<uint32_t>(lex.expectInteger("a column"));
  if (!lex.accept(',')) {
    return;
  }
  // , function_name LABEL [+ OFFSET], inlined_at FILE LINE COLUMN
  if (!lex.acceptWord("function_name")) {
    lex.fail("expected function_name");
  }
  lex.expectWord("a label");
  if (lex.accept('+')) {
    lex.expectInteger("an offset");
  }
  lex.expect(',');
  if (!lex.acceptWord("inlined_at")) {
    lex.fail("expected inlined_at");
  }
  for (int i = 0; i < 3; ++i) {
    lex.expectInteger("a position");
  }
}

void Parser::parseLocalVariable(Space space) {
  do {
    Variable var = parseVariableHead(space);
    declare(scopes[scope].vars, var.name,
            static_cast<uint32_t>(fn->vars.size()), "variable");
    fn->vars.push_back(std::move(var));
  } while (lex.accept(','));
  lex.expect(';');
}

void Parser::parsePrototype(std::string_view label) {
  Prototype proto;
  if (lex.isPunct('(')) {
    proto.results = parseParams();
  }
  lex.expectWord("_");
  if (lex.isPunct('(')) {
    proto.params = parseParams();
  }
  while (lex.peek().kind == Token::Word) {
    std::string_view word = lex.take().text;
    if (word != ".noreturn" && word != ".abi_preserve" &&
        word != ".abi_preserve_control") {
      lex.fail("unknown prototype directive '" + std::string(word) + "'");
    }
    if (word != ".noreturn") {
      lex.expectInteger("a register count");
    }
  }
  lex.expect(';');
  fn->prototypes[label] = std::move(proto);
}

void Parser::parseLabelled(std::string_view label) {
  if (lex.acceptWord(".callprototype")) {
    parsePrototype(label);
  } else if (lex.isWord(".branchtargets") || lex.isWord(".calltargets")) {
    bool branches = lex.take().text == ".branchtargets";
    std::vector<std::string_view> names;
    do {
      names.push_back(lex.expectWord("a label"));
    } while (lex.accept(','));
    lex.expect(';');
    if (branches) {
      targetLists.push_back({label, {scope, std::move(names)}});
    }
  } else {
    declare(scopes[scope].labels, label, static_cast<uint32_t>(fn->code.size()),
            "label");
  }
}

void Parser::parseInstruction() {
  Instruction ins;
  ins.line = lex.peek().line;
  ins.loc = loc;
  if (lex.accept('@')) {
    ins.predicateNegated = lex.accept('!');
    Operand p;
    std::string_view name = lex.expectWord("a predicate");
    if (!resolveRegister(name, p) ||
        fn->registers[p.index].type != Type::Pred) {
      lex.fail("'" + std::string(name) + "' is no predicate register");
    }
    ins.predicate = static_cast<int32_t>(p.index);
  }
  ins.opcode = lex.expectWord("an instruction");
  std::string_view rest = ins.opcode;
  while (true) {
    size_t dot = rest.find('.');
    ins.parts.push_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) {
      break;
    }
    rest = rest.substr(dot + 1);
  }
  if (!lex.isPunct(';')) {
    do {
      ins.operands.push_back(parseOperand());
      if (ins.operands.size() > 16) {
        lex.fail("too many operands");
      }
    } while (lex.accept(','));
  }
  lex.expect(';');
  for (uint32_t i = 0; i < ins.operands.size(); ++i) {
    if (ins.operands[i].kind == Operand::Name) {
      labelUses.push_back({static_cast<uint32_t>(fn->code.size()), i, scope});
    }
  }
  if (fn->code.size() > 4000000) {
    lex.fail("function is too long");
  }
  fn->code.push_back(std::move(ins));
}

void Parser::parseScope() {
  if (scopes.size() > 100000 || ++depth > 200) {
    lex.fail("too many nested scopes");
  }
  lex.take();
  Scope inner;
  inner.parent = static_cast<int32_t>(scope);
  uint32_t outer = scope;
  scope = static_cast<uint32_t>(scopes.size());
  scopes.push_back(std::move(inner));
  while (!lex.accept('}')) {
    parseStatement();
  }
  scope = outer;
  --depth;
}

void Parser::parseStatement() {
  if (lex.accept(';')) {
    return;
  }
  if (lex.isPunct('{')) {
    return parseScope();
  }
  if (lex.isPunct('@')) {
    return parseInstruction();
  }
  if (lex.peek().kind != Token::Word) {
    lex.fail("expected a statement, found '" + std::string(lex.peek().text) +
             "'");
  }
  std::string_view word = lex.peek().text;
  if (word == ".reg") {
    lex.take();
    return parseRegisters();
  }
  if (word == ".local" || word == ".shared" || word == ".param") {
    lex.take();
    return parseLocalVariable(word == ".local"    ? Space::Local
                              : word == ".shared" ? Space::Shared
                                                  : Space::Param);
  }
  if (word == ".loc") {
    lex.take();
    return parseLoc();
  }
  if (word == ".pragma") {
    lex.take();
    lex.take();
    lex.expect(';');
    return;
  }
  if (word == ".file") {
    lex.take();
    return parseFile();
  }
  if (word[0] == '.') {
    lex.fail("unknown directive '" + std::string(word) + "'");
  }
  // A label is a word and a colon; only the next token tells.
  Lexer saved = lex;
  lex.take();
  if (lex.accept(':')) {
    return parseLabelled(word);
  }
  lex = saved;
  parseInstruction();
}

void Parser::resolveLabels() {
  auto lookup = [&](std::string_view name, uint32_t from, uint32_t &target) {
    for (int32_t s = static_cast<int32_t>(from); s >= 0;
         s = scopes[static_cast<size_t>(s)].parent) {
      auto &labels = scopes[static_cast<size_t>(s)].labels;
      if (auto it = labels.find(name); it != labels.end()) {
        target = it->second;
        return true;
      }
    }
    return false;
  };
  for (const LabelUse &use : labelUses) {
    Instruction &ins = fn->code[use.instruction];
    Operand &op = ins.operands[use.operand];
    bool found = lookup(op.name, use.scope, op.index);
    if (!found && ins.parts[0] == "bra") {
      lex.failAt("label '" + std::string(op.name) + "' is not defined",
                 ins.line);
    }
  }
  for (auto &[label, list] : targetLists) {
    std::vector<uint32_t> targets;
    for (std::string_view name : list.second) {
      uint32_t target = 0;
      if (!lookup(name, list.first, target)) {
        lex.failAt("label '" + std::string(name) + "' is not defined",
                   fn->line);
      }
      targets.push_back(target);
    }
    fn->branchTargets[label] = std::move(targets);
  }
}

void Parser::parseBody(Function &f) {
  scopes.clear();
  labelUses.clear();
  targetLists.clear();
  loc = SourceLoc();
  scopes.emplace_back();
  scope = 0;
  for (auto *list : {&f.results, &f.params}) {
    for (Variable &p : *list) {
      declare(scopes[0].vars, p.name, static_cast<uint32_t>(f.vars.size()),
              "parameter");
      f.vars.push_back(p);
    }
  }
  lex.expect('{');
  while (!lex.accept('}')) {
    if (lex.peek().kind == Token::End) {
      lex.fail("function '" + std::string(f.name) + "' is not closed");
    }
    parseStatement();
  }
  resolveLabels();
}

} // namespace rill::emu
