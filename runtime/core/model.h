//===- model.h - Opened models and their sessions ---------------*- C++ -*-===//
//
// What rill_model and rill_session are.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_MODEL_H
#define RILL_RUNTIME_CORE_MODEL_H

#include "rill.h"
#include "runtime/core/plan.h"
#include "runtime/core/weights.h"
#include "runtime/device/cpu/code.h"
#include "runtime/device/cpu/workers.h"

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
  const Weights &weights() const { return bound; }
  const CpuCode &code() const { return native; }
  const std::vector<LoadedVariant> &variants() const { return loaded; }
  /// The target chosen; empty when opened for inspection.
  const std::string &target() const { return arch; }

private:
  Status load(const rill_open_options &options);

  Artifact file;
  Weights bound;
  CpuCode native;
  std::string arch;
  std::vector<LoadedVariant> loaded;
};

/// States, arena, control block and threads of one user of a model.
class Session {
public:
  static Result<std::unique_ptr<Session>>
  create(const Model &model, const rill_session_options &options);

  /// rill.h: rill_invoke. On error the lengths are unchanged.
  Status invoke(std::string_view method, std::span<const rill_tensor> inputs,
                std::span<rill_tensor> outputs);
  void reset();
  Status rollback(int64_t sequence, int64_t length);
  int64_t length(int64_t sequence) const { return start()[sequence]; }
  int64_t batch() const { return control()->words[RILL_RT_CONTROL_BATCH]; }
  uint64_t bytes() const;
  /// The address of a state, fixed for the session's life (tests).
  const void *stateData(size_t index) const { return states + offsets[index]; }

private:
  rill_rt_control *control() const {
    return reinterpret_cast<rill_rt_control *>(controlBlock.data());
  }
  int64_t *start() const { return control()->per_sequence; }
  Status bindSymbols(const Method &method, std::span<const rill_tensor> inputs,
                     Symbols &symbols) const;
  Status checkInput(const Method &method, const Signature &signature,
                    const rill_tensor &tensor, const Symbols &symbols) const;
  Result<size_t> chooseVariant(const Method &method,
                               const Symbols &symbols) const;
  Status checkCapacity(const Method &method, int64_t rows) const;
  Status prepareOutputs(const Method &method, const Symbols &symbols,
                        std::span<rill_tensor> outputs) const;
  void launch(size_t variant, const Symbols &symbols,
              std::span<const rill_tensor> inputs,
              std::span<rill_tensor> outputs);

  const Model *model = nullptr;
  Memory memory; // states, then arena
  Memory controlBlock;
  uint8_t *states = nullptr, *arena = nullptr;
  std::vector<uint64_t> offsets;             // of states
  std::vector<int64_t> written;              // high-water mark per sequence
  std::vector<std::vector<void *>> pointers; // per variant, operand order
  std::vector<std::vector<CpuLaunch>> launches;
  std::unique_ptr<Workers> workers;
};

} // namespace rill::rt

#endif
