// Branches, calls, exits: PTX ISA 9.7.13; and the functions that every
// device program may call without defining them (vprintf, __assertfail).
#include "../Core/Address.h"
#include "Builtins.h"
#include "Lanes.h"

namespace rill::emu {

namespace {

Step branch(Warp &w, const Ins &i, Mask m) {
  uint32_t next = w.pc + 1;
  Group &g = w.groups[w.current];
  if (m == g.lanes) {
    g.pc = i.target;
    if (w.groupCount > 1) {
      w.move(m, i.target);
    }
    return Step::Jump;
  }
  // Those who fall through stay the current group.
  w.move(m, i.target);
  g.pc = next;
  return Step::Jump;
}

void decodeBra(Decode &d) {
  d.arity(1, 1);
  if (d.op(0).kind != Operand::Name) {
    d.fail("expected a label");
  }
  uint32_t entry = d.owner.program->functions[d.owner.functionNumber].entry;
  d.ins.target = entry + d.op(0).index;
  d.info.ints.push_back(d.ins.target);
  d.finish(branch, InsClass::Control);
}

/// brx.idx index, list;
Step branchIndexed(Warp &w, const Ins &i, Mask m) {
  const std::vector<int64_t> &targets = w.program->infos[i.info].ints;
  const uint32_t *a = w.at<uint32_t>(i.a);
  for (Mask left = m; left;) {
    int l = __builtin_ctz(left);
    if (a[l] >= targets.size()) {
      w.grid->scheduler->fault(w, l, 715, Kind::Illegal,
                               "branch index " + std::to_string(a[l]) + " of " +
                                   std::to_string(targets.size()));
    }
    Mask same = 0;
    for (Mask k = left; k; k &= k - 1) {
      int x = __builtin_ctz(k);
      same |= a[x] == a[l] ? Mask(1) << x : 0;
    }
    w.move(same, static_cast<uint32_t>(targets[a[l]]));
    left &= ~same;
  }
  return Step::Jump;
}

void decodeBrx(Decode &d) {
  d.arity(2, 2);
  d.ins.a = d.src(d.op(0), Type::U32);
  auto it = d.fn.branchTargets.find(d.op(1).name);
  if (it == d.fn.branchTargets.end()) {
    d.fail("unknown list of targets");
  }
  uint32_t entry = d.owner.program->functions[d.owner.functionNumber].entry;
  for (uint32_t t : it->second) {
    d.info.ints.push_back(entry + t);
  }
  d.finish(branchIndexed, InsClass::Control);
}

Step exitLanes(Warp &w, const Ins &, Mask m) {
  w.kill(m);
  return Step::Jump;
}

/// Keeps a recursive callee's registers; restoreWindow takes one lane's.
void saveWindow(Warp &w, const FunctionInfo &f, std::vector<char> &out) {
  const char *window = w.regs + f.window;
  out.assign(window, window + f.windowSize);
}

void restoreWindow(Warp &w, const FunctionInfo &f, int l,
                   const std::vector<char> &in) {
  char *window = w.regs + f.window;
  uint32_t at = 0;
  auto lanes = [&](uint32_t slots, uint32_t bytes) {
    for (uint32_t s = 0; s < slots; ++s, at += bytes * kLanes) {
      std::memcpy(window + at + bytes * uint32_t(l),
                  in.data() + at + bytes * uint32_t(l), bytes);
    }
  };
  lanes(f.slots[3], 16);
  lanes(f.slots[2], 8);
  lanes(f.slots[1], 4);
  for (uint32_t s = 0; s < f.slots[0]; ++s, at += 4) {
    Mask old, now, bit = Mask(1) << l;
    std::memcpy(&old, in.data() + at, 4);
    std::memcpy(&now, window + at, 4);
    now = (now & ~bit) | (old & bit);
    std::memcpy(window + at, &now, 4);
  }
}

/// info.ints of a call: callee index (or -1), caller's frame size, number of
/// argument copies, then (from, bytes) of each argument and result.
void enter(Warp &w, const Ins &i, Mask m, uint32_t callee) {
  const Program &p = *w.program;
  const FunctionInfo &f = p.functions[callee];
  const InsInfo &info = p.infos[i.info];
  uint32_t frameSize = static_cast<uint32_t>(info.ints[1]);
  size_t results = f.ast->results.size(), params = f.ast->params.size();
  size_t given = static_cast<size_t>(info.ints[2]);
  char *base = w.localMemory(0);
  size_t stride = static_cast<size_t>(w.localMemory(1) - base);
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    uint32_t frame = w.frame[l] + frameSize;
    if (given != params || frame + f.frameSize > stride ||
        w.stack[l].size() > 4096) {
      w.grid->scheduler->fault(w, l, 719, Kind::LocalOverflow,
                               given != params
                                   ? "call with the wrong number of arguments"
                                   : "the call stack overflows " +
                                         std::to_string(stride) + " bytes");
    }
    char *mine = base + stride * static_cast<size_t>(l);
    for (size_t a = 0; a < params; ++a) {
      size_t from = static_cast<size_t>(info.ints[3 + 2 * a]);
      size_t bytes = std::min<size_t>(static_cast<size_t>(info.ints[4 + 2 * a]),
                                      f.ast->params[a].size);
      std::memmove(mine + frame + f.varOffset[results + a],
                   mine + w.frame[l] + from, bytes);
    }
    Frame r;
    r.pc = w.pc;
    r.frame = w.frame[l];
    r.function = callee;
    if (f.recursive) {
      saveWindow(w, f, r.saved);
    }
    w.stack[l].push_back(std::move(r));
    w.frame[l] = frame;
  }
  w.move(m, f.entry);
}

Step callDirect(Warp &w, const Ins &i, Mask m) {
  enter(w, i, m, static_cast<uint32_t>(w.program->infos[i.info].ints[0]));
  return Step::Jump;
}

Step callIndirect(Warp &w, const Ins &i, Mask m) {
  const uint64_t *a = w.at<uint64_t>(i.a);
  for (Mask left = m; left;) {
    int l = __builtin_ctz(left);
    uint64_t index = a[l] & ~kWindowMask;
    if ((a[l] & kWindowMask) != kCodeWindow ||
        index >= w.program->codeIndex.size() ||
        w.program->codeIndex[index] < 0) {
      w.grid->scheduler->fault(w, l, 718, Kind::Illegal,
                               "indirect call of an address that is no "
                               "function");
    }
    Mask same = 0;
    for (Mask k = left; k; k &= k - 1) {
      int x = __builtin_ctz(k);
      same |= a[x] == a[l] ? Mask(1) << x : 0;
    }
    enter(w, i, same, static_cast<uint32_t>(w.program->codeIndex[index]));
    left &= ~same;
  }
  return Step::Jump;
}

Step returnLanes(Warp &w, const Ins &, Mask m) {
  const Program &p = *w.program;
  char *base = nullptr;
  size_t stride = 0;
  Mask ended = 0;
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    if (w.stack[l].empty()) {
      ended |= Mask(1) << l;
      continue;
    }
    if (!base) {
      base = w.localMemory(0);
      stride = static_cast<size_t>(w.localMemory(1) - base);
    }
    Frame r = std::move(w.stack[l].back());
    w.stack[l].pop_back();
    const FunctionInfo &f = p.functions[r.function];
    const InsInfo &call = p.infos[p.code[r.pc].info];
    size_t at = 3 + 2 * static_cast<size_t>(call.ints[2]);
    char *mine = base + stride * static_cast<size_t>(l);
    for (size_t k = 0; k < f.ast->results.size() && at + 1 < call.ints.size();
         ++k, at += 2) {
      size_t bytes = std::min<size_t>(static_cast<size_t>(call.ints[at + 1]),
                                      f.ast->results[k].size);
      std::memmove(mine + r.frame + call.ints[at],
                   mine + w.frame[l] + f.varOffset[k], bytes);
    }
    if (f.recursive) {
      restoreWindow(w, f, l, r.saved);
    }
    w.frame[l] = r.frame;
    w.move(Mask(1) << l, r.pc + 1);
  }
  if (ended) {
    w.kill(ended);
  }
  return Step::Jump;
}

