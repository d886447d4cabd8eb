// The running state of a launch: grids, blocks, warps. See Scheduler.h for
// who runs when.
#ifndef LIB_EMULATION_CORE_MACHINE_H
#define LIB_EMULATION_CORE_MACHINE_H

#include "../Checks/Clocks.h"
#include "../Checks/SharedShadow.h"
#include "Address.h"
#include "Counters.h"
#include "Memory.h"
#include "Program.h"
#include "Report.h"
#include "Traffic.h"

#include <bit>
#include <cstring>
#include <deque>
#include <functional>
#include <random>

namespace rill::emu {

struct Cta;
struct Grid;
class Scheduler;

/// Which checks run; bits.
enum Checks : uint32_t {
  kCheckNone = 0,
  kCheckMemory = 1, ///< bounds, alignment, lifetime, pending bytes, shared init
  kCheckRace = 2,   ///< happens-before, proxies, delayed stores
  kCheckInit = 4,   ///< uninitialised global memory
  kCheckAll = 7
};

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

/// Lanes of a warp that stand at one instruction.
struct Group {
  uint32_t pc = 0;
  Mask lanes = 0;
  enum State : uint8_t { Ready, Parked, Blocked } state = Ready;
};

/// A return address and what a call must restore.
struct Frame {
  uint32_t pc = 0;         ///< of the call instruction
  uint32_t frame = 0;      ///< the caller's local frame
  uint32_t function = 0;   ///< callee
  std::vector<char> saved; ///< registers of a recursive callee
};

/// A cp.async that has not been performed.
struct PendingCopy {
  uint8_t lane = 0, bytes = 0, sourceBytes = 0;
  uint32_t group = 0, destination = 0, pc = 0;
  uint64_t source = 0;
};

/// Bulk copies of one thread that read shared memory (stores, reductions).
struct BulkGroup {
  uint32_t group = 0;
  uint8_t lane = 0;
  std::function<void()> read;  ///< reads shared memory into the operation
  std::function<void()> write; ///< makes the result visible
  uint32_t pc = 0;
  uint32_t first = 0, bytes = 0; ///< shared range that is being read
};

/// Registers and shared bytes that a wgmma in flight uses.
struct WgmmaFlight {
  uint32_t group = 0, pc = 0;
  std::vector<uint32_t> registers; ///< numbers, for messages and checks
  std::vector<std::pair<uint32_t, uint32_t>> shared; ///< [first, end)
};

struct Warp {
  Cta *cta = nullptr;
  Grid *grid = nullptr;
  const Program *program = nullptr;
  char *regs = nullptr;
  uint32_t index = 0; ///< in the block
  Mask live = 0, all = 0;
  Group groups[kLanes];
  uint32_t groupCount = 0, current = 0;
  uint32_t pc = 0; ///< of the instruction that runs
  uint32_t frame[kLanes] = {};
  std::vector<Frame> stack[kLanes];
  std::vector<char> local; ///< kLanes * localBytes, made on first use
  std::vector<char> file;  ///< the register file
  std::vector<PendingCopy> copies;
  uint32_t copyGroup[kLanes] = {};
  std::vector<BulkGroup> bulk;
  uint32_t bulkGroup[kLanes] = {};
  std::vector<WgmmaFlight> flights;
  uint32_t wgmmaGroup = 0;
  uint64_t executed = 0;
  uint32_t lastYield = 0; ///< pc of the last spin read, for stall reports
  uint64_t clusterPhase[kLanes] = {}; ///< awaited phase + 1 of a lane, or 0
  Mask carry = 0; ///< the condition code of add.cc and friends

