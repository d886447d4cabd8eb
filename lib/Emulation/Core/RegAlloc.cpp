// Liveness and slot assignment: PTX registers are many and short-lived, and
// a warp's register file should fit a cache.
#include "Decoder.h"

#include <algorithm>

namespace rill::emu {

namespace {

struct Interval {
  uint32_t reg = 0, first = 0, last = 0;
};

/// Slot classes: predicates, up to 4 bytes, 8 bytes, 16 bytes.
unsigned slotClass(Type t) {
  unsigned size = typeSize(t);
  return size == 0 ? 0 : size <= 4 ? 1 : size == 8 ? 2 : 3;
}
constexpr uint32_t kSlotBytes[] = {4, 128, 256, 512};

class Liveness {
public:
  Liveness(Program &program, FunctionInfo &fn, size_t registers)
      : p(program), fn(fn), words((registers + 63) / 64) {}
  std::vector<Interval> run(size_t registers);

private:
  void findBlocks();
  void successors(uint32_t block, std::vector<uint32_t> &out) const;
  void solve();

  Program &p;
  FunctionInfo &fn;
  size_t words;
  std::vector<uint32_t> starts;  ///< pcs
  std::vector<uint32_t> blockOf; ///< by pc - entry
  std::vector<std::vector<uint64_t>> in, out, use, def;
};

bool isJump(const Instruction &ast) {
  return ast.parts[0] == "bra" || ast.parts[0] == "brx";
}
bool endsPath(const Instruction &ast) {
  return ast.predicate < 0 &&
         (ast.parts[0] == "bra" || ast.parts[0] == "brx" ||
          ast.parts[0] == "ret" || ast.parts[0] == "exit" ||
          ast.parts[0] == "trap");
}

void Liveness::findBlocks() {
  uint32_t n = fn.end - fn.entry;
  std::vector<bool> leader(n, false);
  leader[0] = true;
  for (uint32_t i = 0; i < n; ++i) {
    const InsInfo &info = p.infos[p.code[fn.entry + i].info];
    bool jump = isJump(*info.ast);
    if (jump) {
      for (int64_t t : info.ints) {
        leader[static_cast<uint32_t>(t) - fn.entry] = true;
      }
    }
    if ((jump || endsPath(*info.ast)) && i + 1 < n) {
      leader[i + 1] = true;
    }
  }
  blockOf.resize(n);
  for (uint32_t i = 0; i < n; ++i) {
    if (leader[i]) {
      starts.push_back(fn.entry + i);
    }
    blockOf[i] = static_cast<uint32_t>(starts.size() - 1);
  }
}

void Liveness::successors(uint32_t b, std::vector<uint32_t> &out) const {
  out.clear();
  uint32_t end = b + 1 < starts.size() ? starts[b + 1] : fn.end;
  const InsInfo &last = p.infos[p.code[end - 1].info];
  if (isJump(*last.ast)) {
    for (int64_t t : last.ints) {
      out.push_back(blockOf[static_cast<uint32_t>(t) - fn.entry]);
    }
  }
  if (!endsPath(*last.ast) && end < fn.end) {
    out.push_back(b + 1);
  }
}

void Liveness::solve() {
  size_t blocks = starts.size();
  std::vector<uint64_t> empty(words);
  in.assign(blocks, empty);
  out = use = def = in;
  for (size_t b = 0; b < blocks; ++b) {
    uint32_t end = b + 1 < blocks ? starts[b + 1] : fn.end;
    for (uint32_t pc = starts[b]; pc < end; ++pc) {
      const Ins &ins = p.code[pc];
      const InsInfo &info = p.infos[ins.info];
      for (uint32_t r : info.reads) {
        if (!(def[b][r / 64] >> (r % 64) & 1)) {
          use[b][r / 64] |= uint64_t(1) << (r % 64);
        }
      }
      for (uint32_t r : info.writes) {
        if (ins.predicate == kNoReg) {
          def[b][r / 64] |= uint64_t(1) << (r % 64);
        } else if (!(def[b][r / 64] >> (r % 64) & 1)) {
          // A predicated write keeps the old value of other lanes.
          use[b][r / 64] |= uint64_t(1) << (r % 64);
        }
      }
    }
  }
  std::vector<uint32_t> next;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t b = blocks; b-- > 0;) {
      successors(static_cast<uint32_t>(b), next);
      for (uint32_t s : next) {
        for (size_t w = 0; w < words; ++w) {
          out[b][w] |= in[s][w];
        }
      }
      for (size_t w = 0; w < words; ++w) {
        uint64_t v = use[b][w] | (out[b][w] & ~def[b][w]);
        changed |= v != in[b][w];
        in[b][w] = v;
      }
    }
  }
}