Step callBuiltin(Warp &w, const Ins &i, Mask m) {
  const InsInfo &info = w.program->infos[i.info];
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    runBuiltin(w, l, static_cast<Builtin>(i.mode), info.ints.data() + 2);
  }
  return Step::Next;
}

void pushVariable(Decode &d, const Operand &o) {
  if (o.kind != Operand::Variable || o.moduleVar ||
      d.fn.vars[o.index].space != Space::Param) {
    d.fail("an argument is no .param variable");
  }
  const FunctionInfo &f = d.owner.program->functions[d.owner.functionNumber];
  d.info.ints.push_back(f.varOffset[o.index]);
  d.info.ints.push_back(static_cast<int64_t>(d.fn.vars[o.index].size));
}

/// call{.uni} {(results),} name {, (arguments)} {, prototype};
void decodeCall(Decode &d) {
  size_t at = 0;
  const Operand *results = nullptr, *arguments = nullptr;
  if (d.op(0).kind == Operand::List) {
    results = &d.op(at++);
  }
  const Operand &target = d.op(at++);
  if (at < d.count() && d.op(at).kind == Operand::List) {
    arguments = &d.op(at++);
  }
  int index = -1;
  Builtin builtin = Builtin::None;
  if (target.kind == Operand::Name) {
    index = d.owner.functionIndex(target.name);
    if (index < 0) {
      builtin = builtinOf(target.name);
      if (builtin == Builtin::None) {
        d.fail("function '" + std::string(target.name) + "' has no definition");
      }
    }
  } else {
    d.ins.a = d.src(target, Type::U64);
  }
  d.info.ints = {index,
                 d.owner.program->functions[d.owner.functionNumber].frameSize,
                 arguments ? int64_t(arguments->items.size()) : 0};
  for (const Operand *list : {arguments, results}) {
    if (list) {
      for (const Operand &o : list->items) {
        pushVariable(d, o);
      }
    }
  }
  d.ins.mode = static_cast<uint8_t>(builtin);
  d.finish(builtin != Builtin::None ? callBuiltin
           : index >= 0             ? callDirect
                                    : callIndirect,
           InsClass::Control);
}

