// Reachability, layout of shared memory and frames, and the decode loop.
#include "Decoder.h"

#include "Address.h"

#include <algorithm>

namespace rill::emu {

static const OpTable &opTable() {
  static const OpTable table = [] {
    OpTable t;
    for (auto add : {addInteger, addIntegerBits, addFloat, addHalf, addConvert,
                     addCompare, addMove, addLoadStore, addAtomic, addControl,
                     addBarrier, addCollective, addMatrix, addWgmma, addAsync,
                     addMbarrier, addTensor, addCluster, addSimd}) {
      add(t);
    }
    return t;
  }();
  return table;
}

std::shared_ptr<Program> decodeKernel(const Module &module,
                                      const Function &kernel,
                                      const AddressOf &addressOf) {
  return Decoder(module, kernel, addressOf).run();
}

std::shared_ptr<Program> Decoder::run() {
  program = std::make_shared<Program>();
  program->module = &module;
  program->kernel = &kernel;
  collect();
  layoutShared();
  layoutFrames();
  for (auto &f : module.functions) {
    program->codeIndex.push_back(functionIndex(f->name));
  }
  std::vector<std::vector<Type>> allTypes;
  for (uint32_t i = 0; i < order.size(); ++i) {
    decodeFunction(i);
    allTypes.push_back(types);
  }
  patchFixed();
  uint32_t base = 0;
  for (const FixedSlot &f : program->fixed) {
    base = std::max(base, f.offset + (f.wide ? 256u : 128u));
  }
  for (uint32_t i = 0; i < order.size(); ++i) {
    allocateRegisters(*program, program->functions[i], allTypes[i], base);
    base += program->functions[i].windowSize;
  }
  program->registerBytes = base;
  program->entry = program->functions.back().entry;
  estimateRegisters();
  return program;
}

/// The kernel's registers and those of its largest callee, and a few that
/// addresses and the calling convention take.
void Decoder::estimateRegisters() {
  uint32_t callee = 0;
  for (const FunctionInfo &f : program->functions) {
    callee = f.ast == &kernel ? callee : std::max(callee, f.liveWords);
  }
  uint32_t words = program->functions.back().liveWords + callee + 6;
  program->registerEstimate = std::clamp(words, 16u, 255u);
}

/// Callees come before callers, so that lanes inside a callee run first and
/// join the others after it.
void Decoder::visit(const Function &fn, int depth) {
  if (depth > 1000) {
    throw PtxError(module.name + ":" + std::to_string(fn.line) +
                       ": calls are nested too deeply",
                   fn.line);
  }
  state[&fn] = 1;
  for (const Instruction &ins : fn.code) {
    bool indirect = false;
    for (const Operand &op : ins.operands) {
      if (op.kind != Operand::Name) {
        continue;
      }
      const Function *callee = module.find(op.name);
      if (!callee || !callee->hasBody || ins.parts[0] == "bra") {
        continue;
      }
      indirect |= ins.parts[0] != "call";
      if (state[callee] == 0) {
        visit(*callee, depth + 1);
      } else if (state[callee] == 1) {
        recursive[callee] = true;
      }
      // A function whose address is taken may be entered from anywhere.
      recursive[callee] = recursive[callee] || indirect;
    }
  }
  state[&fn] = 2;
  order.push_back(&fn);
}

void Decoder::collect() {
  visit(kernel, 0);
  // Functions named by initialised variables (tables of pointers) too.
  for (const Variable &var : module.vars) {
    for (const Reloc &r : var.relocs) {
      const Function *f = module.find(r.symbol);
      if (f && f->hasBody && !f->isKernel && state[f] == 0) {
        visit(*f, 0);
        recursive[f] = true;
      }
    }
  }
  // The kernel stands last.
  auto it = std::find(order.begin(), order.end(), &kernel);
  std::rotate(it, it + 1, order.end());
}

void Decoder::layoutShared() {
  uint64_t at = kSharedBase, dynamicAlign = 16;
  auto place = [&](const Variable &var) {
    at = (at + var.align - 1) / var.align * var.align;
    uint64_t address = at;
    at += var.size;
    return address;
  };
  std::vector<uint32_t> dynamic;
  for (const Function *f : order) {
    for (uint32_t v = 0; v < f->vars.size(); ++v) {
      if (f->vars[v].space == Space::Shared) {
        localShared[{f, v}] = place(f->vars[v]);
      }
    }
    auto visitOperand = [&](auto &&self, const Operand &op) -> void {
      if (op.kind == Operand::Variable && op.moduleVar) {
        const Variable &var = module.vars[op.index];
        if (var.space == Space::Shared && !moduleShared.count(op.index)) {
          if (var.unsized || var.size == 0) {
            dynamic.push_back(op.index);
            dynamicAlign = std::max(dynamicAlign, var.align);
            moduleShared[op.index] = 0;
          } else {
            moduleShared[op.index] = place(var);
          }
        }
      }
      for (const Operand &item : op.items) {
        self(self, item);
      }
    };
    for (const Instruction &ins : f->code) {
      for (const Operand &op : ins.operands) {
        visitOperand(visitOperand, op);
      }
    }
  }
  program->staticShared = static_cast<uint32_t>(
      std::min<uint64_t>(at - kSharedBase, uint64_t(1) << 30));
  at = (at + dynamicAlign - 1) / dynamicAlign * dynamicAlign;
  dynamicBase = static_cast<uint32_t>(std::min<uint64_t>(at, 1u << 30));
  for (uint32_t v : dynamic) {
    moduleShared[v] = dynamicBase;
  }
  if (!dynamic.empty()) {
    program->staticShared = dynamicBase - kSharedBase;
  }
}

void Decoder::layoutFrames() {
  for (const Function *f : order) {
    FunctionInfo info;
    info.ast = f;
    info.recursive = recursive[f];
    info.varOffset.resize(f->vars.size());
    uint64_t at = 0, param = 0;
    size_t kernelParams = f->isKernel ? f->params.size() : 0;
    for (uint32_t v = 0; v < f->vars.size(); ++v) {
      const Variable &var = f->vars[v];
      if (v < kernelParams) {
        param = (param + var.align - 1) / var.align * var.align;
        info.varOffset[v] = static_cast<uint32_t>(param);
        program->paramOffset.push_back(static_cast<uint32_t>(param));
        param += var.size;
      } else if (var.space == Space::Local || var.space == Space::Param) {
        at = (at + var.align - 1) / var.align * var.align;
        info.varOffset[v] = static_cast<uint32_t>(at);
        at += var.size;
        if (at > 512u << 10) {
          throw PtxError(module.name + ":" + std::to_string(var.line) +
                             ": more than 512 KiB of local memory",
                         var.line);
        }
      }
    }
    if (f->isKernel) {
      program->paramBytes = static_cast<uint32_t>(param);
    }
    info.frameSize = static_cast<uint32_t>((at + 15) / 16 * 16);
    program->maxFrame += info.frameSize;
    program->functions.push_back(std::move(info));
  }
}

int Decoder::functionIndex(std::string_view name) const {
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i]->name == name) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

