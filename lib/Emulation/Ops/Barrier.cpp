// bar, barrier, bar.warp.sync, barrier.cluster, griddepcontrol: PTX ISA
// 9.7.13.1-4 and 9.7.13.17.
#include "../Checks/GlobalRaces.h"
#include "Lanes.h"

namespace rill::emu {

namespace {

enum class Reduce : uint8_t { None, Popc, And, Or };

/// A barrier of the whole block orders everything before it.
void fullBarrier(Cta &cta, const View &gathered) {
  auto all = std::make_shared<View>(gathered);
  ++cta.epoch;
  all->entry(cta.serial).horizon = cta.epoch;
  ViewPtr shared = all;
  for (ThreadClock &t : cta.clocks) {
    t.view = shared;
  }
}

void gatherViews(Warp &w, Mask m, View &into, bool raise) {
  Cta &cta = *w.cta;
  const View *last = nullptr;
  for (Mask left = m; left; left &= left - 1) {
    ThreadClock &t = cta.clocks[w.tid(__builtin_ctz(left))];
    if (t.view && t.view.get() != last) {
      into.join(*t.view);
      last = t.view.get();
    }
    if (raise) {
      into.raise(cta.serial, cta.epoch, w.tid(__builtin_ctz(left)), t.clock);
      ++t.clock;
    }
  }
}

void complete(Cta &cta, Barrier &b, bool whole) {
  if (!cta.clocks.empty()) {
    if (whole) {
      fullBarrier(cta, b.view);
    } else {
      ViewPtr view = std::make_shared<View>(b.view);
      for (Barrier::Waiter &x : b.waiters) {
        for (Mask m = x.lanes; m; m &= m - 1) {
          GlobalRaces::acquire(*x.warp, __builtin_ctz(m), view);
        }
      }
    }
  }
}

/// Writes a reduction's result to lanes of a waiter.
void writeResult(const Barrier &b, Warp &w, const Ins &i, Mask lanes) {
  Reduce r = static_cast<Reduce>(i.mode);
  if (r == Reduce::Popc) {
    for (Mask m = lanes; m; m &= m - 1) {
      w.at<uint32_t>(i.d)[__builtin_ctz(m)] = b.popc;
    }
  } else if (r != Reduce::None) {
    Mask &p = w.predicate(i.d);
    bool v = r == Reduce::And ? b.all : b.any;
    p = (p & ~lanes) | (v ? lanes : 0);
  }
}

/// Refuses a barrier that does not exist or cannot complete.
void checkBarrier(Warp &w, const Ins &i, int lane, uint32_t id, uint32_t want) {
  Scheduler &s = *w.grid->scheduler;
  uint32_t all = static_cast<uint32_t>(w.grid->config.block.count());
  uint32_t padded = (all + kLanes - 1) / kLanes * kLanes;
  if (id >= 16) {
    s.fault(w, lane, 719, Kind::BarrierMisuse,
            "barrier " + std::to_string(id) + " does not exist");
  }
  if (want == 0 || want % kLanes) {
    if (i.b != kNoReg) {
      s.fault(w, lane, 719, Kind::BarrierMisuse,
              "thread count " + std::to_string(want) +
                  " is no multiple of the warp size");
    }
  }
  if (want > padded) {
    s.fault(w, lane, 719, Kind::BarrierMisuse,
            "thread count " + std::to_string(want) + " exceeds the block's " +
                std::to_string(all));
  }
  const Barrier &b = w.cta->barriers[id];
  if (b.arrived && b.expected != want) {
    s.find(w, lane, Kind::BarrierMisuse,
           "barrier " + std::to_string(id) + " is used with " +
               std::to_string(want) + " threads while others wait for " +
               std::to_string(b.expected));
  }
}

/// Completes a barrier whose last threads these are, and frees the others.
void finishBarrier(Warp &w, const Ins &i, Mask m, Barrier &b, bool whole) {
  uint32_t waiting = 0;
  if (!i.flag) {
    b.waiters.push_back({&w, m, w.pc, i.d});
  }
  for (const Barrier::Waiter &x : b.waiters) {
    waiting += uint32_t(std::popcount(x.lanes));
  }
  complete(*w.cta, b, whole && waiting >= w.grid->config.block.count());
  for (Barrier::Waiter &x : b.waiters) {
    const Ins &at = x.warp->program->code[x.pc];
    writeResult(b, *x.warp, at, x.lanes);
    if (x.warp != &w || x.pc != w.pc || x.lanes != m) {
      Scheduler::release(*x.warp, x.lanes, x.pc);
    }
  }
  b = Barrier();
}

/// flag: arrive only. flag2: aligned (all lanes of the warp together).
Step barrier(Warp &w, const Ins &i, Mask m) {
  Cta &cta = *w.cta;
  if (i.flag2 && !w.need(w.live)) {
    return Step::Park;
  }
  int lane = __builtin_ctz(m);
  uint32_t id = i.a == kNoReg ? 0 : w.at<uint32_t>(i.a)[lane];
  uint32_t all = static_cast<uint32_t>(w.grid->config.block.count());
  uint32_t want = i.b == kNoReg ? all : w.at<uint32_t>(i.b)[lane];
  checkBarrier(w, i, lane, id, want);
  Barrier &b = cta.barriers[id];
  b.expected = want;
  if (!cta.clocks.empty()) {
    gatherViews(w, m, b.view, true);
  }
  if (i.mode != uint8_t(Reduce::None)) {
    Mask p = w.predicate(i.c);
    p = (i.imm & 1) ? ~p : p;
    b.popc += static_cast<uint32_t>(std::popcount(p & m));
    b.all = b.all && (p & m) == m;
    b.any = b.any || (p & m);
  }
  // A partial last warp counts in full for named thread counts.
  bool partial = w.all != kAllLanes && i.b != kNoReg && m == w.live;
  b.arrived += partial ? kLanes : static_cast<uint32_t>(std::popcount(m));
  ++w.grid->scheduler->progress;
  if (b.arrived < want) {
    if (i.flag) {
      return Step::Next;
    }
    b.waiters.push_back({&w, m, w.pc, i.d});
    return Step::Block;
  }
  finishBarrier(w, i, m, b, want >= all);
  return Step::Next;
}

void decodeBarrierCta(Decode &d) {
  bool named = d.ast.parts[0] == "barrier";
  d.ins.flag = d.has("arrive");
  d.ins.flag2 = !named || d.has("aligned");
  bool red = d.has("red");
  size_t at = 0;
  if (red) {
    d.ins.mode = static_cast<uint8_t>(d.has("popc")  ? Reduce::Popc
                                      : d.has("and") ? Reduce::And
                                                     : Reduce::Or);
    const Operand &out = d.op(at++);
    d.ins.d = d.has("popc") ? d.dst(out, Type::U32) : d.predicateOut(out);
  }
  d.arity(at + 1, at + 3);
  d.ins.a = d.src(d.op(at++), Type::U32);
  size_t rest = d.count() - at - (red ? 1 : 0);
  if (rest) {
    d.ins.b = d.src(d.op(at++), Type::U32);
  } else if (d.ins.flag) {
    d.fail("arrive needs a thread count");
  }
  if (red) {
    bool negated = false;
    d.ins.c = d.predicate(d.op(at), negated);
    d.ins.imm = negated;
  }
  d.finish(barrier, InsClass::Barrier);
}

/// Lanes of the mask must all stand here; then they know of each other.
Step warpSync(Warp &w, const Ins &i, Mask m) {
  Mask mask = w.at<uint32_t>(i.a)[__builtin_ctz(m)];
  Mask outside = m & ~mask;
  if (outside) {
    w.grid->scheduler->find(w, __builtin_ctz(outside), Kind::InactiveLane,
                            "the lane is not in its own member mask");
  }
  if (!w.need(mask)) {
    return Step::Park;
  }
  if (!w.cta->clocks.empty()) {
    View view;
    gatherViews(w, m & mask, view, true);
    ViewPtr shared = std::make_shared<View>(std::move(view));
    for (Mask left = m & mask; left; left &= left - 1) {
      GlobalRaces::acquire(w, __builtin_ctz(left), shared);
    }
  }
  return Step::Next;
}

ClusterState *clusterOf(Warp &w) {
  for (auto &c : w.grid->clusters) {
    if (&c->ctas == w.cta->cluster) {
      return c.get();
    }
  }
  return nullptr;
}

uint32_t liveOf(const ClusterState &c) {
  uint32_t n = 0;
  for (Cta *cta : c.ctas) {
    n += cta->active ? cta->liveThreads : 0;
  }
  return n;
}

void completeCluster(ClusterState &c) {
  ++c.phase;
  c.arrived = 0;
  for (Cta *cta : c.ctas) {
    if (cta->active && !cta->clocks.empty()) {
      ++cta->epoch;
      c.view.entry(cta->serial).horizon = cta->epoch;
    }
    cta->clusterArrived = 0;
  }
  ViewPtr view = std::make_shared<View>(c.view);
  for (Cta *cta : c.ctas) {
    for (ThreadClock &t : cta->clocks) {
      t.toAcquire = joined(t.toAcquire, view);
    }
  }
  c.view = View();
}

/// barrier.cluster.arrive: flag = relaxed.
Step clusterArrive(Warp &w, const Ins &i, Mask m) {
  ClusterState *c = clusterOf(w);
  if (i.flag2 && !w.need(w.live)) {
    return Step::Park;
  }
  ++w.grid->scheduler->progress;
  Cta &cta = *w.cta;
  if (!cta.clocks.empty() && !i.flag) {
    gatherViews(w, m, c->view, true);
    if (w.grid->scheduler->races) {
      for (Mask left = m; left; left &= left - 1) {
        w.grid->scheduler->races->publish(w, __builtin_ctz(left));
      }
    }
  }
  for (Mask left = m; left; left &= left - 1) {
    w.clusterPhase[__builtin_ctz(left)] = c->phase + 1;
  }
  c->arrived += static_cast<uint32_t>(std::popcount(m));
  if (c->arrived >= liveOf(*c)) {
    completeCluster(*c);
  }
  return Step::Next;
}

Step clusterWait(Warp &w, const Ins &i, Mask m) {
  ClusterState *c = clusterOf(w);
  if (i.flag2 && !w.need(w.live)) {
    return Step::Park;
  }
  int lane = __builtin_ctz(m);
  if (w.clusterPhase[lane] == 0) {
    w.grid->scheduler->fault(w, lane, 719, Kind::BarrierMisuse,
                             "barrier.cluster.wait without an arrive");
  }
  if (c->phase < w.clusterPhase[lane]) {
    // Exits of other threads may complete the barrier too.
    if (c->arrived && c->arrived >= liveOf(*c)) {
      completeCluster(*c);
    } else {
      return Step::Park;
    }
  }
  for (Mask left = m; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    w.clusterPhase[l] = 0;
    if (!w.cta->clocks.empty()) {
      ThreadClock &t = w.cta->clocks[w.tid(l)];
      t.view = joined(t.view, t.toAcquire);
      t.toAcquire = nullptr;
    }
  }
  ++w.grid->scheduler->progress;
  return Step::Next;
}

void decodeClusterBarrier(Decode &d) {
  d.arity(0, 0);
  d.owner.program->usesCluster = true;
  d.ins.flag = d.has("relaxed");
  d.ins.flag2 = d.has("aligned");
  d.finish(d.has("arrive") ? clusterArrive : clusterWait, InsClass::Barrier);
}

Step launchDependents(Warp &w, const Ins &, Mask) {
  if (!w.cta->launchedDependents) {
    w.cta->launchedDependents = true;
    ++w.grid->launchedDependents;
    ++w.grid->scheduler->progress;
  }
  return Step::Next;
}

/// Waits for the primary's end; its memory is then visible.
Step dependencyWait(Warp &w, const Ins &, Mask m) {
  const Grid *primary = w.grid->primary;
  if (w.grid->config.programmatic && primary && !primary->done) {
    return Step::Park;
  }
  w.cta->waitedPrimary = true;
  (void)m;
  return Step::Next;
}

} // namespace

void addBarrier(OpTable &t) {
  t["bar"] = [](Decode &d) {
    if (d.has("warp")) {
      d.arity(1, 1);
      d.ins.a = d.src(d.op(0), Type::B32);
      return d.finish(warpSync, InsClass::Barrier);
    }
    decodeBarrierCta(d);
  };
  t["barrier"] = [](Decode &d) {
    if (d.has("cluster")) {
      return decodeClusterBarrier(d);
    }
    decodeBarrierCta(d);
  };
  t["griddepcontrol"] = [](Decode &d) {
    d.arity(0, 0);
    d.finish(d.has("wait") ? dependencyWait : launchDependents,
             InsClass::Barrier);
  };
}

} // namespace rill::emu
