//===- HfCase.h - A random checkpoint and its official values ---*- C++ -*-===//
//
// One folder written by tools/dev/oracle: configuration, seed of the weights
// and what the official classes give. Compiled and run through the C API.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TEST_UNIT_HF_HFCASE_H
#define RILL_TEST_UNIT_HF_HFCASE_H

#include "rill.h"
#include "runtime/formats/safetensors.h"

#include <filesystem>
#include <string>
#include <vector>

namespace rill::hf {

using Floats = std::vector<float>;
using Ids = std::vector<int64_t>;

/// What config.json, case.json and reference.safetensors of a folder say.
struct Case {
  /// Adds a test failure and leaves `loaded` false when a file is unusable.
  explicit Case(const std::filesystem::path &folder);

  bool has(const std::string &name) const { return reference.find(name); }
  Floats floats(const std::string &name) const; ///< an F32 tensor
  Ids ids(const std::string &name) const;       ///< an I64 tensor

  bool loaded = false;
  std::string name;
  std::filesystem::path folder;
  rt::JsonValue config, info;
  int64_t hidden = 0, vocab = 0, imageToken = -1, patch = 0, factor = 0;
  int64_t batch = 1;
  std::vector<std::pair<int64_t, int64_t>> pictures; ///< grids, rows x columns
  rt::TensorStore reference;
};

/// Folders of cases below `root`, by name.
std::vector<std::string> caseFolders(const std::string &root);

/// A case compiled with activations in f32 or bf16, and one session.
class Model {
public:
  Model(const Case &source, bool bf16, const std::string &target);
  ~Model();
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;

  bool ready() const { return session; }
  /// Projected rows of picture k, [B,N/f^2,H] widened to f32.
  Floats features(int64_t k);
  /// Starts anew with the prompt ids [B,S]; logits [B,V] of the last row.
  Floats prefill(const Ids &ids, const std::vector<Floats> &features);
  /// One more row per sequence, ids [B]; logits [B,V].
  Floats step(const Ids &ids);

private:
  void open(const std::string &target);
  Floats call(const char *method, const std::vector<rill_tensor> &inputs,
              size_t elements, bool wide);
  Floats decode(const Floats &embeds, int64_t rows);

  const Case &source;
  std::filesystem::path scratch;
  int64_t length = 0;
  bool bf16;
  rill_model *model = nullptr;
  rill_session *session = nullptr;
};

} // namespace rill::hf

#endif