void Decoder::decodeFunction(uint32_t index) {
  const Function &fn = *order[index];
  functionNumber = index;
  FunctionInfo &info = program->functions[index];
  info.entry = static_cast<uint32_t>(program->code.size());
  types.clear();
  trashRegs.clear();
  for (const RegisterInfo &r : fn.registers) {
    types.push_back(r.type);
  }
  static const Instruction *endOfFunction = [] {
    static Instruction ret;
    ret.opcode = "ret";
    ret.parts = {"ret"};
    return &ret;
  }();
  for (size_t i = 0; i <= fn.code.size(); ++i) {
    const Instruction &ast = i < fn.code.size() ? fn.code[i] : *endOfFunction;
    auto it = opTable().find(ast.parts[0]);
    if (it == opTable().end()) {
      throw PtxError(module.name + ":" + std::to_string(ast.line) +
                         ": unknown instruction '" + std::string(ast.opcode) +
                         "'",
                     ast.line);
    }
    Ins ins;
    InsInfo slow;
    slow.ast = &ast;
    slow.function = &fn;
    ins.info = static_cast<uint32_t>(program->infos.size());
    Decode d(*this, fn, ast, ins, slow);
    if (ast.predicate >= 0) {
      ins.predicate = static_cast<uint32_t>(ast.predicate);
      ins.predicateNegated = ast.predicateNegated;
      slow.reads.push_back(ins.predicate);
    }
    it->second(d);
    if (!ins.run) {
      d.unsupported();
    }
    program->code.push_back(ins);
    program->infos.push_back(std::move(slow));
  }
  info.end = static_cast<uint32_t>(program->code.size());
}

