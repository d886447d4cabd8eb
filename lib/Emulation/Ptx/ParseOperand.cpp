// Operands of PTX instructions.
#include "Parser.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace rill::emu {

static bool parseHexBits(std::string_view digits, size_t count,
                         uint64_t &bits) {
  return digits.size() == count &&
         parseInteger("0x" + std::string(digits), bits);
}

Operand Parser::parseNumber(bool minus) {
  if (lex.peek().kind != Token::Number) {
    lex.fail("expected a number, found '" + std::string(lex.peek().text) + "'");
  }
  std::string_view s = lex.peek().text;
  Operand out;
  char second = s.size() > 2 && s[0] == '0' ? s[1] : 0;
  if ((second == 'f' || second == 'F') && s.size() == 10) {
    out.kind = Operand::Float;
    out.single = true;
    if (!parseHexBits(s.substr(2), 8, out.bits)) {
      lex.fail("malformed f32 literal '" + std::string(s) + "'");
    }
    out.bits ^= minus ? 0x80000000u : 0;
  } else if ((second == 'd' || second == 'D') && s.size() == 18) {
    out.kind = Operand::Float;
    if (!parseHexBits(s.substr(2), 16, out.bits)) {
      lex.fail("malformed f64 literal '" + std::string(s) + "'");
    }
    out.bits ^= minus ? uint64_t(1) << 63 : 0;
  } else if (parseInteger(s, out.bits)) {
    out.kind = Operand::Integer;
    out.bits = minus ? 0 - out.bits : out.bits;
  } else if (s.find('.') != std::string_view::npos ||
             s.find('e') != std::string_view::npos) {
    std::string text(s);
    char *end = nullptr;
    double d = std::strtod(text.c_str(), &end);
    if (*end) {
      lex.fail("malformed number '" + text + "'");
    }
    d = minus ? -d : d;
    out.kind = Operand::Float;
    std::memcpy(&out.bits, &d, 8);
  } else {
    lex.fail("malformed number '" + std::string(s) + "'");
  }
  lex.take();
  return out;
}

bool Parser::resolveRegister(std::string_view name, Operand &out) {
  size_t digits = name.size();
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') {
    --digits;
  }
  uint64_t number = 0;
  bool numbered = digits < name.size() && name.size() - digits < 10 &&
                  (name[digits] != '0' || digits + 1 == name.size());
  for (size_t i = digits; numbered && i < name.size(); ++i) {
    number = number * 10 + static_cast<uint64_t>(name[i] - '0');
  }
  for (int32_t s = static_cast<int32_t>(scope); s >= 0;
       s = scopes[static_cast<size_t>(s)].parent) {
    Scope &sc = scopes[static_cast<size_t>(s)];
    if (auto it = sc.registers.find(name); it != sc.registers.end()) {
      out.kind = Operand::Register;
      out.index = it->second;
      return true;
    }
    for (const Range &r : sc.ranges) {
      if (numbered && number < r.count && r.prefix == name.substr(0, digits)) {
        out.kind = Operand::Register;
        out.index = static_cast<uint32_t>(fn->registers.size());
        fn->registers.push_back({std::string(name), r.type});
        sc.registers[name] = out.index;
        return true;
      }
    }
  }
  return false;
}

bool Parser::resolveVariable(std::string_view name, Operand &out) {
  for (int32_t s = static_cast<int32_t>(scope); s >= 0;
       s = scopes[static_cast<size_t>(s)].parent) {
    Scope &sc = scopes[static_cast<size_t>(s)];
    if (auto it = sc.vars.find(name); it != sc.vars.end()) {
      out.kind = Operand::Variable;
      out.index = it->second;
      return true;
    }
  }
  if (auto it = module.varIndex.find(name); it != module.varIndex.end()) {
    out.kind = Operand::Variable;
    out.moduleVar = true;
    out.index = it->second;
    return true;
  }
  return false;
}

Operand Parser::parseWord() {
  Operand out;
  std::string_view name = lex.take().text;
  if (name == "_") {
    return out;
  }
  if (resolveRegister(name, out)) {
    return out;
  }
  if (!resolveVariable(name, out)) {
    out.kind = Operand::Name;
    out.name = name;
  }
  if (lex.accept('+')) {
    out.offset = lex.expectInteger("an offset");
  } else if (out.kind == Operand::Variable && lex.accept('[')) {
    // name[4]: an element's address.
    int64_t index = lex.expectInteger("an index");
    lex.expect(']');
    const Variable &var =
        out.moduleVar ? module.vars[out.index] : fn->vars[out.index];
    out.offset = static_cast<int64_t>(uint64_t(index) *
                                      std::max(1u, typeSize(var.type)));
  }
  return out;
}

Operand Parser::parseGroup(char close, Operand::Kind kind) {
  Operand out;
  out.kind = kind;
  if (lex.accept(close)) {
    return out;
  }
  do {
    out.items.push_back(parseOperand());
    if (out.items.size() > 512) {
      lex.fail("too many operands");
    }
  } while (lex.accept(','));
  lex.expect(close);
  return out;
}

Operand Parser::parseMemory() {
  Operand out;
  out.kind = Operand::Memory;
  out.items.push_back(parseOperand());
  Operand &base = out.items[0];
  if (base.kind == Operand::Vector || base.kind == Operand::Memory ||
      base.kind == Operand::List) {
    lex.fail("expected an address");
  }
  if (lex.accept('+')) {
    out.offset = lex.expectInteger("an offset");
  } else if (lex.isPunct('-')) {
    out.offset = lex.expectInteger("an offset");
  }
  out.offset =
      static_cast<int64_t>(uint64_t(out.offset) + uint64_t(base.offset));
  base.offset = 0;
  while (lex.accept(',')) {
    out.items.push_back(parseOperand());
    if (out.items.size() > 16) {
      lex.fail("too many address operands");
    }
  }
  lex.expect(']');
  return out;
}

Operand Parser::parsePrimary() {
  if (lex.accept('{')) {
    return parseGroup('}', Operand::Vector);
  }
  if (lex.accept('(')) {
    return parseGroup(')', Operand::List);
  }
  if (lex.accept('[')) {
    return parseMemory();
  }
  if (lex.accept('!')) {
    Operand out = parsePrimary();
    out.negated = !out.negated;
    return out;
  }
  if (lex.accept('-')) {
    return parseNumber(true);
  }
  if (lex.peek().kind == Token::Number) {
    return parseNumber(false);
  }
  if (lex.peek().kind == Token::Word) {
    return parseWord();
  }
  lex.fail("expected an operand, found '" + std::string(lex.peek().text) + "'");
}

Operand Parser::parseOperand() {
  if (++depth > 64) {
    lex.fail("operands are nested too deeply");
  }
  Operand first = parsePrimary();
  if (lex.accept('|')) {
    Operand pair;
    pair.kind = Operand::Pair;
    pair.items.push_back(std::move(first));
    pair.items.push_back(parsePrimary());
    first = std::move(pair);
  }
  --depth;
  return first;
}

} // namespace rill::emu
