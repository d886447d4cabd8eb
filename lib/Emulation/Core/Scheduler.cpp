// The main loops: turns of warps, rounds over blocks, admission, stalls.
#include "Scheduler.h"

#include "../Checks/GlobalRaces.h"

#include <algorithm>

namespace rill::emu {

void checkFlights(Warp &w, const Ins &i); // Ops/Wgmma.cpp

Scheduler::Scheduler(DeviceMemory &memory, Report &report, RunOptions o)
    : memory(memory), report(report), options(o), engine(o.seed * 7919 + 1) {
  nextSerial = o.serialBase;
  if (racecheck()) {
    races = std::make_unique<GlobalRaces>(*this);
  }
}

Scheduler::~Scheduler() = default;

Grid &Scheduler::add(std::shared_ptr<const Program> program,
                     LaunchConfig config) {
  auto grid = std::make_unique<Grid>();
  grid->program = std::move(program);
  grid->config = std::move(config);
  grid->id = static_cast<uint32_t>(grids.size());
  grid->total = grid->config.grid.count();
  grid->sharedSize =
      kSharedBase + grid->program->staticShared + grid->config.dynamicShared;
  grid->scheduler = this;
  grid->windows.resize(grid->program->code.size());
  if (options.count) {
    grid->traffic = std::make_unique<Traffic>(memory, grid->config.params);
  }
  if (!grids.empty()) {
    grid->primary = grids.back().get();
  }
  grids.push_back(std::move(grid));
  return *grids.back();
}

void Scheduler::enqueue(AsyncOp op) {
  if (op.cta) {
    ++op.cta->pendingAsync;
  }
  async.push_back(std::move(op));
}

bool Scheduler::completeOne(bool anyOrder) {
  if (async.empty()) {
    return false;
  }
  size_t at = anyOrder && async.size() > 1
                  ? random(static_cast<uint32_t>(async.size()))
                  : 0;
  AsyncOp op = std::move(async[at]);
  async.erase(async.begin() + static_cast<long>(at));
  if (op.cta) {
    --op.cta->pendingAsync;
  }
  op.finish();
  ++progress;
  return true;
}

void Scheduler::release(Warp &w, Mask lanes, uint32_t pc) {
  for (uint32_t i = 0; i < w.groupCount; ++i) {
    Group &g = w.groups[i];
    if (g.state != Group::Blocked || g.pc != pc || !(g.lanes & lanes)) {
      continue;
    }
    Mask go = g.lanes & lanes;
    g.lanes &= ~go;
    for (uint32_t k = 0; k < w.groupCount; ++k) {
      if (k != i && w.groups[k].pc == pc + 1 && w.groups[k].lanes &&
          w.groups[k].state != Group::Blocked) {
        w.groups[k].lanes |= go;
        w.groups[k].state = Group::Ready;
        go = 0;
        break;
      }
    }
    if (go) {
      if (g.lanes == 0) {
        g = {pc + 1, go, Group::Ready};
      } else {
        w.groups[w.groupCount++] = {pc + 1, go, Group::Ready};
      }
    }
    return;
  }
}

/// Removes empty groups; w.current stays on its group when that is left.
void Scheduler::mergeGroups(Warp &w) {
  uint32_t out = 0;
  for (uint32_t i = 0; i < w.groupCount; ++i) {
    if (w.groups[i].lanes) {
      if (w.current == i) {
        w.current = out;
      }
      w.groups[out++] = w.groups[i];
    }
  }
  w.groupCount = out;
}

int Scheduler::pickGroup(Warp &w) {
  int best = -1;
  uint32_t ready = 0;
  for (uint32_t i = 0; i < w.groupCount; ++i) {
    const Group &g = w.groups[i];
    if (g.state != Group::Ready) {
      continue;
    }
    ++ready;
    if (best < 0 || g.pc < w.groups[best].pc) {
      best = static_cast<int>(i);
    }
  }
  if (ready > 1 && seeded() && random(4) == 0) {
    uint32_t n = random(ready);
    for (uint32_t i = 0; i < w.groupCount; ++i) {
      if (w.groups[i].state == Group::Ready && n-- == 0) {
        return static_cast<int>(i);
      }
    }
  }
  return best;
}

/// Leaves lanes `m` of the current group where they stand, with others that
/// wait there; lanes whose predicate is false go on.
static void parkGroup(Warp &w, Mask m, Group::State state) {
  Group &g = w.groups[w.current];
  uint32_t pc = g.pc;
  Mask rest = g.lanes & ~m;
  g.lanes = m;
  g.state = state;
  for (uint32_t k = 0; k < w.groupCount; ++k) {
    Group &o = w.groups[k];
    if (k != w.current && o.pc == pc && o.lanes && o.state == state) {
      o.lanes |= g.lanes;
      g.lanes = 0;
      break;
    }
  }
  if (rest && g.lanes == 0) {
    g = {pc + 1, rest, Group::Ready};
  } else if (rest) {
    w.groups[w.groupCount++] = {pc + 1, rest, Group::Ready};
  }
}

/// After a handler moved lanes `m`: those that did not take part go on.
static void stepOthers(Warp &w, Mask m) {
  Group &g = w.groups[w.current];
  Mask stay = g.lanes & ~m;
  if (g.pc == w.pc && g.lanes && stay == g.lanes) {
    ++g.pc;
  }
}

/// Joins lanes that already stand at the current group's instruction. True
/// when it should stop: it took some in, or others are behind and may catch up.
static bool meetOthers(Warp &w) {
  uint32_t pc = w.groups[w.current].pc;
  bool leave = false;
  for (uint32_t k = 0; k < w.groupCount; ++k) {
    Group &o = w.groups[k];
    if (k == w.current || o.state == Group::Blocked) {
      continue;
    }
    if (o.pc == pc) {
      w.groups[w.current].lanes |= o.lanes;
      o.lanes = 0;
      leave = true;
    } else if (o.state == Group::Ready && o.pc < pc) {
      leave = true;
    }
  }
  return leave;
}

/// Runs the current group until it moves, blocks, or its quantum ends.
/// Returns whether the warp may go on with another group this turn.
bool Scheduler::runGroup(Warp &w, uint32_t quantum) {
  const Program &p = *w.program;
  const Ins *code = p.code.data();
  auto &classes = w.grid->counters.instructions;
  while (true) {
    Group &g = w.groups[w.current];
    const Ins &i = code[g.pc];
    Mask m = g.lanes;
    if (i.predicate != kNoReg) {
      Mask q = w.predicate(i.predicate);
      m &= i.predicateNegated ? ~q : q;
    }
    ++w.executed;
    ++classes[static_cast<size_t>(i.cls)];
    Step step = Step::Next;
    if (m) {
      w.pc = g.pc;
      if (!w.flights.empty() && memcheck()) {
        checkFlights(w, i);
      }
      step = i.run(w, i, m);
    }
    bool more = --quantum > 0;
    switch (step) {
    case Step::Next:
      ++g.pc;
      break;
    case Step::Yield:
      w.lastYield = g.pc;
      ++g.pc;
      more = false;
      break;
    case Step::Park:
    case Step::Block:
      --w.executed;
      --classes[static_cast<size_t>(i.cls)];
      parkGroup(w, m, step == Step::Park ? Group::Parked : Group::Blocked);
      mergeGroups(w);
      return true;
    case Step::Jump:
      stepOthers(w, m);
      mergeGroups(w);
      if (w.groupCount != 1 || w.current != 0) {
        return more && w.groupCount;
      }
      if (!more) {
        return false;
      }
      continue;
    }
    if (w.groupCount > 1 && meetOthers(w)) {
      mergeGroups(w);
      return more;
    }
    if (!more) {
      return false;
    }
  }
}

/// One turn of a warp. Returns whether anything ran.
bool Scheduler::runTurn(Warp &w) {
  uint64_t before = w.executed, marks = progress;
  uint32_t quantum = seeded() ? 1 + random(24) : 4096;
  // Those that could not run before may now.
  for (uint32_t i = 0; i < w.groupCount; ++i) {
    if (w.groups[i].state == Group::Parked) {
      w.groups[i].state = Group::Ready;
    }
  }
  bool go = true;
  for (int groups = 0; go && groups < 64; ++groups) {
    int g = pickGroup(w);
    if (g < 0) {
      break;
    }
    w.current = static_cast<uint32_t>(g);
    go = runGroup(w, quantum);
    if (w.executed - before > quantum * 4ull) {
      break;
    }
  }
  uint64_t ran = w.executed - before;
  instructions += ran;
  if (ran > 64 && progress == marks) {
    // A long computation is progress, a spin of a few instructions is not.
    ++progress;
  }
  return ran != 0;
}

/// Every warp of every resident block gets a turn.
bool Scheduler::round() {
  bool ran = false;
  for (auto &grid : grids) {
    if (grid->done) {
      continue;
    }
    std::vector<Cta *> ctas = grid->resident;
    if (seeded()) {
      std::shuffle(ctas.begin(), ctas.end(), engine);
    }
    for (Cta *cta : ctas) {
      size_t n = cta->warps.size();
      size_t first = seeded() ? random(static_cast<uint32_t>(n)) : 0;
      for (size_t k = 0; k < n && cta->active; ++k) {
        Warp &w = cta->warps[(first + k) % n];
        if (w.live) {
          ran |= runTurn(w);
        }
        if (seeded() && !async.empty() && random(8) == 0) {
          completeOne(true);
        }
      }
      if (cta->active && cta->liveThreads == 0) {
        ctaExited(*cta);
      }
    }
  }
  return ran;
}

uint32_t Scheduler::limitOf(const Grid &grid) const {
  uint32_t limit = grid.config.maxResident ? grid.config.maxResident : 132;
  if (options.resident) {
    limit = std::min(limit, options.resident);
  }
  uint64_t cluster = grid.config.cluster.count();
  return static_cast<uint32_t>(std::max<uint64_t>(limit, cluster));
}

bool Scheduler::mayStart(const Grid &grid) const {
  const Grid *p = grid.primary;
  if (!p || p->done) {
    return true;
  }
  if (!grid.config.programmatic || !options.earlyDependents) {
    return false;
  }
  return p->nextCta >= p->total && p->launchedDependents >= p->total;
}

/// Starts blocks up to the number that is active now.
void Scheduler::admit() {
  for (auto &grid : grids) {
    if (grid->done || !mayStart(*grid)) {
      continue;
    }
    uint32_t limit = std::min(active, limitOf(*grid));
    uint64_t cluster = grid->config.cluster.count();
    while (
        grid->nextCta < grid->total &&
        (grid->resident.size() + cluster <= limit || grid->resident.empty())) {
      startCluster(*grid);
    }
  }
}

void Scheduler::finishGrid(Grid &grid) {
  if (races) {
    races->publishGrid(grid);
  }
  grid.done = true;
  grid.pool.clear();
  grid.clusters.clear();
}

int Scheduler::run() {
  try {
    active = seeded() ? 1 + random(8) : 4;
    uint64_t lastProgress = progress, idle = 0;
    while (true) {
      for (auto &grid : grids) {
        if (!grid->done && grid->finishedCtas == grid->total &&
            (!grid->primary || grid->primary->done)) {
          finishGrid(*grid);
          ++progress;
        }
      }
      if (std::all_of(grids.begin(), grids.end(),
                      [](auto &g) { return g->done; })) {
        while (completeOne(false)) {
        }
        return 0;
      }
      admit();
      bool ran = round();
      if (progress != lastProgress) {
        lastProgress = progress;
        idle = 0;
      } else if (!ran || ++idle > 24) {
        // Nothing but spinning: finish a copy, admit a block, or give up.
        if (completeOne(seeded())) {
          continue;
        }
        uint32_t most = 0;
        bool waiting = false;
        for (auto &grid : grids) {
          most = std::max(most, limitOf(*grid));
          waiting |= !grid->done && mayStart(*grid) &&
                     grid->nextCta < grid->total &&
                     grid->resident.size() < limitOf(*grid);
        }
        if (waiting && active < most) {
          active = std::min(most, active * 2);
          idle = 0;
          continue;
        }
        if (idle > 400 || !ran) {
          reportStall();
        }
      }
      if (instructions > options.watchdog) {
        Finding f;
        f.kind = Kind::Deadlock;
        f.message = "the launch ran " + std::to_string(instructions) +
                    " warp instructions without end";
        throw KernelFault{702, f};
      }
    }
  } catch (KernelFault &fault) {
    report.add(fault.finding);
    return fault.error;
  }
}

} // namespace rill::emu
