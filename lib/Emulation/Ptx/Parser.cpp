// Module level of the PTX parser: directives, functions, sections.
#include "Parser.h"

namespace rill::emu {

std::unique_ptr<Module> parsePtx(std::string text, std::string name) {
  auto module = std::make_unique<Module>();
  module->name = std::move(name);
  // A driver is handed a C string: whatever follows the first zero is none.
  if (size_t zero = text.find('\0'); zero != std::string::npos) {
    text.resize(zero);
  }
  module->text = std::move(text);
  Parser(*module).run();
  return module;
}

void Parser::run() {
  Linkage linkage;
  while (lex.peek().kind != Token::End) {
    if (lex.accept(';')) {
      continue;
    }
    std::string_view word = lex.expectWord("a directive");
    if (module.target.empty() && word != ".version" && word != ".target" &&
        word != ".file") {
      lex.fail("the text begins without .version and .target");
    }
    if (word == ".version") {
      parseVersion();
    } else if (word == ".target") {
      parseTarget();
    } else if (word == ".address_size") {
      if (lex.expectInteger("an address size") != 64) {
        lex.fail("only .address_size 64 is supported");
      }
    } else if (word == ".file") {
      parseFile();
    } else if (word == ".section") {
      skipSection();
    } else if (word == ".visible" || word == ".weak" || word == ".common") {
      linkage.external = false;
    } else if (word == ".extern") {
      linkage.external = true;
    } else if (word == ".global" || word == ".const" || word == ".shared") {
      Space space = word == ".global"  ? Space::Global
                    : word == ".const" ? Space::Const
                                       : Space::Shared;
      parseModuleVariable(space, linkage);
      linkage = Linkage();
    } else if (word == ".entry" || word == ".func") {
      parseFunction(word == ".entry");
      linkage = Linkage();
    } else if (word == ".pragma") {
      lex.take();
      lex.expect(';');
    } else {
      lex.fail("unknown directive '" + std::string(word) + "'");
    }
  }
  if (module.target.empty()) {
    lex.fail("the text has no .target");
  }
}

void Parser::parseVersion() {
  std::string_view text = lex.peek().text;
  size_t dot = text.find('.');
  uint64_t major = 0, minor = 0;
  if (lex.peek().kind != Token::Number || dot == std::string_view::npos ||
      !parseInteger(text.substr(0, dot), major) ||
      !parseInteger(text.substr(dot + 1), minor) || major > 99 || minor > 99) {
    lex.fail("expected a version like 9.0, found '" + std::string(text) + "'");
  }
  lex.take();
  module.versionMajor = static_cast<uint32_t>(major);
  module.versionMinor = static_cast<uint32_t>(minor);
}

void Parser::parseTarget() {
  module.target = lex.expectWord("a target such as sm_90");
  while (lex.accept(',')) {
    lex.expectWord("a target option");
  }
}

void Parser::parseFile() {
  int64_t index = lex.expectInteger("a file number");
  if (lex.peek().kind != Token::String) {
    lex.fail("expected a file name");
  }
  module.files[static_cast<uint32_t>(index)] = std::string(lex.take().text);
  while (lex.accept(',')) {
    lex.expectInteger("a time stamp or size");
  }
}

void Parser::skipSection() {
  lex.expectWord("a section name");
  lex.expect('{');
  while (!lex.accept('}')) {
    if (lex.peek().kind == Token::End) {
      lex.fail("the section is not closed");
    }
    lex.take();
  }
}

void Parser::parseModuleVariable(Space space, Linkage linkage) {
  Variable var = parseVariableHead(space);
  var.external = linkage.external;
  if (lex.accept('=')) {
    if (space == Space::Shared) {
      lex.fail("a shared variable cannot be initialised");
    }
    parseInitializer(var);
  }
  lex.expect(';');
  if (auto it = module.varIndex.find(var.name); it != module.varIndex.end()) {
    Variable &old = module.vars[it->second];
    if (!old.external) {
      lex.failAt("variable '" + std::string(var.name) + "' is defined twice",
                 var.line);
    }
    old = std::move(var);
    return;
  }
  module.varIndex[var.name] = static_cast<uint32_t>(module.vars.size());
  module.vars.push_back(std::move(var));
}

Variable Parser::parseParam() {
  if (!lex.acceptWord(".param")) {
    lex.fail("expected .param, found '" + std::string(lex.peek().text) + "'");
  }
  Variable var = parseVariableHead(Space::Param);
  if (var.size > 32764) {
    lex.failAt("parameter '" + std::string(var.name) +
                   "' is larger than 32764 bytes",
               var.line);
  }
  return var;
}

std::vector<Variable> Parser::parseParams() {
  std::vector<Variable> params;
  lex.expect('(');
  if (lex.accept(')')) {
    return params;
  }
  do {
    params.push_back(parseParam());
  } while (lex.accept(','));
  lex.expect(')');
  return params;
}

void Parser::parseFunctionDirectives(Function &f) {
  while (lex.peek().kind == Token::Word) {
    std::string_view word = lex.take().text;
    if (word == ".maxntid") {
      parseTriple(f.maxntid);
    } else if (word == ".reqntid") {
      parseTriple(f.reqntid);
    } else if (word == ".reqnctapercluster") {
      parseTriple(f.reqCluster);
    } else if (word == ".maxnreg") {
      f.maxnreg = static_cast<uint32_t>(lex.expectInteger("a register count"));
    } else if (word == ".minnctapersm" || word == ".maxnctapersm") {
      lex.expectInteger("a block count");
    } else if (word == ".maxclusterrank") {
      f.maxClusterRank =
          static_cast<uint32_t>(lex.expectInteger("a cluster size"));
    } else if (word == ".explicitcluster" || word == ".blocksareclusters") {
      f.explicitCluster = true;
    } else if (word == ".noreturn") {
      f.noReturn = true;
    } else if (word == ".pragma") {
      lex.take();
      lex.expect(';');
    } else if (word != ".abi_preserve" && word != ".abi_preserve_control" &&
               word != ".attribute") {
      lex.fail("unknown function directive '" + std::string(word) + "'");
    } else if (word == ".attribute") {
      lex.expect('(');
      while (!lex.accept(')')) {
        if (lex.take().kind == Token::End) {
          lex.fail("the attribute is not closed");
        }
      }
    } else {
      lex.expectInteger("a register count");
    }
  }
}

void Parser::parseFunction(bool kernel) {
  auto f = std::make_unique<Function>();
  f->isKernel = kernel;
  f->line = lex.peek().line;
  while (lex.isWord(".attribute") || lex.isWord(".noreturn")) {
    parseFunctionDirectives(*f);
  }
  if (!kernel && lex.isPunct('(')) {
    f->results = parseParams();
  }
  f->name = lex.expectWord("a function name");
  if (lex.isPunct('(')) {
    f->params = parseParams();
  }
  uint64_t bytes = 0;
  for (Variable &p : f->params) {
    bytes += p.size;
  }
  if (bytes > 32764) {
    lex.fail("the parameters of '" + std::string(f->name) +
             "' exceed 32764 bytes");
  }
  parseFunctionDirectives(*f);
  if (!lex.accept(';')) {
    f->hasBody = true;
    fn = f.get();
    parseBody(*f);
    fn = nullptr;
  }
  addFunction(std::move(f));
}

void Parser::addFunction(std::unique_ptr<Function> f) {
  auto it = module.functionIndex.find(f->name);
  if (it == module.functionIndex.end()) {
    module.functionIndex[f->name] =
        static_cast<uint32_t>(module.functions.size());
    module.functions.push_back(std::move(f));
    return;
  }
  std::unique_ptr<Function> &old = module.functions[it->second];
  if (old->hasBody && f->hasBody) {
    lex.failAt("function '" + std::string(f->name) + "' is defined twice",
               f->line);
  }
  if (f->hasBody) {
    old = std::move(f);
    it = module.functionIndex.find(old->name);
  }
}

} // namespace rill::emu
