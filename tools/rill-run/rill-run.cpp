//===- rill-run.cpp - Run a compiled model --------------------------------===//
//
// Flags; the work is in method.cpp.
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"
#include "tools/rill-run/method.h"

#include "rill.h"

using namespace rill;

namespace {
struct Flags {
  std::string model, device = "auto", verify = "header", weights;
  int threads = 0;
  tools::MethodCall call;
};
} // namespace

static void addFlags(tools::Tool &tool, Flags &flags) {
  tool.option("-m,--model", flags.model, "the .rill file")->required();
  tool.option("--device", flags.device, "auto or cpu");
  tool.option("-t,--threads", flags.threads,
              "worker threads (default: RILL_NUM_THREADS, or all cores)")
      ->check(CLI::Range(0, 256));
  tool.option("--verify", flags.verify, "header, or full (weights too)")
      ->check(CLI::IsMember({"header", "full"}));
  tool.option("--weights-folder", flags.weights,
              "where external weights are (default: beside the model)");
  tool.option("--method", flags.call.method, "call one method");
  tool.option("--input", flags.call.inputs,
              "@x.npy, @f.safetensors#name, or 1x4xi64=1,2,3,4 (repeat)");
  tool.option("--save-output", flags.call.saveOutput,
              "write the outputs to this .safetensors file");
  tool.option("--compare-with", flags.call.compareWith,
              "compare the outputs with this .safetensors file; exit 7");
  tool.option("--rtol", flags.call.rtol, "relative tolerance");
  tool.option("--atol", flags.call.atol, "absolute tolerance");
}

static rt::Status run(const Flags &flags) {
  rill_open_options options = {};
  options.size = sizeof(options);
  options.verify = flags.verify == "full";
  options.weights_folder = flags.weights.empty() ? nullptr : flags.weights.c_str();
  rill_model *model = nullptr;
  RILL_TRY(tools::fromC(rill_open(flags.model.c_str(), &options, &model)));
  std::unique_ptr<rill_model, void (*)(rill_model *)> owner(model, rill_close);
  rill_session_options session_options = {};
  session_options.size = sizeof(session_options);
  session_options.device = flags.device.c_str();
  session_options.threads = flags.threads;
  rill_session *session = nullptr;
  RILL_TRY(tools::fromC(rill_session_create(model, &session_options, &session)));
  std::unique_ptr<rill_session, void (*)(rill_session *)> user(
      session, rill_session_free);
  return tools::callMethod(model, session, flags.call);
}

int main(int argc, char **argv) {
  tools::Tool tool("rill-run", "run a compiled model",
                   "  rill-run -m lfm.rill --method token_embedding "
                   "--input=1x2xi64=1,7\n"
                   "  rill-run -m lfm.rill --method text_decoder --input=@e.npy "
                   "--input=@p.npy --compare-with ref.safetensors --atol 1e-3\n");
  Flags flags;
  addFlags(tool, flags);
  int code;
  if (!tool.parse(argc, argv, code)) {
    return code;
  }
  if (flags.call.method.empty()) {
    return tool.usage("--method is required");
  }
  rt::Status status = run(flags);
  return status.ok() ? 0 : tool.fail(status.get());
}