std::vector<Interval> Liveness::run(size_t registers) {
  findBlocks();
  solve();
  std::vector<Interval> all(registers);
  std::vector<bool> seen(registers, false);
  auto touch = [&](uint32_t r, uint32_t pc) {
    Interval &i = all[r];
    if (!seen[r]) {
      i = {r, pc, pc};
      seen[r] = true;
    }
    i.first = std::min(i.first, pc);
    i.last = std::max(i.last, pc);
  };
  for (size_t b = 0; b < starts.size(); ++b) {
    uint32_t end = b + 1 < starts.size() ? starts[b + 1] : fn.end;
    for (size_t w = 0; w < words; ++w) {
      for (uint64_t v = in[b][w]; v; v &= v - 1) {
        touch(static_cast<uint32_t>(w * 64) +
                  static_cast<uint32_t>(__builtin_ctzll(v)),
              starts[b]);
      }
      for (uint64_t v = out[b][w]; v; v &= v - 1) {
        touch(static_cast<uint32_t>(w * 64) +
                  static_cast<uint32_t>(__builtin_ctzll(v)),
              end - 1);
      }
    }
    for (uint32_t pc = starts[b]; pc < end; ++pc) {
      const InsInfo &info = p.infos[p.code[pc].info];
      for (uint32_t r : info.reads) {
        touch(r, pc);
      }
      for (uint32_t r : info.writes) {
        touch(r, pc);
      }
    }
  }
  std::vector<Interval> live;
  for (uint32_t r = 0; r < registers; ++r) {
    if (seen[r]) {
      live.push_back(all[r]);
    }
  }
  std::sort(live.begin(), live.end(), [](const Interval &a, const Interval &b) {
    return a.first < b.first;
  });
  return live;
}

/// Registers that no instruction names as read or written (discarded
/// results) live at the instruction alone: give each class one slot.
struct Slots {
  std::vector<uint32_t> offset; ///< by register; slot index first
  uint32_t used[4] = {1, 1, 1, 1};
};

Slots assign(const std::vector<Interval> &live,
             const std::vector<Type> &types) {
  Slots s;
  s.offset.assign(types.size(), 0);
  std::vector<uint32_t> free[4];
  std::vector<Interval> active;
  auto later = [](const Interval &a, const Interval &b) {
    return a.last > b.last;
  };
  for (const Interval &i : live) {
    while (!active.empty() && active.front().last < i.first) {
      std::pop_heap(active.begin(), active.end(), later);
      uint32_t reg = active.back().reg;
      free[slotClass(types[reg])].push_back(s.offset[reg]);
      active.pop_back();
    }
    unsigned c = slotClass(types[i.reg]);
    if (free[c].empty()) {
      s.offset[i.reg] = s.used[c]++;
    } else {
      s.offset[i.reg] = free[c].back();
      free[c].pop_back();
    }
    active.push_back(i);
    std::push_heap(active.begin(), active.end(), later);
  }
  return s;
}

} // namespace

void allocateRegisters(Program &program, FunctionInfo &fn,
                       const std::vector<Type> &types, uint32_t base) {
  Slots slots =
      assign(Liveness(program, fn, types.size()).run(types.size()), types);
  // Predicates last: the others want their alignment.
  uint32_t start[4];
  uint32_t at = base;
  for (unsigned c : {3u, 2u, 1u, 0u}) {
    start[c] = at;
    at += slots.used[c] * kSlotBytes[c];
    fn.slots[c] = slots.used[c];
  }
  // Less the slots of discarded results, which hold nothing.
  fn.liveWords = slots.used[1] + 2 * slots.used[2] + 4 * slots.used[3] - 7;
  fn.window = base;
  fn.windowSize = (at - base + 63) / 64 * 64;
  auto map = [&](uint32_t &r) {
    if (r == kNoReg) {
      return;
    }
    if (r & kFixedBit) {
      r = program.fixed[r & ~kFixedBit].offset;
      return;
    }
    unsigned c = slotClass(types[r]);
    r = start[c] + slots.offset[r] * kSlotBytes[c];
  };
  for (uint32_t pc = fn.entry; pc < fn.end; ++pc) {
    Ins &ins = program.code[pc];
    for (uint32_t *r : {&ins.d, &ins.a, &ins.b, &ins.c, &ins.predicate}) {
      map(*r);
    }
    for (auto *list :
         {&program.infos[ins.info].regs, &program.infos[ins.info].regs2}) {
      for (uint32_t &r : *list) {
        map(r);
      }
    }
  }
}

} // namespace rill::emu
