//===- bench.h - Timing the methods of a model ------------------*- C++ -*-===//
//
// Prefill, decode, rows and pictures on one session.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_BENCH_BENCH_H
#define RILL_TOOLS_RILL_BENCH_BENCH_H

#include "tools/common/profile.h"

#include "rill.h"
#include "runtime/core/manifest.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rill::tools {

struct Flags {
  std::string model, output = "md", device = "cpu";
  std::vector<int64_t> prompt = {512}, depth = {128}, rows = {8};
  std::vector<std::string> images = {"32x32"};
  int64_t tokens = 16;
  int64_t specLength = 0, specDraftMax = 7;
  std::string prompts;
  std::vector<std::string> spec = {"off", "on"};
  int repeat = 3, threads = 0;
  bool profileOps = false;
};

/// A test. Times, bytes and FLOPs are of a unit: a call, or a token of several
/// calls.
struct Row {
  std::string name;
  double units = 1;            ///< in a repetition
  std::vector<double> seconds; ///< of each repetition, ascending
  double dispatches = 0;       ///< launches
  double bytes = 0, flops = 0; ///< as the plan says
  double kernelSeconds = 0;    ///< the sum of its launches, one by one
  std::unique_ptr<Profile> profile;

  /// The time that a share of the repetitions does not exceed.
  double percentile(double share) const;
  double median() const { return percentile(0.5); }
  double mean() const;
  double deviation() const;
};

/// A model with a session and what the manifest says of its size.
class Bench {
public:
  rt::Status open(const Flags &flags);
  rt::Status run(const Flags &flags, std::vector<Row> &rows);
  /// What drafting costs and gives; null when not asked for.
  rt::Status speculate(const Flags &flags, rt::JsonValue &synthetic,
                       rt::JsonValue &prompts);
  int threads() const { return used; }
  /// "x86-64-v4", "sm_90a".
  const std::string &target() const { return arch; }

private:
  using Body = std::function<rt::Status()>;
  rt::Status call(const char *method, std::vector<rill_tensor> inputs,
                  size_t bytes);
  rt::Status decoder(const char *method, int64_t rows, int64_t first,
                     size_t logitRows);
  rt::Status prefill(int64_t rows);
  /// Decodes `count` tokens behind `depth` rows: by `step`, where the model has
  /// it, else by text_decoder.
  rt::Status decode(int64_t depth, int64_t count);
  rt::Status vision(int64_t h, int64_t w);
  /// `body`, each time behind `prepare`: once profiled, once to warm up, then
  /// `repeat` times.
  rt::Status measure(Row row, int repeat, const Body &prepare, const Body &body,
                     std::vector<Row> &rows);
  rt::Status runImages(const Flags &flags, std::vector<Row> &rows);

  std::unique_ptr<rill_model, void (*)(rill_model *)> model{nullptr,
                                                            rill_close};
  std::unique_ptr<rill_session, void (*)(rill_session *)> session{
      nullptr, rill_session_free};
  rt::Manifest manifest;
  std::string arch;
  std::vector<uint8_t> input, output;
  std::vector<int64_t> positions;
  int64_t hidden = 0, vocabulary = 0, chunk = 1, depth3p = 0;
  size_t elementSize = 4;
  int32_t dtype = RILL_F32;
  int used = 1;
};

} // namespace rill::tools

#endif