uint32_t Decoder::constant(uint64_t bits, bool wide) {
  if (!wide) {
    bits = static_cast<uint32_t>(bits);
  }
  auto [it, fresh] = constants.emplace(
      std::pair(bits, wide), static_cast<uint32_t>(program->fixed.size()));
  if (fresh) {
    program->fixed.push_back({0, Special::None, wide, bits});
  }
  return kFixedBit | it->second;
}

uint32_t Decoder::trash(bool wide) {
  types.push_back(wide ? Type::B128 : Type::B32);
  return static_cast<uint32_t>(types.size() - 1);
}

void Decoder::patchFixed() {
  uint32_t offset = 0;
  for (FixedSlot &f : program->fixed) {
    f.offset = offset;
    offset += f.wide ? 256 : 128;
  }
}

uint64_t Decoder::variableAddress(const Function &fn, const Operand &op) {
  uint64_t offset = static_cast<uint64_t>(op.offset);
  if (op.moduleVar) {
    const Variable &var = module.vars[op.index];
    return offset + (var.space == Space::Shared ? moduleShared[op.index]
                                                : addressOf(op.index));
  }
  const Variable &var = fn.vars[op.index];
  if (var.space == Space::Shared) {
    return offset + localShared[{&fn, op.index}];
  }
  return offset + program->functions[functionNumber].varOffset[op.index];
}

namespace {
struct SpecialRow {
  std::string_view name;
  Special special;
};
using S = Special;
constexpr SpecialRow kSpecials[] = {
    {"%tid.x", S::TidX},
    {"%tid.y", S::TidY},
    {"%tid.z", S::TidZ},
    {"%ntid.x", S::NtidX},
    {"%ntid.y", S::NtidY},
    {"%ntid.z", S::NtidZ},
    {"%ctaid.x", S::CtaidX},
    {"%ctaid.y", S::CtaidY},
    {"%ctaid.z", S::CtaidZ},
    {"%nctaid.x", S::NctaidX},
    {"%nctaid.y", S::NctaidY},
    {"%nctaid.z", S::NctaidZ},
    {"%laneid", S::LaneId},
    {"%warpid", S::WarpId},
    {"%nwarpid", S::NwarpId},
    {"%smid", S::SmId},
    {"%nsmid", S::NsmId},
    {"%gridid", S::GridId},
    {"%lanemask_eq", S::LaneMaskEq},
    {"%lanemask_lt", S::LaneMaskLt},
    {"%lanemask_le", S::LaneMaskLe},
    {"%lanemask_gt", S::LaneMaskGt},
    {"%lanemask_ge", S::LaneMaskGe},
    {"%clusterid.x", S::ClusterIdX},
    {"%clusterid.y", S::ClusterIdY},
    {"%clusterid.z", S::ClusterIdZ},
    {"%nclusterid.x", S::NclusterIdX},
    {"%nclusterid.y", S::NclusterIdY},
    {"%nclusterid.z", S::NclusterIdZ},
    {"%cluster_ctaid.x", S::ClusterCtaIdX},
    {"%cluster_ctaid.y", S::ClusterCtaIdY},
    {"%cluster_ctaid.z", S::ClusterCtaIdZ},
    {"%cluster_nctaid.x", S::ClusterNctaIdX},
    {"%cluster_nctaid.y", S::ClusterNctaIdY},
    {"%cluster_nctaid.z", S::ClusterNctaIdZ},
    {"%cluster_ctarank", S::ClusterCtaRank},
    {"%cluster_nctarank", S::ClusterNctaRank},
    {"%is_explicit_cluster", S::IsExplicitCluster},
    {"%dynamic_smem_size", S::DynamicSmemSize},
    {"%total_smem_size", S::TotalSmemSize},
    {"%aggr_smem_size", S::AggrSmemSize},
    {"%reserved_smem_offset_begin", S::ReservedSmemBegin},
    {"%reserved_smem_offset_end", S::ReservedSmemEnd},
    {"%reserved_smem_offset_cap", S::ReservedSmemCap}};
} // namespace

uint32_t Decoder::special(std::string_view name) {
  for (const SpecialRow &row : kSpecials) {
    if (row.name == name) {
      auto [it, fresh] = specials.emplace(
          row.name, static_cast<uint32_t>(program->fixed.size()));
      if (fresh) {
        program->fixed.push_back({0, row.special, false, 0});
      }
      return kFixedBit | it->second;
    }
  }
  return kNoReg;
}

} // namespace rill::emu
