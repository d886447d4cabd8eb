// Everything the driver remembers: contexts, streams, operations, modules.
#ifndef LIB_EMULATION_DRIVER_STATE_H
#define LIB_EMULATION_DRIVER_STATE_H

#include "../Checks/GlobalRaces.h"
#include "../Core/Decoder.h"
#include "../Core/Memory.h"
#include "../Core/Report.h"
#include "../Core/Scheduler.h"
#include "Api.h"
#include "Chips.h"

#include <functional>
#include <mutex>
#include <set>
#include <unordered_set>

namespace rill::emu::cuda {

/// A kernel launch, as queued or kept in a graph.
struct LaunchRecord {
  FunctionHandle *function = nullptr;
  LaunchConfig config;
};

/// One queued operation. It runs when something needs it, never earlier
/// unless a seed says so.
/// Operations something is ordered after: stream id -> highest number.
using StreamClock = std::map<uint64_t, uint64_t>;

struct Op {
  std::function<int()> run;
  std::vector<std::shared_ptr<Op>> needs;
  std::shared_ptr<LaunchRecord> launch; ///< kernels
  std::shared_ptr<Op> previous;         ///< in its stream, for PDL
  std::string what;
  bool done = false;
  uint64_t number = 0, stream = 0;
  StreamClock clock; ///< itself included
};
using OpPtr = std::shared_ptr<Op>;

struct Context {
  uint64_t id = 0;
  unsigned flags = 0;
  bool primary = false;
  unsigned retained = 0;
  int error = 0; ///< sticky
  OpPtr legacyLast;
  std::set<Stream *> streams;
  std::set<Event *> events;
  std::set<LoadedModule *> modules;
  std::map<int, size_t> limits;
  Stream *legacy = nullptr, *perThread = nullptr;
};

struct Capture {
  Capture() = default;
  Capture(const Capture &) = delete;
  ~Capture(); ///< deletes a graph nobody asked for
  Graph *graph = nullptr;
  Stream *origin = nullptr;
  std::set<Stream *> streams;
  bool invalid = false;
  uint64_t id = 0;
  std::set<GraphNode *> joined; ///< nodes something depends on
};

struct Stream {
  Context *context = nullptr;
  unsigned flags = 0; ///< 1: non-blocking
  int priority = 0;
  uint64_t id = 0;
  OpPtr last;
  std::vector<OpPtr> waits; ///< of cuStreamWaitEvent, for the next operation
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode *> captureTail; ///< what the next node depends on
};

struct Event {
  Context *context = nullptr;
  unsigned flags = 0;
  OpPtr op; ///< null: never recorded
  double time = 0;
  bool recorded = false;
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode *> captureNodes;
};

struct FunctionHandle {
  LoadedModule *module = nullptr;
  const Function *ast = nullptr;
  std::shared_ptr<Program> program;
  int maxDynamicShared = 49152;
  int carveout = -1;
  int nonPortableCluster = 0;
  int requiredCluster[3] = {0, 0, 0};
};

struct LoadedModule {
  Context *context = nullptr;
  std::unique_ptr<Module> ptx;
  std::vector<Allocation *> variables; ///< by Module::vars index
  std::map<std::string, std::unique_ptr<FunctionHandle>, std::less<>> functions;
};

struct Library {
  LoadedModule *module = nullptr;
};

struct MemPool {
  uint64_t threshold = 0;
};

struct GraphNode {
  Graph *graph = nullptr;
  unsigned type = kNodeEmpty;
  std::shared_ptr<LaunchRecord> launch;
  std::function<int()> run; ///< memcpy, memset, host
  std::string what;
  Event *event = nullptr;
  Graph *child = nullptr;
  std::vector<Graph *> bodies; ///< conditional
  unsigned conditionalType = 0;
  uint64_t handle = 0;
  std::vector<GraphNode *> needs;
  CUDA_KERNEL_NODE_PARAMS kernelParams{};
  std::vector<std::vector<char>> paramBytes;
  std::vector<void *> paramPointers;
};

struct Graph {
  std::vector<std::unique_ptr<GraphNode>> nodes;
  std::vector<std::unique_ptr<Graph>> children;      ///< clones and bodies
  std::map<uint64_t, unsigned> handles;              ///< default values
  std::vector<std::unique_ptr<Graph *[]>> bodyLists; ///< given to callers
  bool body = false;
};

struct GraphExec {
  std::unique_ptr<Graph> graph; ///< a copy
  Context *context = nullptr;
};

/// What an operation that ran has touched.
struct Footprint {
  uint64_t stream = 0, number = 0;
  StreamClock clock;
  std::string what;
  std::vector<GlobalRaces::Range> ranges;
};

/// One rule of RILL_EMU_FAULT.
struct FaultRule {
  std::string function; ///< "*" for every one
  uint64_t call = 0;    ///< the n-th call, 1-based
  int error = 0;
  bool sticky = false; ///< and all after it
};

struct Driver {
  std::recursive_mutex mutex;
  bool initialized = false;
  const Chip *chip = nullptr;
  std::unique_ptr<DeviceMemory> memory;
  Report report;
  RunOptions options;
  bool findingsFail = true;
  bool hostGuard = true;
  bool leakCheck = false;
  /// Registers by kernel name, from RILL_EMU_PTXAS_LOG.
  std::map<std::string, int, std::less<>> knownRegisters;
  std::string countersFile;
  std::vector<FaultRule> faults;
  std::map<std::string, uint64_t, std::less<>> calls;
  uint64_t totalCalls = 0;
  std::string callsFile; ///< gets `calls` when the process ends
  std::set<Context *> contexts;
  Context *primary = nullptr;
  std::set<Graph *> graphs;
  std::set<GraphExec *> execs;
  std::set<Library *> libraries;
  std::set<MemPool *> pools;
  MemPool defaultPool;
  std::map<uint64_t, unsigned> conditionals;
  uint64_t nextId = 1, opCount = 0;
  uint64_t launches = 0;
  StreamClock hostClock; ///< what the host has waited for
  std::vector<Footprint> footprints;
  OpPtr running;

