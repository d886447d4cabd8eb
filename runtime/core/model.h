//===- model.h - Opened models and their sessions ---------------*- C++ -*-===//
//
// What rill_model and rill_session are.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_MODEL_H
#define RILL_RUNTIME_CORE_MODEL_H

#include "rill.h"
#include "runtime/core/device.h"
#include "runtime/core/dispatch_notes.h"
#include "runtime/core/plan.h"
#include "runtime/core/session_layout.h"
#include "runtime/formats/sampling_params.h"

namespace rill::rt {

/// A method variant this machine runs.
struct LoadedVariant {
  const Method *method;
  const MethodVariant *variant;
  Plan plan;
};

/// An artifact with bound weights and loaded code. Immutable after open.
class Model {
public:
  static Result<std::unique_ptr<Model>> open(Artifact artifact,
                                             const rill_open_options &options);

  const Artifact &artifact() const { return file; }
  const Manifest &manifest() const { return file.manifest(); }
  /// Null when opened for inspection.
  const Device *device() const { return chosen.get(); }
  const std::vector<LoadedVariant> &variants() const { return loaded; }

private:
  Status load(const rill_open_options &options);
  Result<std::unique_ptr<Device>>
  openDevice(const rill_open_options &options) const;

  Artifact file;
  Weights bound;
  std::unique_ptr<Device> chosen;
  std::vector<LoadedVariant> loaded;
};

/// The rill_dtype of an element type.
int32_t dtypeOf(ElementType type);

/// rill.h: rill_method_input and _output, `size` left 0. Sizes are those of
/// all variants loaded. Names point into the model.
rill_value_info valueInfo(const Model &model, const Method &method,
                          const Signature &signature);

/// Whether the device of a session's options (null, "auto", a device's or a
/// target's name) is this one; NoDevice when not.
Status checkDeviceName(const Device &device, const char *name);

/// States, arena, control block and queue of one user of a model.
class Session {
public:
  static Result<std::unique_ptr<Session>>
  create(const Model &model, const rill_session_options &options);

  /// rill.h: rill_invoke. On error the lengths are unchanged.
  Status invoke(std::string_view method, std::span<const rill_tensor> inputs,
                std::span<rill_tensor> outputs);
  Status reset();
  Status rollback(int64_t sequence, int64_t length);
  // rill.h: rill_session_set_...
  Status setDraw(const SamplingParams &sampling);
  Status setNext(int64_t sequence, int64_t token, int64_t position);
  Status setIds(int64_t sequence, int64_t first, std::span<const int64_t> ids);
  Status setProfiler(const rill_profiler &profiler);
  int64_t length(int64_t sequence) const { return start()[sequence]; }
  int64_t batch() const { return control()->words[RILL_RT_CONTROL_BATCH]; }
  uint64_t bytes() const;
  // rill.h: rill_session_save, rill_session_load (saved_session.cpp).
  uint64_t savedBytes() const;
  Status save(std::span<uint8_t> to);
  Status load(std::span<const uint8_t> from);
  /// The address of a state, fixed for the session's life (tests).
  const void *stateData(size_t index) const {
    return states + layout.stateOffsets[index];
  }

private:
  rill_rt_control *control() const {
    return reinterpret_cast<rill_rt_control *>(controlBlock.data());
  }
  // start[B], token[B] and position[B] of the control block.
  int64_t *start() const { return control()->per_sequence; }
  int64_t *tokens() const { return start() + batch(); }
  int64_t *positions() const { return tokens() + batch(); }
  int64_t longest() const;
  Status checkWords(std::span<const int64_t> words) const;
  Status checkToken(int64_t token) const;
  Status checkSequence(const char *call, int64_t sequence) const;
  /// Of a method that commits: what it would feed is set.
  Status checkNext(const Method &method) const;
  /// Runs a call that commits; where the queue runs ahead, also begins the one
  /// behind it, which most often comes next: the device does not wait for the
  /// host to read a token.
  Status step(const Call &call);
  bool roomBehindStep() const;
  /// Drops a step begun ahead. What it wrote lies behind the length.
  Status settle();
  /// After a call that succeeded: lengths, next tokens and positions. Kernels
  /// may have written some of it (on the CPU) or not (other memory).
  void advance(const Method &method, int64_t rows,
               std::span<const rill_tensor> outputs);
  Status bindSymbols(const Method &method, std::span<const rill_tensor> inputs,
                     Symbols &symbols) const;
  Status checkInput(const Method &method, const Signature &signature,
                    const rill_tensor &tensor, const Symbols &symbols) const;
  Result<size_t> chooseVariant(const Method &method,
                               const Symbols &symbols) const;
  Status checkCapacity(const Method &method, int64_t rows) const;
  Status prepareOutputs(const Method &method, const Symbols &symbols,
                        std::span<rill_tensor> outputs) const;
  /// An invocation without the profiler's begin and end.
  Status callMethod(const Method &method, std::span<const rill_tensor> inputs,
                    std::span<rill_tensor> outputs);
  /// Tells the profiler of a call's dispatches.
  void tellDispatches(const Call &call) const;
  Status allocate();
  Status bindVariant(size_t variant);
  Status prepare(size_t variant);
  /// The addresses of inputs or outputs in this call, and their transfers.
  void place(std::span<const rill_tensor> tensors,
             std::span<const Signature> signatures, const Symbols &symbols,
             uint8_t *staging, std::vector<void *> &addresses,
             std::vector<Transfer> &transfers) const;
  Call makeCall(size_t variant, const Symbols &symbols,
                std::span<const rill_tensor> inputs,
                std::span<const rill_tensor> outputs);

  const Model *model = nullptr;
  SessionLayout layout;
  std::unique_ptr<Queue> queue;
  std::optional<size_t> ahead; ///< variant of the step that has begun
  Memory controlBlock;
  // Addresses of the device; staging is null where it uses host memory.
  uint8_t *states = nullptr, *arena = nullptr;
  uint8_t *inputStaging = nullptr, *outputStaging = nullptr;
  std::vector<int64_t> written;              // high-water mark per sequence
  std::vector<int64_t> before;               // start, token, position of a call
  std::vector<std::vector<void *>> pointers; // per variant, operand order
  std::vector<std::vector<Launch>> launches;
  std::vector<std::vector<MapOperand>> maps; // per variant, operand order
  std::vector<void *> inputAddresses, outputAddresses;
  std::vector<Transfer> inputTransfers, outputTransfers;
  rill_profiler profiler = {};
  std::optional<DispatchNotes> notes; // read when first asked for
  std::vector<Interval> times;        // of a profiled call's launches
};

} // namespace rill::rt

/// The session of the C API.
struct rill_session {
  std::unique_ptr<rill::rt::Session> impl;
};

#endif
