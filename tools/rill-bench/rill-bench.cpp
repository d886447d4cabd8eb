//===- rill-bench.cpp - Speed of a compiled model -------------------------===//
//
// pp (prefill), tg (decode), image and rows, each beside the ceilings of the
// same run: shares are what to compare, machines are noisy.
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"
#include "tools/rill-bench/report.h"

using namespace rill;
using namespace rill::tools;

static void addFlags(Tool &tool, Flags &flags) {
  tool.option("-m,--model", flags.model, "the .rill file")->required();
  const CLI::Range counts(int64_t(0), int64_t(1) << 30);
  tool.option("-p,--n-prompt", flags.prompt, "prefill lengths; 0: none")
      ->delimiter(',')
      ->check(counts);
  tool.option("-n,--n-gen", flags.tokens,
              "tokens decoded per repetition; 0: none")
      ->check(counts);
  tool.option("-d,--n-depth", flags.depth, "context before decoding")
      ->delimiter(',')
      ->check(counts);
  tool.option("--rows", flags.rows,
              "rows of text_decoder_rows at the first depth; 0: none")
      ->delimiter(',')
      ->check(counts);
  tool.option("--patches", flags.images, "crops, HxW in patches; 0: none")
      ->delimiter(',');
  tool.option("-r,--repetitions", flags.repeat,
              "repetitions; the median counts")
      ->check(CLI::Range(1, 1000));
  tool.option("-t,--threads", flags.threads, "worker threads")
      ->check(CLI::Range(0, 256));
  tool.option("--device", flags.device, "cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}));
  tool.flag("--profile-ops", flags.profileOps,
            "print where the time goes, op by op (on standard error)");
  tool.option("-o,--output", flags.output, "md or json")
      ->check(CLI::IsMember({"md", "json"}));
}

static void addSpeculationFlags(Tool &tool, Flags &flags) {
  tool.option("--spec-synth-len", flags.specLength,
              "drafts that commit this many tokens a step whatever matches")
      ->check(CLI::Range(1, 16));
  tool.option("--spec-draft-n-max", flags.specDraftMax, "tokens drafted a step")
      ->check(CLI::Range(1, 15));
  tool.option("--spec", flags.spec, "of --prompts: off, on, or both")
      ->delimiter(',')
      ->check(CLI::IsMember({"off", "on"}));
  tool.option("--prompts", flags.prompts,
              "JSON lines {prompt, image} to answer with drafts and without");
}

/// Ceilings and model interleaved: the best of five passes around the rows.
static rt::Status measure(const Flags &flags) {
  Bench bench;
  RILL_TRY(bench.open(flags));
  std::unique_ptr<Meter> meter;
  if (flags.device == "cuda") {
    RILL_ASSIGN(meter, cudaMeter());
  } else {
    meter = cpuMeter(bench.threads());
  }
  for (int i = 0; i < 3; ++i) {
    RILL_TRY(meter->sample());
  }
  std::vector<Row> rows;
  RILL_TRY(bench.run(flags, rows));
  Report report{rows, *meter, bench.target(), bench.threads(), {}, {}};
  RILL_TRY(bench.speculate(flags, report.synthetic, report.prompts));
  for (int i = 0; i < 2; ++i) {
    RILL_TRY(meter->sample());
  }
  printReport(report, flags);
  return {};
}

int main(int argc, char **argv) {
  Tool tool("rill-bench",
            "speed of a compiled model beside this machine's ceilings",
            "  rill-bench -m lfm.rill -p 128,512 -n 64 -d 0,128\n"
            "  rill-bench -m lfm.rill --device cuda -o json\n");
  Flags flags;
  addFlags(tool, flags);
  addSpeculationFlags(tool, flags);
  int code;
  if (!tool.parse(argc, argv, code)) {
    return code;
  }
  std::erase(flags.prompt, 0);
  std::erase(flags.rows, 0);
  std::erase(flags.images, "0");
  return tool.end(measure(flags));
}