Step trap(Warp &w, const Ins &, Mask m) {
  w.grid->scheduler->fault(w, __builtin_ctz(m), 719, Kind::Trap,
                           "the kernel executed trap");
}

Step nothing(Warp &, const Ins &, Mask) { return Step::Next; }

} // namespace

void addControl(OpTable &t) {
  t["bra"] = decodeBra;
  t["brx"] = decodeBrx;
  t["call"] = decodeCall;
  t["ret"] = [](Decode &d) {
    d.arity(0, 0);
    d.finish(returnLanes, InsClass::Control);
  };
  t["exit"] = [](Decode &d) {
    d.arity(0, 0);
    d.finish(exitLanes, InsClass::Control);
  };
  t["trap"] = [](Decode &d) { d.finish(trap, InsClass::Control); };
  t["brkpt"] = [](Decode &d) { d.finish(nothing, InsClass::Control); };
  t["pmevent"] = [](Decode &d) { d.finish(nothing, InsClass::Special); };
  t["setmaxnreg"] = [](Decode &d) {
    d.arity(1, 1);
    int64_t n = d.integer(d.op(0));
    if (n < 24 || n > 256 || n % 8) {
      d.fail("register count must be a multiple of 8 from 24 to 256");
    }
    d.finish(nothing, InsClass::Special);
  };
  t["nanosleep"] = [](Decode &d) {
    d.arity(1, 1);
    d.finish([](Warp &, const Ins &, Mask) { return Step::Yield; },
             InsClass::Special);
  };
}

} // namespace rill::emu
