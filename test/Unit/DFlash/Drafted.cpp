//===- Drafted.cpp - A target with its drafter, two ways ------------------===//
//
// Import and evaluation; compilation and the runtime's classes.
//
//===----------------------------------------------------------------------===//
#include "Drafted.h"

#include "rill/Import/Import.h"
#include "runtime/core/artifact.h"
#include "runtime/core/c_helpers.h"

#include <algorithm>
#include <cmath>
#include <unistd.h>

using namespace rill;
using namespace rill::drafted;
using reference::Tensor;

Scratch::Scratch() {
  folder =
      (std::filesystem::temp_directory_path() / "rill-dflash-XXXXXX").string();
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
}

Scratch::~Scratch() {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
}

bool Scratch::run(const std::string &script) const {
  std::string command = "/usr/bin/python3 " RILL_SOURCE_ROOT "/tools/dev/" +
                        script + " > /dev/null";
  return std::system(command.c_str()) == 0;
}

static std::vector<int64_t> positionsFrom(int64_t first, size_t count) {
  std::vector<int64_t> positions;
  for (size_t s = 0; s < count; ++s) {
    positions.push_back(first + static_cast<int64_t>(s));
  }
  return positions;
}

ByReference::ByReference(const std::string &target, const std::string &draft,
                         const std::vector<int64_t> &taps) {
  ImportOptions options;
  options.bf16 = false;
  options.strict = true;
  options.maxSeqLen = 128;
  options.draft = draft;
  options.taps = taps;
  std::vector<std::string> warnings;
  auto imported = importCheckpoint(context, target, options, warnings);
  if (!imported.ok()) {
    ADD_FAILURE() << imported.error().render();
    return;
  }
  EXPECT_TRUE(warnings.empty()) << warnings[0];
  module = std::move(*imported);
  auto weights = reference::openWeights(*module, target);
  if (!weights.ok()) {
    ADD_FAILURE() << weights.error().render();
    return;
  }
  evaluator = std::make_unique<reference::Evaluator>(*module, *weights);
}

std::vector<Tensor> ByReference::results(const std::string &method,
                                         const Ids &ids, int64_t first) {
  auto rows = static_cast<int64_t>(ids.size());
  Tensor input(Tensor::I64, {1, rows}), positions(Tensor::I64, {1, rows});
  input.i = ids;
  positions.i = positionsFrom(first, ids.size());
  if (method != "draft") {
    auto embeds = evaluator->call("token_embedding", {input});
    EXPECT_TRUE(embeds.ok());
    input = (*embeds)[0];
  }
  auto outputs = evaluator->call(method, {input, positions});
  EXPECT_TRUE(outputs.ok()) << (outputs.ok() ? "" : outputs.error().render());
  return outputs.ok() ? *outputs : std::vector<Tensor>(2);
}

Floats ByReference::call(const std::string &method, const Ids &ids,
                         int64_t first) {
  return results(method, ids, first)[0].f;
}

Floats ByReference::row(const std::string &state, int64_t index) {
  auto rows = evaluator->stateRows(state, 0, index, 1);
  EXPECT_TRUE(rows.ok());
  return rows.ok() ? rows->f : Floats();
}

CompileOptions rill::drafted::compileOptions(const std::string &target,
                                             const std::string &draft,
                                             const std::string &output,
                                             const char *arch) {
  CompileOptions options;
  options.input = target;
  options.output = output;
  options.import.bf16 = false;
  options.import.strict = true;
  options.import.maxSeqLen = 128;
  options.import.draft = draft;
  options.pipeline.targets = {arch};
  options.pipeline.noGeneric = true;
  return options;
}

bool rill::drafted::compileTo(const CompileOptions &options) {
  auto status =
      compile(options, [](const std::string &line) { ADD_FAILURE() << line; });
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
  return status.ok();
}

ByArtifact::ByArtifact(const std::string &path) {
  rill_open_options options = {};
  options.size = sizeof(options);
  auto artifact = rt::Artifact::open(path, false);
  if (!artifact.ok()) {
    ADD_FAILURE() << artifact.error().render();
    return;
  }
  auto opened = rt::Model::open(std::move(*artifact), options);
  if (!opened.ok()) {
    ADD_FAILURE() << opened.error().render();
    return;
  }
  model = std::move(*opened);
  rill_session_options settings = {};
  settings.size = sizeof(settings);
  settings.threads = 2;
  auto made = rt::Session::create(*model, settings);
  if (made.ok()) {
    session = std::move(*made);
  } else {
    ADD_FAILURE() << made.error().render();
  }
}

Floats ByArtifact::call(const std::string &method, const Ids &ids,
                        int64_t first) {
  auto rows = static_cast<int64_t>(ids.size());
  auto positions = positionsFrom(first, ids.size());
  rill_tensor input =
      rt::makeTensor(ids.data(), ids.size() * 8, RILL_I64, {1, rows});
  const rt::Method *signature = model->manifest().method(method);
  EXPECT_NE(signature, nullptr) << method;
  Floats embeds;
  if (method != "draft") {
    int64_t hidden = signature->inputs[0].shape.back().program[1];
    embeds.resize(rows * hidden);
    rill_tensor out =
        rt::makeTensor(embeds.data(), embeds.size() * 4, RILL_F32, {});
    auto status = session->invoke("token_embedding", {&input, 1}, {&out, 1});
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
    input = rt::makeTensor(embeds.data(), embeds.size() * 4, RILL_F32,
                           {1, rows, hidden});
  }
  rill_tensor inputs[] = {
      input,
      rt::makeTensor(positions.data(), ids.size() * 8, RILL_I64, {1, rows})};
  int64_t vocab = signature->outputs[0].shape.back().program[1];
  bool last = signature->outputs[0].shape.size() == 2;
  Floats logits((last ? 1 : rows) * vocab, NAN);
  rill_tensor out =
      rt::makeTensor(logits.data(), logits.size() * 4, RILL_F32, {});
  auto status = session->invoke(method, inputs, {&out, 1});
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
  return logits;
}

void ByArtifact::setLength(int64_t rows) {
  auto status = rows == 0 ? session->reset() : session->rollback(0, rows);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
}

Floats rill::drafted::rowOf(const rt::StateInfo &state, const void *data,
                            int64_t index) {
  int64_t capacity = state.capacity(), outer = 1, inner = 1;
  for (size_t d = 1; d < state.shape.size(); ++d) {
    auto dim = static_cast<int64_t>(d);
    outer *= dim < state.rowDim ? state.shape[d] : 1;
    inner *= dim > state.rowDim ? state.shape[d] : 1;
  }
  Floats row;
  for (int64_t o = 0; o < outer; ++o) {
    const float *from = static_cast<const float *>(data) +
                        (o * capacity + index % capacity) * inner;
    row.insert(row.end(), from, from + inner);
  }
  return row;
}

Floats ByArtifact::row(const std::string &name, int64_t index) {
  const auto &states = model->manifest().states;
  auto found = std::find_if(
      states.begin(), states.end(),
      [&](const rt::StateInfo &state) { return state.name == name; });
  EXPECT_NE(found, states.end()) << name;
  return rowOf(*found, session->stateData(found - states.begin()), index);
}

int64_t rill::drafted::best(const Floats &logits, int64_t vocab, int64_t r) {
  auto from = logits.begin() + r * vocab;
  return std::max_element(from, from + vocab) - from;
}
