//===- queue.cpp - One session's work on a CUDA device --------------------===//
//
// A stream, memory, pinned staging, and captured graphs of the calls that come
// often.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/clock.h"
#include "runtime/core/plan.h"
#include "runtime/device/cuda/device.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <thread>

using namespace rill::rt;
using namespace rill::rt::cuda;

static constexpr uint64_t kAlign = 256;
static constexpr uint64_t kMaxGrid = (uint64_t(1) << 31) - 1;

static uint64_t aligned(uint64_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

static Address addressOf(const void *pointer) {
  return reinterpret_cast<Address>(pointer);
}

namespace {
/// A captured call.
struct Captured {
  size_t variant;
  Symbols symbols;
  GraphExec graph;
};

/// Holds the stream back while the host submits launches to be timed, so that
/// what passes between two events is the device's time and not the host's. It
/// opens by itself in the end: submitting may wait for room in the stream.
struct Gate {
  std::atomic<bool> open = false;
  double opened = 0; ///< when the stream went on

  static void hold(void *gate);
};

class CudaQueue : public Queue {
public:
  CudaQueue(const CudaDevice &device) : device(device), driver(device.driver) {}
  ~CudaQueue() override;

  Status open(const QueueNeeds &needs);
  Result<void *> allocate(uint64_t bytes, const char *what) override;
  Status prepare(const Call &call) override;
  Status run(const Call &call) override;
  bool runsAhead() const override { return true; }
  Status begin(const Call &call, bool chained) override;
  Status end(const Call &call) override;
  Status prepareTiming() override;
  Status runTimed(const Call &call, std::span<Interval> times) override;
  Status write(std::span<const Transfer> transfers) override {
    return copy(transfers, true);
  }
  Status read(std::span<const Transfer> transfers) override {
    return copy(transfers, false);
  }
  uint64_t bytes() const override { return held; }

private:
  Status usable() const;
  Status upload(const Call &call);
  Status launchAll(const Call &call);
  Status download(const Call &call, uint8_t *at);
  Status enqueue(const Call &call);
  Status launch(const Launch &launch, bool first);
  Status encode(const Launch &launch, const MapOperand &map, TensorMap &to);
  Status capture(const Call &call);
  GraphExec graphOf(const Call &call) const;
  Status submit(const Call &call);
  Status submitTimed(std::span<const Launch> part);
  Status timePart(std::span<const Launch> part, std::span<Interval> times);
  Status finishTimed(const Call &call);
  Status submitAhead(const Call &call, bool chained);
  Status check(int code, const char *call) const {
    return driver.check(code, call, device.label);
  }
  Status settle(Status status);
  Status copy(std::span<const Transfer> transfers, bool toDevice);

  const CudaDevice &device;
  const Driver &driver;
  Stream stream = nullptr;
  std::vector<Address> owned;
  uint64_t held = 0;
  /// Pinned: control block, inputs, outputs, outputs of a call begun while
  /// another is under way.
  uint8_t *pinned = nullptr;
  uint64_t controlBytes = 0, inputBytes = 0, outputBytes = 0;
  /// Calls begun and ended; each uses the outputs and the event of its parity.
  uint64_t begun = 0, ended = 0;
  Event events[2] = {};
  /// Of timed launches: before the first, and behind each.
  static constexpr size_t kTimedPart = 64;
  Event marks[kTimedPart + 1] = {};
  Gate gate;
  void *control = nullptr; ///< on the device
  std::vector<void *> parameters;
  std::vector<Captured> graphs;
};
} // namespace

CudaQueue::~CudaQueue() {
  Scope scope(driver, device.context);
  if (stream) {
    driver.streamSynchronize(stream);
  }
  for (const Captured &captured : graphs) {
    driver.graphExecDestroy(captured.graph);
  }
  for (std::span<Event> list :
       {std::span<Event>(events), std::span<Event>(marks)}) {
    for (Event event : list) {
      if (event) {
        driver.eventDestroy(event);
      }
    }
  }
  if (stream) {
    driver.streamDestroy(stream);
  }
  for (Address address : owned) {
    driver.memFree(address);
  }
  if (pinned) {
    driver.memFreeHost(pinned);
  }
}

/// Control block, inputs, outputs, and outputs of a call begun ahead.
static uint64_t pinnedBytes(const QueueNeeds &needs) {
  return aligned(needs.controlBytes) + needs.inputBytes + 2 * needs.outputBytes;
}

QueueBytes rill::rt::cudaQueueBytes(const QueueNeeds &needs) {
  return {pinnedBytes(needs), needs.controlBytes};
}

Status CudaQueue::open(const QueueNeeds &needs) {
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  constexpr unsigned kNonBlocking = 1;
  RILL_TRY(check(driver.streamCreate(&stream, kNonBlocking), "cuStreamCreate"));
  constexpr unsigned kNoTiming = 2;
  for (Event &event : events) {
    RILL_TRY(check(driver.eventCreate(&event, kNoTiming), "cuEventCreate"));
  }
  controlBytes = needs.controlBytes;
  inputBytes = needs.inputBytes;
  outputBytes = needs.outputBytes;
  uint64_t bytes = pinnedBytes(needs);
  void *memory = nullptr;
  RILL_TRY(driver.check(driver.memHostAlloc(&memory, bytes, 0),
                        "cuMemHostAlloc", "pinned staging of the session"));
  pinned = static_cast<uint8_t *>(memory);
  held += bytes;
  constexpr size_t kUsualOperands = 64;
  parameters.reserve(kUsualOperands);
  RILL_ASSIGN(control, allocate(needs.controlBytes, "control block"));
  return {};
}

Result<void *> CudaQueue::allocate(uint64_t bytes, const char *what) {
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  RILL_ASSIGN(Address address, device.allocate(bytes, what));
  owned.push_back(address);
  held += bytes;
  RILL_TRY(check(driver.memsetD8Async(address, 0, bytes, stream),
                 "cuMemsetD8Async"));
  RILL_TRY(check(driver.streamSynchronize(stream), "cuStreamSynchronize"));
  return reinterpret_cast<void *>(address);
}

/// The tensor map of an operand for its rows in this call.
Status CudaQueue::encode(const Launch &launch, const MapOperand &map,
                         TensorMap &to) {
  const rill_rt_operand &record = *map.record;
  uint64_t sizes[] = {record.map_width, map.rows};
  uint64_t stride = Plan::kMapElement * sizes[0];
  uint32_t box[] = {record.map_columns, record.map_rows}, steps[] = {1, 1};
  int swizzle =
      record.map_swizzle ? std::countr_zero(record.map_swizzle / 16) : 0;
  return check(driver.tensorMapEncodeTiled(&to, kMapBf16, 2,
                                           launch.operands[map.operand], sizes,
                                           &stride, box, steps, kMapPlain,
                                           swizzle, kMapL2Line, kMapZeros),
               "cuTensorMapEncodeTiled");
}

/// Launches behind the first of a call may begin early where the kernels wait
/// for their inputs themselves.
Status CudaQueue::launch(const Launch &launch, bool first) {
  const Kernel &kernel = device.kernels[launch.kernel];
  if (static_cast<uint64_t>(launch.tiles) > kMaxGrid) {
    return makeError(ErrorCode::CallUnsupported, device.label,
                     format("a grid of %lld blocks; 2^31 - 1 is the most",
                            (long long)launch.tiles));
  }
  parameters.clear();
  for (uint32_t i = 0; i < launch.operandCount; ++i) {
    parameters.push_back(const_cast<void **>(&launch.operands[i]));
  }
  // A launch copies its parameters.
  TensorMap encoded[RILL_RT_MAX_MAPS];
  for (size_t m = 0; m < launch.maps.size(); ++m) {
    RILL_TRY(encode(launch, launch.maps[m], encoded[m]));
    parameters[launch.maps[m].operand] = &encoded[m];
  }
  parameters.push_back(&control);
  LaunchAttribute early = {};
  early.id = kProgrammaticSerialization;
  early.value.flag = 1;
  LaunchConfig config = {static_cast<unsigned>(launch.tiles),
                         1,
                         1,
                         kernel.threads,
                         1,
                         1,
                         kernel.shared,
                         stream,
                         &early,
                         !first && device.dependent() ? 1u : 0u};
  return check(driver.launchKernelEx(&config, kernel.function,
                                     parameters.data(), nullptr),
               "cuLaunchKernelEx");
}

/// Control block and inputs; the host's side of every copy is the pinned
/// staging.
Status CudaQueue::upload(const Call &call) {
  RILL_TRY(check(
      driver.memcpyHtoDAsync(addressOf(control), pinned, controlBytes, stream),
      "cuMemcpyHtoDAsync"));
  uint8_t *at = pinned + aligned(controlBytes);
  for (const Transfer &input : call.inputs) {
    RILL_TRY(check(driver.memcpyHtoDAsync(addressOf(input.device), at,
                                          input.bytes, stream),
                   "cuMemcpyHtoDAsync"));
    at += aligned(input.bytes);
  }
  return {};
}

Status CudaQueue::launchAll(const Call &call) {
  for (const Launch &entry : call.launches) {
    RILL_TRY(launch(entry, &entry == call.launches.data()));
  }
  return {};
}

Status CudaQueue::download(const Call &call, uint8_t *at) {
  for (const Transfer &output : call.outputs) {
    RILL_TRY(check(driver.memcpyDtoHAsync(at, addressOf(output.device),
                                          output.bytes, stream),
                   "cuMemcpyDtoHAsync"));
    at += aligned(output.bytes);
  }
  return {};
}

Status CudaQueue::enqueue(const Call &call) {
  RILL_TRY(upload(call));
  RILL_TRY(launchAll(call));
  return download(call, pinned + aligned(controlBytes) + inputBytes);
}

Status CudaQueue::capture(const Call &call) {
  constexpr int kThreadLocal = 1;
  RILL_TRY(check(driver.streamBeginCapture(stream, kThreadLocal),
                 "cuStreamBeginCapture"));
  // Copies of a call that commits stand outside: a chained one has but one.
  Status recorded = call.commits ? launchAll(call) : enqueue(call);
  // The stream leaves its capture in every case.
  Graph graph = nullptr;
  int ended = driver.streamEndCapture(stream, &graph);
  if (!recorded.ok() || ended != kSuccess) {
    if (graph) {
      driver.graphDestroy(graph);
    }
    return recorded.ok() ? check(ended, "cuStreamEndCapture")
                         : std::move(recorded);
  }
  GraphExec executable = nullptr;
  int made = driver.graphInstantiate(&executable, graph, 0);
  int freed = driver.graphDestroy(graph);
  if (made == kSuccess) {
    graphs.push_back({call.variant, call.symbols, executable});
  }
  RILL_TRY(check(made, "cuGraphInstantiateWithFlags"));
  return check(freed, "cuGraphDestroy");
}

Status CudaQueue::prepare(const Call &call) {
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  return settle(capture(call));
}

/// Null: the call was not prepared.
GraphExec CudaQueue::graphOf(const Call &call) const {
  for (const Captured &captured : graphs) {
    if (captured.variant == call.variant &&
        std::equal(captured.symbols.values, captured.symbols.values + 3,
                   call.symbols.values)) {
      return captured.graph;
    }
  }
  return nullptr;
}

/// The call's graph, or its parts one by one; waits.
Status CudaQueue::submit(const Call &call) {
  if (GraphExec graph = graphOf(call)) {
    RILL_TRY(check(driver.graphLaunch(graph, stream), "cuGraphLaunch"));
  } else {
    RILL_TRY(enqueue(call));
  }
  return check(driver.streamSynchronize(stream), "cuStreamSynchronize");
}

/// Without waiting; its event tells the end.
Status CudaQueue::submitAhead(const Call &call, bool chained) {
  if (!chained) {
    RILL_TRY(upload(call));
  }
  if (GraphExec graph = graphOf(call)) {
    RILL_TRY(check(driver.graphLaunch(graph, stream), "cuGraphLaunch"));
  } else {
    RILL_TRY(launchAll(call));
  }
  uint64_t parity = begun % 2;
  RILL_TRY(download(call, pinned + aligned(controlBytes) + inputBytes +
                              parity * outputBytes));
  return check(driver.eventRecord(events[parity], stream), "cuEventRecord");
}

/// An error after which the stream answers errors still is the context's end.
Status CudaQueue::settle(Status status) {
  if (!status.ok() && driver.streamSynchronize(stream) != kSuccess) {
    device.lost = true;
  }
  return status;
}

Status CudaQueue::usable() const {
  return device.lost ? Status(makeError(
                           ErrorCode::KernelFailed, device.label,
                           "an earlier error ended this model's CUDA context",
                           "close the model and open it again"))
                     : Status();
}

/// Fills the pinned staging of a call.
static void stage(const Call &call, uint8_t *pinned, uint64_t controlBytes) {
  std::memcpy(pinned, call.control, controlBytes);
  uint8_t *at = pinned + aligned(controlBytes);
  for (const Transfer &input : call.inputs) {
    std::memcpy(at, input.host, input.bytes);
    at += aligned(input.bytes);
  }
}

static void deliver(const Call &call, const uint8_t *at) {
  for (const Transfer &output : call.outputs) {
    std::memcpy(output.host, at, output.bytes);
    at += aligned(output.bytes);
  }
}

Status CudaQueue::run(const Call &call) {
  RILL_TRY(usable());
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  stage(call, pinned, controlBytes);
  RILL_TRY(settle(submit(call)));
  deliver(call, pinned + aligned(controlBytes) + inputBytes);
  return {};
}

void Gate::hold(void *gate) {
  constexpr double kPatience = 2e-3;
  auto &self = *static_cast<Gate *>(gate);
  double begin = steadySeconds();
  while (!self.open && steadySeconds() - begin < kPatience) {
    std::this_thread::yield();
  }
  self.opened = steadySeconds();
}

Status CudaQueue::prepareTiming() {
  RILL_TRY(usable());
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  constexpr unsigned kWithTime = 0;
  for (Event &mark : marks) {
    if (!mark) {
      RILL_TRY(check(driver.eventCreate(&mark, kWithTime), "cuEventCreate"));
    }
  }
  return {};
}

/// Launches wait for each other: an overlap would be counted twice.
Status CudaQueue::submitTimed(std::span<const Launch> part) {
  RILL_TRY(check(driver.launchHostFunc(stream, Gate::hold, &gate),
                 "cuLaunchHostFunc"));
  RILL_TRY(check(driver.eventRecord(marks[0], stream), "cuEventRecord"));
  for (size_t i = 0; i < part.size(); ++i) {
    RILL_TRY(launch(part[i], true));
    RILL_TRY(check(driver.eventRecord(marks[i + 1], stream), "cuEventRecord"));
  }
  return {};
}

Status CudaQueue::timePart(std::span<const Launch> part,
                           std::span<Interval> times) {
  gate.open = false;
  Status submitted = submitTimed(part);
  gate.open = true;
  RILL_TRY(std::move(submitted));
  RILL_TRY(check(driver.streamSynchronize(stream), "cuStreamSynchronize"));
  double begin = gate.opened;
  for (size_t i = 0; i < part.size(); ++i) {
    float milliseconds = 0;
    RILL_TRY(
        check(driver.eventElapsedTime(&milliseconds, marks[0], marks[i + 1]),
              "cuEventElapsedTime"));
    double end = gate.opened + 1e-3 * static_cast<double>(milliseconds);
    times[i] = {begin, end};
    begin = end;
  }
  return {};
}

Status CudaQueue::finishTimed(const Call &call) {
  RILL_TRY(download(call, pinned + aligned(controlBytes) + inputBytes));
  return check(driver.streamSynchronize(stream), "cuStreamSynchronize");
}

Status CudaQueue::runTimed(const Call &call, std::span<Interval> times) {
  RILL_TRY(usable());
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  stage(call, pinned, controlBytes);
  RILL_TRY(settle(upload(call)));
  for (size_t done = 0; done < call.launches.size(); done += kTimedPart) {
    size_t count = std::min(kTimedPart, call.launches.size() - done);
    RILL_TRY(settle(timePart(call.launches.subspan(done, count),
                             times.subspan(done, count))));
  }
  RILL_TRY(settle(finishTimed(call)));
  deliver(call, pinned + aligned(controlBytes) + inputBytes);
  return {};
}

Status CudaQueue::begin(const Call &call, bool chained) {
  RILL_TRY(usable());
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  if (!chained) {
    stage(call, pinned, controlBytes);
  }
  RILL_TRY(settle(submitAhead(call, chained)));
  ++begun;
  return {};
}

Status CudaQueue::end(const Call &call) {
  RILL_TRY(usable());
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  uint64_t parity = ended++ % 2;
  RILL_TRY(settle(
      check(driver.eventSynchronize(events[parity]), "cuEventSynchronize")));
  deliver(call,
          pinned + aligned(controlBytes) + inputBytes + parity * outputBytes);
  return {};
}

Status CudaQueue::copy(std::span<const Transfer> transfers, bool toDevice) {
  RILL_TRY(usable());
  Scope scope(driver, device.context);
  RILL_TRY(scope.status(device.label));
  for (const Transfer &transfer : transfers) {
    Address address = addressOf(transfer.device);
    int code = toDevice ? driver.memcpyHtoDAsync(address, transfer.host,
                                                 transfer.bytes, stream)
                        : driver.memcpyDtoHAsync(transfer.host, address,
                                                 transfer.bytes, stream);
    RILL_TRY(settle(
        check(code, toDevice ? "cuMemcpyHtoDAsync" : "cuMemcpyDtoHAsync")));
  }
  return settle(check(driver.streamSynchronize(stream), "cuStreamSynchronize"));
}

Result<std::unique_ptr<Queue>>
CudaDevice::queue(const QueueNeeds &needs) const {
  auto queue = std::make_unique<CudaQueue>(*this);
  RILL_TRY(queue->open(needs));
  return std::unique_ptr<Queue>(std::move(queue));
}
