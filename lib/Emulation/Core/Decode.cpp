// Operand helpers that the families' decode functions share.
#include "Address.h"
#include "Decoder.h"

#include <cstring>

namespace rill::emu {

void Decode::fail(const std::string &reason) const {
  throw PtxError(owner.module.name + ":" + std::to_string(ast.line) + ": " +
                     reason + " in '" + std::string(ast.opcode) + "'",
                 ast.line);
}

const Operand &Decode::op(size_t i) const {
  if (i >= ast.operands.size()) {
    fail("operand " + std::to_string(i + 1) + " is missing");
  }
  return ast.operands[i];
}

void Decode::arity(size_t low, size_t high) const {
  if (count() < low || count() > high) {
    fail("has " + std::to_string(count()) + " operands, expected " +
         std::to_string(low) +
         (high > low ? " to " + std::to_string(high) : ""));
  }
}

Type Decode::typeAt(unsigned n) const {
  for (size_t i = 1; i < ast.parts.size(); ++i) {
    Type t = parseType(ast.parts[i]);
    if (t != Type::None && n-- == 0) {
      return t;
    }
  }
  return Type::None;
}

Type Decode::type() const {
  for (size_t i = ast.parts.size(); i-- > 1;) {
    Type t = parseType(ast.parts[i]);
    if (t != Type::None) {
      return t;
    }
  }
  fail("has no type");
}

unsigned Decode::registerSize(const Operand &o) const {
  return o.kind == Operand::Register ? typeSize(owner.types[o.index]) : 0;
}

/// The bits of an immediate read as `type`.
static uint64_t immediateBits(const Operand &o, Type type) {
  if (o.kind != Operand::Float) {
    return o.bits;
  }
  if (o.single && type == Type::F64) {
    uint32_t low = static_cast<uint32_t>(o.bits);
    float f = 0;
    std::memcpy(&f, &low, 4);
    double d = f;
    uint64_t bits = 0;
    std::memcpy(&bits, &d, 8);
    return bits;
  }
  if (!o.single && type == Type::F32) {
    double d = 0;
    std::memcpy(&d, &o.bits, 8);
    float f = static_cast<float>(d);
    uint32_t bits = 0;
    std::memcpy(&bits, &f, 4);
    return bits;
  }
  return o.bits;
}

uint32_t Decode::src(const Operand &o, Type type) {
  bool wide = typeSize(type) == 8;
  switch (o.kind) {
  case Operand::Register:
    if (owner.types[o.index] == Type::Pred) {
      fail("predicate where a value is expected");
    }
    // Reading 8 bytes of a 4-byte slot would read the neighbour lane's.
    if ((registerSize(o) >= 8) != wide && type != Type::None &&
        typeSize(type) != 16) {
      fail("register '" + fn.registers[o.index].name + "' has " +
           std::to_string(registerSize(o)) + " bytes, the type has " +
           std::to_string(typeSize(type)));
    }
    info.reads.push_back(o.index);
    return o.index;
  case Operand::Integer:
  case Operand::Float:
    return owner.constant(immediateBits(o, type), wide);
  case Operand::Variable: {
    const Variable &var =
        o.moduleVar ? owner.module.vars[o.index] : fn.vars[o.index];
    bool framed = !o.moduleVar && var.space != Space::Shared;
    if (framed) {
      fail("address of '" + std::string(var.name) + "' as an operand");
    }
    return owner.constant(owner.variableAddress(fn, o), wide);
  }
  case Operand::Name: {
    if (o.name == "WARP_SZ") {
      return owner.constant(32, wide);
    }
    uint32_t slot = owner.special(o.name);
    if (slot == kNoReg) {
      fail("unknown name '" + std::string(o.name) + "'");
    }
    if (wide) {
      fail("64-bit use of '" + std::string(o.name) + "'");
    }
    return slot;
  }
  default:
    fail("unexpected operand");
  }
}

uint32_t Decode::dst(const Operand &o, Type type) {
  if (o.kind == Operand::Sink) {
    return owner.trash(typeSize(type) >= 8);
  }
  if (o.kind != Operand::Register || owner.types[o.index] == Type::Pred) {
    fail("the destination is no register");
  }
  unsigned size = registerSize(o);
  if ((size >= 8) != (typeSize(type) >= 8) || size < typeSize(type)) {
    fail("register '" + fn.registers[o.index].name + "' has " +
         std::to_string(size) + " bytes, the result has " +
         std::to_string(typeSize(type)));
  }
  info.writes.push_back(o.index);
  return o.index;
}

uint32_t Decode::predicate(const Operand &o, bool &negated) {
  if (o.kind != Operand::Register || owner.types[o.index] != Type::Pred) {
    fail("expected a predicate register");
  }
  negated = o.negated;
  info.reads.push_back(o.index);
  return o.index;
}

uint32_t Decode::predicateOut(const Operand &o) {
  if (o.kind == Operand::Sink) {
    owner.types.push_back(Type::Pred);
    return static_cast<uint32_t>(owner.types.size() - 1);
  }
  if (o.kind != Operand::Register || owner.types[o.index] != Type::Pred) {
    fail("expected a predicate register");
  }
  info.writes.push_back(o.index);
  return o.index;
}

int64_t Decode::integer(const Operand &o) const {
  if (o.kind != Operand::Integer) {
    fail("expected an integer constant");
  }
  return static_cast<int64_t>(o.bits);
}

uint32_t Decode::addressOperand(const Operand &o, int64_t &offset) {
  const Operand *base = &o;
  offset = 0;
  if (o.kind == Operand::Memory) {
    base = &o.items[0];
    offset = o.offset;
  }
  if (base->kind == Operand::Register) {
    unsigned size = registerSize(*base);
    if (size != 4 && size != 8) {
      fail("the address register has " + std::to_string(size) + " bytes");
    }
    // Shared addresses may come in 32 bits; widen by a flag at run time.
    ins.wideBase = size == 8;
    return src(*base, size == 8 ? Type::U64 : Type::U32);
  }
  if (base->kind == Operand::Integer) {
    ins.wideBase = true;
    return owner.constant(base->bits, true);
  }
  if (base->kind == Operand::Variable) {
    ins.wideBase = true;
    return owner.constant(owner.variableAddress(fn, *base), true);
  }
  fail("unexpected address");
}

void Decode::address(const Operand &o, Space space) {
  if (o.kind != Operand::Memory) {
    fail("expected an address in brackets");
  }
  ins.space = space;
  const Operand &base = o.items[0];
  if (base.kind == Operand::Variable) {
    const Variable &var =
        base.moduleVar ? owner.module.vars[base.index] : fn.vars[base.index];
    bool framed = !base.moduleVar &&
                  (var.space == Space::Local || var.space == Space::Param);
    bool kernelParam = framed && fn.isKernel && base.index < fn.params.size();
    if (framed) {
      // Relative to the lane's frame, or in the launch's parameters.
      ins.a = kNoReg;
      ins.imm =
          o.offset + static_cast<int64_t>(owner.variableAddress(fn, base));
      ins.space = kernelParam ? Space::Param : Space::Local;
      return;
    }
  }
  ins.a = addressOperand(o, ins.imm);
}

Space Decode::space() const {
  for (size_t i = 1; i < ast.parts.size(); ++i) {
    std::string_view p = ast.parts[i];
    if (p == "global") {
      return Space::Global;
    }
    if (p == "shared" || p == "shared::cta" || p == "shared::cluster") {
      return Space::Shared;
    }
    if (p == "local") {
      return Space::Local;
    }
    if (p == "param" || p == "param::entry" || p == "param::func") {
      return Space::Param;
    }
    if (p == "const") {
      return Space::Const;
    }
  }
  return Space::Generic;
}

Semantics Decode::semantics() const {
  for (size_t i = 1; i < ast.parts.size(); ++i) {
    std::string_view p = ast.parts[i];
    if (p == "relaxed" || p == "volatile" || p == "mmio") {
      return Semantics::Relaxed;
    }
    if (p == "acquire") {
      return Semantics::Acquire;
    }
    if (p == "release") {
      return Semantics::Release;
    }
    if (p == "acq_rel" || p == "sc") {
      return Semantics::AcqRel;
    }
  }
  return Semantics::Weak;
}

Scope Decode::scope() const {
  for (size_t i = 1; i < ast.parts.size(); ++i) {
    std::string_view p = ast.parts[i];
    if (p == "cta") {
      return Scope::Cta;
    }
    if (p == "cluster") {
      return Scope::Cluster;
    }
    if (p == "gpu") {
      return Scope::Gpu;
    }
    if (p == "sys") {
      return Scope::Sys;
    }
  }
  return has("volatile") ? Scope::Sys : Scope::Gpu;
}

} // namespace rill::emu