  template <class T>
  T *at(uint32_t offset) {
    return reinterpret_cast<T *>(regs + offset);
  }
  Mask &predicate(uint32_t offset) {
    return *reinterpret_cast<Mask *>(regs + offset);
  }
  uint32_t tid(int lane) const { return index * kLanes + uint32_t(lane); }
  /// True when all live lanes of `mask` stand in the group that runs.
  bool need(Mask mask) const {
    return (groups[current].lanes & mask & live) == (mask & live);
  }
  /// Moves lanes of the running group to `to`.
  void move(Mask lanes, uint32_t to);
  /// Ends lanes of the running group.
  void kill(Mask lanes);
  char *localMemory(int lane);
  /// Counts a request of the instruction that runs; lane l touches bytes[l]
  /// bytes of global memory, or `bytes` of its block's shared memory.
  void countGlobal(const uint64_t *addresses, Mask mask, const unsigned *bytes,
                   bool load);
  void countShared(const uint32_t *offsets, Mask mask, unsigned bytes);
};

/// One of the 16 barriers of a block.
struct Barrier {
  uint32_t arrived = 0, expected = 0;
  struct Waiter {
    Warp *warp;
    Mask lanes;
    uint32_t pc;
    uint32_t reduceReg;
  };
  std::vector<Waiter> waiters;
  View view;
  uint32_t popc = 0;
  bool all = true, any = false;
};

struct Mbarrier {
  uint32_t expected = 0, pending = 0;
  int64_t tx = 0;
  uint64_t phase = 0;
  uint32_t slot = 0; ///< index of its asynchronous clock
  uint32_t asyncClock = 0;
  View gathering;
  ViewPtr completed;
  uint32_t initPc = 0;
};

/// An asynchronous operation that the hardware may finish at any time.
struct AsyncOp {
  std::function<void()> finish;
  Cta *cta = nullptr; ///< whose exit it must not outlive
  uint32_t pc = 0;
  std::string what;
  bool mbarrier = false;
};

/// A block that runs, with its shared memory.
struct Cta {
  Grid *grid = nullptr;
  Dim3 id;
  uint64_t linear = 0;
  uint32_t serial = 0; ///< for stamps
  uint32_t rank = 0;   ///< in its cluster
  std::vector<Cta *> *cluster = nullptr;
  std::vector<Warp> warps;
  std::vector<char> shared; ///< from address 0; kSharedBase and up is usable
  SharedShadow shadow;
  uint32_t liveThreads = 0;
  Barrier barriers[16];
  std::map<uint32_t, Mbarrier> mbarriers;
  uint32_t epoch = 1;
  std::vector<ThreadClock> clocks; ///< empty without race checks
  uint32_t pendingAsync = 0;
  bool launchedDependents = false;
  bool waitedPrimary = false;  ///< past griddepcontrol.wait
  uint32_t clusterArrived = 0; ///< threads at barrier.cluster
  bool active = false;
  uint32_t nextWarp = 0;
};

/// What cuLaunchKernel was told.
struct LaunchConfig {
  Dim3 grid, block, cluster;
  uint32_t dynamicShared = 0;
  bool explicitCluster = false;
  bool cooperative = false;
  bool programmatic = false; ///< may start before its predecessor ends
  uint32_t maxResident = 0;  ///< blocks that fit on the chip at once
  std::vector<char> params;
};

struct ClusterState {
  std::vector<Cta *> ctas;
  uint32_t arrived = 0;
  uint64_t phase = 0;
  View view;
  std::vector<Barrier::Waiter> waiters;
  uint32_t liveThreads = 0;
};

/// A kernel launch that runs.
struct Grid {
  std::shared_ptr<const Program> program;
  LaunchConfig config;
  uint32_t id = 0;
  uint64_t nextCta = 0, finishedCtas = 0, total = 0;
  uint64_t launchedDependents = 0; ///< blocks that have issued it or exited
  uint32_t sharedSize = 0;         ///< end of a block's shared window
  Grid *primary = nullptr;         ///< the launch before it in the chain
  bool done = false;
  std::vector<Cta *> resident;
  std::vector<std::unique_ptr<Cta>> pool;
  std::vector<std::unique_ptr<ClusterState>> clusters;
  Counters counters;
  std::unique_ptr<Traffic> traffic; ///< null without counters
  Scheduler *scheduler = nullptr;
  /// One remembered allocation per instruction: address bounds and offset.
  struct Window {
    uint64_t low = 1, high = 0;
    int64_t delta = 0;
    Allocation *allocation = nullptr;
  };
  std::vector<Window> windows;
  bool ok(uint64_t cta) const { return cta < total; }
};

} // namespace rill::emu
#endif
