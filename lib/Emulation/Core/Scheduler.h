// Decides which lanes run next and notices when none can.
#ifndef LIB_EMULATION_CORE_SCHEDULER_H
#define LIB_EMULATION_CORE_SCHEDULER_H

#include "Machine.h"

namespace rill::emu {

class GlobalRaces;

/// Settings of a run, mostly from the environment.
struct RunOptions {
  uint32_t checks = kCheckMemory;
  uint64_t seed = 0;                 ///< 0: fair order, no randomness
  uint32_t resident = 0;             ///< blocks at once; 0: what the chip holds
  bool count = false;                ///< memory transactions too
  bool earlyDependents = true;       ///< PDL: start as soon as allowed
  uint64_t watchdog = 4000000000ull; ///< warp instructions in one launch
  uint32_t smCount = 132;
  uint32_t serialBase = 1; ///< first serial of this run's blocks
};

/// Runs one grid, or a chain of programmatically dependent grids.
class Scheduler {
public:
  Scheduler(DeviceMemory &memory, Report &report, RunOptions options);
  ~Scheduler();

  /// Appends a grid. With config.programmatic it may overlap the previous.
  Grid &add(std::shared_ptr<const Program> program, LaunchConfig config);
  /// Runs everything to the end. Returns 0 or a CUresult; findings are in
  /// the report.
  int run();
  uint32_t serialsUsed() const { return nextSerial; }

  // For handlers.
  DeviceMemory &memory;
  Report &report;
  RunOptions options;
  std::unique_ptr<GlobalRaces> races; ///< null without race checks
  uint64_t progress = 0;              ///< stores, atomics, arrivals, exits
  bool memcheck() const { return options.checks & kCheckMemory; }
  bool racecheck() const { return options.checks & kCheckRace; }
  uint32_t random(uint32_t bound) {
    return bound ? static_cast<uint32_t>(engine() % bound) : 0;
  }
  bool seeded() const { return options.seed != 0; }
  void enqueue(AsyncOp op);
  /// Records a finding at the running instruction of a lane.
  void find(Warp &w, int lane, Kind kind, std::string message,
            std::vector<std::string> notes = {},
            std::vector<Place> others = {});
  /// As find, then ends the launch with a CUresult.
  [[noreturn]] void fault(Warp &w, int lane, int error, Kind kind,
                          std::string message,
                          std::vector<std::string> notes = {});
  Place placeOf(Warp &w, int lane, uint32_t pc);
  Place placeOf(const Stamp &stamp);
  /// The grid a stamp's block belongs to.
  uint32_t gridOf(const Stamp &stamp) const {
    return serials[stamp.cta - options.serialBase].first;
  }
  void ctaExited(Cta &cta);
  /// Frees the lanes that wait at a barrier of the warp.
  static void release(Warp &w, Mask lanes, uint32_t pc);
  std::string printfBuffer;
  /// Called by device printf with finished text.
  std::function<void(const std::string &)> print;
  /// cudaGraphSetConditional: handle, value.
  std::function<void(uint64_t, uint32_t)> setConditional;

private:
  bool runTurn(Warp &w);
  int pickGroup(Warp &w);
  bool runGroup(Warp &w, uint32_t quantum);
  bool round();
  void admit();
  bool mayStart(const Grid &grid) const;
  bool startCluster(Grid &grid);
  Cta *makeCta(Grid &grid, uint64_t linear);
  void bind(Cta &cta, uint64_t linear);
  void retire(Grid &grid, Cta *cta);
  bool completeOne(bool random);
  void reportStall();
  void finishGrid(Grid &grid);
  void mergeGroups(Warp &w);
  uint32_t limitOf(const Grid &grid) const;

  std::vector<std::unique_ptr<Grid>> grids;
  std::deque<AsyncOp> async;
  std::mt19937_64 engine;
  uint32_t nextSerial = 1;
  uint32_t active = 4; ///< blocks admitted per grid so far
  uint64_t instructions = 0;
  /// serial -> grid index and linear block number
  std::vector<std::pair<uint32_t, uint64_t>> serials;
};

} // namespace rill::emu
#endif
