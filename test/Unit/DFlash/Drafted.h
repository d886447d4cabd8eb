//===- Drafted.h - A target with its drafter, two ways ----------*- C++ -*-===//
//
// The same calls on Reference and on a compiled artifact, f32.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TEST_UNIT_DFLASH_DRAFTED_H
#define RILL_TEST_UNIT_DFLASH_DRAFTED_H

#include "rill/Pipeline/Pipeline.h"
#include "rill/Reference/Evaluator.h"
#include "runtime/core/model.h"

#include "mlir/IR/MLIRContext.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>

namespace rill::drafted {

using Floats = std::vector<float>;
using Ids = std::vector<int64_t>;

/// A folder that goes with its owner.
class Scratch {
public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  std::string path(const std::string &name) const {
    return folder + "/" + name;
  }
  /// Runs a script of tools/dev with its output in this folder.
  bool run(const std::string &script) const;

private:
  std::string folder;
};

/// What a test drives: one sequence in f32.
class Backend {
public:
  virtual ~Backend() = default;
  /// A method that takes ids and positions from `first` (`draft`), or the rows
  /// of the ids (the decoders); its first result.
  virtual Floats call(const std::string &method, const Ids &ids,
                      int64_t first) = 0;
  virtual void setLength(int64_t rows) = 0;
  /// Row `index` of a state, flattened.
  virtual Floats row(const std::string &state, int64_t index) = 0;
};

/// Import and Reference, at phase `imported`.
class ByReference final : public Backend {
public:
  ByReference(const std::string &target, const std::string &draft,
              const std::vector<int64_t> &taps = {});
  Floats call(const std::string &method, const Ids &ids,
              int64_t first) override;
  void setLength(int64_t rows) override { evaluator->setLength(rows); }
  Floats row(const std::string &state, int64_t index) override;
  /// All results of a decoder.
  std::vector<reference::Tensor> results(const std::string &method,
                                         const Ids &ids, int64_t first);

  std::unique_ptr<reference::Evaluator> evaluator;

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Options of a strict f32 compilation into `output`.
CompileOptions compileOptions(const std::string &target,
                              const std::string &draft,
                              const std::string &output, const char *arch);
/// Compiles; adds a failure when that fails.
bool compileTo(const CompileOptions &options);

/// An artifact through the runtime's own classes, which show the states.
class ByArtifact final : public Backend {
public:
  explicit ByArtifact(const std::string &path);
  Floats call(const std::string &method, const Ids &ids,
              int64_t first) override;
  void setLength(int64_t rows) override;
  Floats row(const std::string &state, int64_t index) override;

  std::unique_ptr<rt::Model> model;
  std::unique_ptr<rt::Session> session;
};

/// Row `index` of sequence 0 of a state whose memory begins at `data`, its
/// outer dimensions one behind the other.
Floats rowOf(const rt::StateInfo &state, const void *data, int64_t index);

/// The first index of the largest value of row `r` of [rows,V].
int64_t best(const Floats &logits, int64_t vocab, int64_t r);

} // namespace rill::drafted

#endif