  /// Reads the environment; called by cuInit.
  CUresult initialize();
  /// The state every call begins with; an injected fault, if one is due.
  CUresult enter(const char *function, bool needsInit);
  Context *current();
  /// The current context, or an error: none, destroyed, or failed before.
  CUresult context(Context *&out);

  // Streams.cpp
  CUresult streamOf(CUstream handle, Stream *&out);
  OpPtr enqueue(Stream &stream, std::string what, std::function<int()> run,
                std::shared_ptr<LaunchRecord> launch = nullptr);
  /// Runs an operation and all it needs. Returns its context's error.
  int finish(const OpPtr &op, bool hostWaits = true);
  /// Compares what the running operation touched with unordered ones.
  void touched(std::vector<GlobalRaces::Range> ranges);
  int finishAll(Context &context);
  /// Runs queued work at random points when a seed is set.
  void seededProgress();
  int runLaunches(const std::vector<std::shared_ptr<LaunchRecord>> &chain);
  void fail(Context &context, int error);
  void destroyContext(Context *context);
};

Driver &driver();

/// The calling thread's stack of contexts.
std::vector<Context *> &contextStack();

/// Runs `body` under the lock with injected faults and without exceptions.
template <class F>
CUresult guarded(const char *name, bool needsInit, F body) {
  Driver &d = driver();
  std::lock_guard lock(d.mutex);
  try {
    if (CUresult e = d.enter(name, needsInit)) {
      return e;
    }
    return static_cast<CUresult>(body(d));
  } catch (const std::bad_alloc &) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const KernelFault &f) {
    d.report.add(f.finding);
    return static_cast<CUresult>(f.error);
  } catch (const std::exception &e) {
    Finding f;
    f.message = std::string(name) + ": " + e.what();
    d.report.add(std::move(f));
    return CUDA_ERROR_UNKNOWN;
  }
}

#define RILL_TRY_CU(expr)                                                      \
  do {                                                                         \
    if (CUresult rill_e = static_cast<CUresult>(expr)) {                       \
      return rill_e;                                                           \
    }                                                                          \
  } while (0)

// Modules.cpp
CUresult loadImage(Driver &d, Context &context, const void *image, size_t limit,
                   const std::string &name, LoadedModule *&out,
                   std::string &log);
void unloadModule(Driver &d, LoadedModule *module);
CUresult programOf(Driver &d, FunctionHandle &f);
/// Registers of a thread: what the ptxas log says, else .maxnreg, else our
/// estimate within the kernel's launch bounds. `known`: not the estimate.
uint32_t registersOf(const Driver &d, const FunctionHandle &f, bool *known);
// Launch.cpp
CUresult makeLaunch(Driver &d, Context &c, FunctionHandle *f, Dim3 grid,
                    Dim3 block, unsigned shared, void **params, void **extra,
                    LaunchRecord &out);
// Graph.cpp
GraphNode *addNode(Graph &graph, unsigned type,
                   const std::vector<GraphNode *> &needs);
int runGraph(Driver &d, Graph &graph);
/// Adds to the stream's capture instead of the queue; null: not capturing.
GraphNode *captureNode(Stream &stream, unsigned type);
// Leaks.cpp
/// Reports what the context still holds; it is about to be destroyed, or the
/// process ends.
void reportLeaks(Driver &d, const Context &c);
/// Reports at the end of the process whatever is alive then.
void reportLeaksAtExit();
// Guard.cpp
void installHostGuard();
void *allocatePinned(size_t bytes, void *&view);
bool freePinned(void *pointer);
/// Host accesses to these pinned bytes are reported until unguard; returns
/// a token, 0 when nothing could be protected.
uint64_t guardPinned(void *pointer, size_t bytes, bool writeOnly,
                     const char *why);
void unguardPinned(uint64_t token);

} // namespace rill::emu::cuda
#endif
