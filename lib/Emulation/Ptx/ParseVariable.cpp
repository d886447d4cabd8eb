// Variable declarations of the PTX parser, with initialisers.
#include "Parser.h"

#include <algorithm>
#include <cstring>

namespace rill::emu {

/// No variable of a sane module is larger than this many bytes.
static constexpr uint64_t kMaxVariable = uint64_t(1) << 33;
/// Initialised data is kept in memory while parsing.
static constexpr uint64_t kMaxInit = uint64_t(1) << 28;

void Parser::parseTriple(uint32_t (&out)[3]) {
  for (uint32_t &v : out) {
    v = 1;
  }
  for (int i = 0; i < 3; ++i) {
    int64_t v = lex.expectInteger("a dimension");
    if (v < 1 || v > 0x7fffffff) {
      lex.fail("dimension out of range");
    }
    out[i] = static_cast<uint32_t>(v);
    if (!lex.accept(',')) {
      return;
    }
  }
}

uint64_t Parser::parseDims(Variable &var) {
  uint64_t count = 1;
  while (lex.accept('[')) {
    if (lex.accept(']')) {
      var.unsized = true;
      count = 0;
      continue;
    }
    int64_t n = lex.expectInteger("an array size");
    lex.expect(']');
    if (n < 0 || (n > 0 && count > kMaxVariable / uint64_t(n))) {
      lex.fail("array size out of range");
    }
    count *= static_cast<uint64_t>(n);
  }
  return count;
}

Variable Parser::parseVariableHead(Space space) {
  Variable var;
  var.space = space;
  var.line = lex.peek().line;
  uint64_t vector = 1, align = 0;
  while (var.type == Type::None) {
    std::string_view word = lex.expectWord("a type");
    if (word == ".align") {
      int64_t a = lex.expectInteger("an alignment");
      if (a < 1 || a > 1 << 20 || (a & (a - 1))) {
        lex.fail("alignment is no power of two");
      }
      align = static_cast<uint64_t>(a);
    } else if (word == ".v2" || word == ".v4" || word == ".v8") {
      vector = static_cast<uint64_t>(word[2] - '0');
    } else if (word == ".ptr") {
      continue;
    } else if (word == ".attribute") {
      lex.expect('(');
      while (!lex.accept(')')) {
        if (lex.take().kind == Token::End) {
          lex.fail("the attribute is not closed");
        }
      }
    } else if (word[0] == '.' &&
               (var.type = parseType(word.substr(1))) == Type::None) {
      lex.fail("unknown type '" + std::string(word) + "'");
    } else if (word[0] != '.') {
      lex.fail("expected a type, found '" + std::string(word) + "'");
    }
  }
  // `.param .u64 .ptr .global .align 16 name`: facts about the pointee.
  while (lex.peek().kind == Token::Word && lex.peek().text[0] == '.') {
    if (lex.take().text == ".align") {
      lex.expectInteger("an alignment");
    }
  }
  var.name = lex.expectWord("a variable name");
  uint64_t element = std::max(1u, typeSize(var.type)) * vector;
  uint64_t count = parseDims(var);
  if (count > kMaxVariable / element) {
    lex.fail("variable is too large");
  }
  var.size = element * count;
  var.align = std::max<uint64_t>(align, element);
  if (align) {
    var.align = align;
  }
  return var;
}

/// Writes one number or address of an initialiser at byte `at`.
void Parser::parseInitItem(Variable &var, uint64_t &at) {
  unsigned size = std::max(1u, typeSize(var.type));
  uint64_t bits = 0;
  if (lex.peek().kind == Token::Word) {
    std::string_view word = lex.take().text;
    Reloc reloc;
    reloc.at = at;
    reloc.size = static_cast<uint8_t>(std::min(size, 8u));
    if (word == "mask") {
      lex.fail("mask() initialisers are not supported");
    }
    if (word == "generic") {
      lex.expect('(');
      word = lex.expectWord("a symbol");
      if (lex.accept('+')) {
        reloc.addend = lex.expectInteger("an offset");
      }
      lex.expect(')');
    }
    if (lex.accept('+')) {
      reloc.addend += lex.expectInteger("an offset");
    }
    reloc.symbol = word;
    var.relocs.push_back(reloc);
  } else {
    bool minus = lex.accept('-');
    Operand value = parseNumber(minus);
    bits = value.bits;
    if (value.kind == Operand::Float && isFloat(var.type)) {
      double d = 0;
      float f = 0;
      if (value.single) {
        uint32_t low = static_cast<uint32_t>(bits);
        std::memcpy(&f, &low, 4);
        d = f;
      } else {
        std::memcpy(&d, &bits, 8);
        f = static_cast<float>(d);
      }
      if (var.type == Type::F32) {
        uint32_t low = 0;
        std::memcpy(&low, &f, 4);
        bits = low;
      } else if (var.type == Type::F64) {
        std::memcpy(&bits, &d, 8);
      }
    }
  }
  if (at + size > kMaxInit) {
    lex.fail("initialiser is too large");
  }
  if (at + size > var.init.size()) {
    var.init.resize(at + size);
  }
  std::memcpy(var.init.data() + at, &bits, std::min(size, 8u));
  at += size;
}

void Parser::parseInitializer(Variable &var) {
  uint64_t at = 0;
  int open = 0;
  do {
    while (lex.accept('{')) {
      ++open;
    }
    if (!lex.isPunct('}')) {
      parseInitItem(var, at);
    }
    while (open > 0 && lex.accept('}')) {
      --open;
    }
  } while (open > 0 && lex.accept(','));
  if (open != 0) {
    lex.fail("the initialiser is not closed");
  }
  if (var.unsized) {
    var.size = at;
    var.unsized = false;
  }
  if (at > var.size) {
    lex.fail("more initial values than elements");
  }
}

} // namespace rill::emu
