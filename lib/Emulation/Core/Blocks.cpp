// Starting and ending blocks and clusters.
#include "../Checks/GlobalRaces.h"
#include "Scheduler.h"

#include <algorithm>

namespace rill::emu {

static uint32_t pick(const Dim3 &d, int axis) {
  return axis == 0 ? d.x : axis == 1 ? d.y : d.z;
}

/// Special registers with an axis; false when `s` has none.
static bool axisValue(const Warp &w, Special s, int lane, uint32_t &out) {
  const Cta &c = *w.cta;
  const LaunchConfig &cfg = c.grid->config;
  uint32_t tid = w.tid(lane), bx = cfg.block.x, by = cfg.block.y;
  auto axis = [&](Special base) { return int(s) - int(base); };
  auto within = [&](Special base) {
    return int(s) >= int(base) && int(s) < int(base) + 3;
  };
  uint32_t thread[3] = {tid % bx, tid / bx % by, tid / (bx * by)};
  if (within(Special::TidX)) {
    out = thread[axis(Special::TidX)];
    return true;
  }
  if (within(Special::NtidX)) {
    out = pick(cfg.block, axis(Special::NtidX));
    return true;
  }
  if (within(Special::CtaidX)) {
    out = pick(c.id, axis(Special::CtaidX));
    return true;
  }
  if (within(Special::NctaidX)) {
    out = pick(cfg.grid, axis(Special::NctaidX));
    return true;
  }
  if (within(Special::ClusterIdX)) {
    int a = axis(Special::ClusterIdX);
    out = pick(c.id, a) / pick(cfg.cluster, a);
    return true;
  }
  if (within(Special::NclusterIdX)) {
    int a = axis(Special::NclusterIdX);
    out = pick(cfg.grid, a) / pick(cfg.cluster, a);
    return true;
  }
  if (within(Special::ClusterCtaIdX)) {
    int a = axis(Special::ClusterCtaIdX);
    out = pick(c.id, a) % pick(cfg.cluster, a);
    return true;
  }
  if (within(Special::ClusterNctaIdX)) {
    out = pick(cfg.cluster, axis(Special::ClusterNctaIdX));
    return true;
  }
  return false;
}

/// The value of a special register; `lane` matters for thread indices.
static uint32_t specialValue(const Warp &w, Special s, int lane) {
  const Cta &c = *w.cta;
  const LaunchConfig &cfg = c.grid->config;
  const Program &p = *c.grid->program;
  uint32_t one = 1u << lane, value = 0;
  if (axisValue(w, s, lane, value)) {
    return value;
  }
  switch (s) {
  case Special::LaneId:
    return static_cast<uint32_t>(lane);
  case Special::WarpId:
    return w.index;
  case Special::NwarpId:
    return static_cast<uint32_t>(c.warps.size());
  case Special::SmId:
    return static_cast<uint32_t>(c.linear % c.grid->scheduler->options.smCount);
  case Special::NsmId:
    return c.grid->scheduler->options.smCount;
  case Special::GridId:
    return c.grid->id;
  case Special::LaneMaskEq:
    return one;
  case Special::LaneMaskLt:
    return one - 1;
  case Special::LaneMaskLe:
    return one | (one - 1);
  case Special::LaneMaskGt:
    return ~(one | (one - 1));
  case Special::LaneMaskGe:
    return ~(one - 1);
  case Special::ClusterCtaRank:
    return c.rank;
  case Special::ClusterNctaRank:
    return static_cast<uint32_t>(cfg.cluster.count());
  case Special::IsExplicitCluster:
    return cfg.explicitCluster;
  case Special::DynamicSmemSize:
    return cfg.dynamicShared;
  case Special::TotalSmemSize:
  case Special::AggrSmemSize:
    return p.staticShared + cfg.dynamicShared + kSharedBase;
  case Special::ReservedSmemEnd:
  case Special::ReservedSmemCap:
    return kSharedBase;
  default:
    return 0;
  }
}

static void fillFixed(Warp &w, bool constants) {
  for (const FixedSlot &f : w.program->fixed) {
    if (f.special == Special::None) {
      if (!constants) {
        continue;
      }
      for (int l = 0; l < kLanes; ++l) {
        if (f.wide) {
          w.at<uint64_t>(f.offset)[l] = f.bits;
        } else {
          w.at<uint32_t>(f.offset)[l] = static_cast<uint32_t>(f.bits);
        }
      }
      continue;
    }
    // Only block-dependent ones change when a block is reused.
    bool perBlock =
        (f.special >= Special::CtaidX && f.special <= Special::CtaidZ) ||
        f.special == Special::SmId || f.special >= Special::ClusterIdX;
    if (constants || perBlock) {
      for (int l = 0; l < kLanes; ++l) {
        w.at<uint32_t>(f.offset)[l] = specialValue(w, f.special, l);
      }
    }
  }
}

Cta *Scheduler::makeCta(Grid &grid, uint64_t linear) {
  Cta *cta = nullptr;
  for (auto &c : grid.pool) {
    // Blocks of a cluster keep their places until all have exited.
    bool held = c->cluster && c->cluster->size() > 1 &&
                std::any_of(c->cluster->begin(), c->cluster->end(),
                            [](Cta *p) { return p->active; });
    if (!c->active && !held) {
      cta = c.get();
    }
  }
  bool fresh = !cta;
  if (fresh) {
    grid.pool.push_back(std::make_unique<Cta>());
    cta = grid.pool.back().get();
    cta->grid = &grid;
    uint32_t threads = static_cast<uint32_t>(grid.config.block.count());
    cta->warps.resize((threads + kLanes - 1) / kLanes);
    for (uint32_t i = 0; i < cta->warps.size(); ++i) {
      Warp &w = cta->warps[i];
      w.cta = cta;
      w.grid = &grid;
      w.program = grid.program.get();
      w.index = i;
      w.file.resize(grid.program->registerBytes + 64);
      size_t at = reinterpret_cast<size_t>(w.file.data());
      w.regs = w.file.data() + ((at + 63) / 64 * 64 - at);
      uint32_t left = threads - i * kLanes;
      w.all = left >= kLanes ? kAllLanes : (Mask(1) << left) - 1;
    }
  }
  cta->active = true;
  bind(*cta, linear);
  for (Warp &w : cta->warps) {
    fillFixed(w, fresh);
  }
  return cta;
}

void Scheduler::bind(Cta &c, uint64_t linear) {
  Grid &grid = *c.grid;
  const Dim3 &g = grid.config.grid;
  c.linear = linear;
  c.id = {static_cast<uint32_t>(linear % g.x),
          static_cast<uint32_t>(linear / g.x % g.y),
          static_cast<uint32_t>(linear / (uint64_t(g.x) * g.y))};
  c.serial = nextSerial++;
  serials.push_back({grid.id, linear});
  c.rank = 0;
  c.cluster = nullptr; // set by startCluster
  c.liveThreads = static_cast<uint32_t>(grid.config.block.count());
  grid.counters.threads += c.liveThreads;
  c.epoch = 1;
  c.pendingAsync = 0;
  c.launchedDependents = false;
  c.waitedPrimary = false;
  c.clusterArrived = 0;
  c.mbarriers.clear();
  for (Barrier &b : c.barriers) {
    b = Barrier();
  }
  if (racecheck()) {
    c.clocks.assign(grid.config.block.count(), ThreadClock());
  }
  c.shared.resize(grid.sharedSize);
  if (memcheck()) {
    const uint32_t poison = 0x7fbadbad;
    for (size_t i = 0; i + 4 <= c.shared.size(); i += 4) {
      std::memcpy(c.shared.data() + i, &poison, 4);
    }
  }
  c.shadow.reset(grid.sharedSize, memcheck(), racecheck());
  for (Warp &w : c.warps) {
    w.live = w.all;
    w.groups[0] = {grid.program->entry, w.all, Group::Ready};
    w.groupCount = 1;
    w.current = 0;
    std::fill(std::begin(w.frame), std::end(w.frame), 0u);
    std::fill(std::begin(w.copyGroup), std::end(w.copyGroup), 0u);
    std::fill(std::begin(w.bulkGroup), std::end(w.bulkGroup), 0u);
    for (auto &s : w.stack) {
      s.clear();
    }
    w.copies.clear();
    w.bulk.clear();
    w.flights.clear();
    w.wgmmaGroup = 0;
    w.lastYield = 0;
    std::fill(std::begin(w.clusterPhase), std::end(w.clusterPhase), 0u);
  }
}

bool Scheduler::startCluster(Grid &grid) {
  const Dim3 &cl = grid.config.cluster, &g = grid.config.grid;
  uint64_t n = cl.count();
  if (n == 1) {
    Cta *c = makeCta(grid, grid.nextCta++);
    grid.resident.push_back(c);
    if (grid.program->usesCluster) {
      auto state = std::make_unique<ClusterState>();
      state->ctas = {c};
      c->cluster = &state->ctas;
      grid.clusters.push_back(std::move(state));
    }
    return true;
  }
  uint64_t index = grid.nextCta / n;
  uint64_t across = g.x / cl.x, down = g.y / cl.y;
  Dim3 at{static_cast<uint32_t>(index % across) * cl.x,
          static_cast<uint32_t>(index / across % down) * cl.y,
          static_cast<uint32_t>(index / (across * down)) * cl.z};
  auto state = std::make_unique<ClusterState>();
  for (uint32_t r = 0; r < n; ++r) {
    uint64_t x = at.x + r % cl.x, y = at.y + r / cl.x % cl.y,
             z = at.z + r / (cl.x * cl.y);
    Cta *c = makeCta(grid, x + g.x * (y + g.y * z));
    c->rank = r;
    c->cluster = &state->ctas;
    state->ctas.push_back(c);
    grid.resident.push_back(c);
  }
  for (Cta *c : state->ctas) {
    for (Warp &w : c->warps) {
      fillFixed(w, true);
    }
  }
  grid.clusters.push_back(std::move(state));
  grid.nextCta += n;
  return true;
}

static void checkExit(Scheduler &s, Cta &cta) {
  for (Warp &w : cta.warps) {
    if (!w.copies.empty()) {
      const PendingCopy &c = w.copies.front();
      w.pc = c.pc;
      s.find(w, c.lane, Kind::PendingAtExit,
             "the block exits before this copy was waited for");
    }
    if (!w.flights.empty()) {
      w.pc = w.flights.front().pc;
      s.find(w, 0, Kind::PendingAtExit,
             "the warp exits with a wgmma in flight");
    }
    for (const BulkGroup &b : w.bulk) {
      if (!b.read) {
        continue; // its shared memory may go; the write follows
      }
      w.pc = b.pc;
      s.find(w, b.lane, Kind::PendingAtExit,
             "the block exits before this bulk copy has read its shared "
             "memory");
      break;
    }
  }
}

void Scheduler::ctaExited(Cta &cta) {
  Grid &grid = *cta.grid;
  if (memcheck()) {
    checkExit(*this, cta);
  }
  for (Warp &w : cta.warps) {
    for (BulkGroup &b : w.bulk) {
      if (b.read) {
        b.read();
      }
      b.write();
    }
    w.bulk.clear();
  }
  for (auto it = async.begin(); it != async.end();) {
    if (it->cta != &cta) {
      ++it;
      continue;
    }
    AsyncOp op = std::move(*it);
    it = async.erase(it);
    if (memcheck()) {
      Warp &w = cta.warps[0];
      w.pc = op.pc;
      find(w, 0, Kind::PendingAtExit,
           "the block exits while " + op.what + " is still running");
    }
    --cta.pendingAsync;
    op.finish();
  }
  if (races) {
    races->publishAll(cta);
  }
  if (!cta.launchedDependents) {
    cta.launchedDependents = true;
    ++grid.launchedDependents;
  }
  cta.active = false;
  ++grid.finishedCtas;
  ++progress;
  std::erase(grid.resident, &cta);
}

Place Scheduler::placeOf(Warp &w, int lane, uint32_t pc) {
  Place p = emu::placeOf(*w.program, pc);
  p.hasThread = true;
  const Cta &c = *w.cta;
  const Dim3 &b = w.grid->config.block;
  uint32_t tid = w.tid(lane);
  p.thread = {{c.id.x, c.id.y, c.id.z},
              {tid % b.x, tid / b.x % b.y, tid / (b.x * b.y)}};
  return p;
}

Place Scheduler::placeOf(const Stamp &s) {
  uint32_t index = s.cta - options.serialBase;
  if (s.cta < options.serialBase || index >= serials.size()) {
    return Place();
  }
  auto [gridId, linear] = serials[index];
  const Grid &grid = *grids[gridId];
  Place p = emu::placeOf(*grid.program, s.pc);
  const Dim3 &g = grid.config.grid, &b = grid.config.block;
  p.hasThread = s.tid < b.count();
  p.thread = {{static_cast<uint32_t>(linear % g.x),
               static_cast<uint32_t>(linear / g.x % g.y),
               static_cast<uint32_t>(linear / (uint64_t(g.x) * g.y))},
              {s.tid % b.x, s.tid / b.x % b.y, s.tid / (b.x * b.y)}};
  return p;
}

void Scheduler::find(Warp &w, int lane, Kind kind, std::string message,
                     std::vector<std::string> notes,
                     std::vector<Place> others) {
  Finding f;
  f.kind = kind;
  f.message = std::move(message);
  f.notes = std::move(notes);
  f.places.push_back(placeOf(w, lane, w.pc));
  for (Place &p : others) {
    f.places.push_back(std::move(p));
  }
  report.add(std::move(f));
}

void Scheduler::fault(Warp &w, int lane, int error, Kind kind,
                      std::string message, std::vector<std::string> notes) {
  Finding f;
  f.kind = kind;
  f.message = std::move(message);
  f.notes = std::move(notes);
  f.places.push_back(placeOf(w, lane, w.pc));
  throw KernelFault{error, std::move(f)};
}

/// Names where threads stand when none can run.
void Scheduler::reportStall() {
  Finding f;
  f.kind = Kind::Deadlock;
  f.message = "no thread can make progress";
  std::map<std::pair<uint32_t, uint32_t>, std::pair<uint32_t, Place>> stand;
  for (auto &grid : grids) {
    for (Cta *cta : grid->resident) {
      for (Warp &w : cta->warps) {
        for (uint32_t i = 0; i < w.groupCount; ++i) {
          const Group &g = w.groups[i];
          // Spinning lanes are named at the read they spin on.
          uint32_t pc =
              g.state == Group::Ready && w.lastYield ? w.lastYield : g.pc;
          auto &[count, place] = stand[{grid->id, pc}];
          if (count == 0) {
            place = placeOf(w, std::countr_zero(g.lanes), pc);
          }
          count += static_cast<uint32_t>(std::popcount(g.lanes));
        }
      }
      for (int b = 0; b < 16; ++b) {
        const Barrier &bar = cta->barriers[b];
        if (bar.arrived && f.notes.size() < 12) {
          f.notes.push_back(
              "barrier " + std::to_string(b) + " of block " +
              std::to_string(cta->linear) + ": " + std::to_string(bar.arrived) +
              " of " + std::to_string(bar.expected) + " threads arrived, " +
              std::to_string(cta->liveThreads) + " threads live");
        }
      }
      for (auto &[at, m] : cta->mbarriers) {
        if (f.notes.size() < 12) {
          f.notes.push_back("mbarrier at " + std::to_string(at) + " of block " +
                            std::to_string(cta->linear) + ": phase " +
                            std::to_string(m.phase) + ", " +
                            std::to_string(m.pending) + " of " +
                            std::to_string(m.expected) + " arrivals missing, " +
                            std::to_string(m.tx) + " bytes expected");
        }
      }
    }
    if (!grid->done && grid->nextCta < grid->total) {
      f.notes.push_back(
          std::to_string(grid->total - grid->nextCta) + " blocks of " +
          std::string(grid->program->kernel->name) + " wait for a place (" +
          std::to_string(grid->resident.size()) + " resident)");
    }
  }
  for (auto &[key, entry] : stand) {
    f.places.push_back(entry.second);
    f.notes.push_back(std::to_string(entry.first) + " threads stand at line " +
                      std::to_string(entry.second.line));
  }
  throw KernelFault{702, std::move(f)};
}

} // namespace rill::emu
