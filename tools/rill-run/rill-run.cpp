//===- rill-run.cpp - Run a compiled model --------------------------------===//
//
// Flags; the work is in generate.cpp and method.cpp.
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"
#include "tools/rill-run/generate.h"
#include "tools/rill-run/method.h"
#include "tools/rill-run/observe.h"

#include "rill.h"
#include "runtime/core/c_helpers.h"

using namespace rill;

namespace {
struct Flags {
  std::string model, device = "auto", verify = "header", weights;
  int threads = 0;
  bool allowJit = false;
  tools::MethodCall call;
  tools::GenerateFlags generate;
  tools::ObserveFlags observe;
};
} // namespace

static void addFlags(tools::Tool &tool, Flags &flags) {
  tool.option("-m,--model", flags.model, "the .rill file")->required();
  tool.option("--device", flags.device, "auto, cpu or cuda");
  tool.flag("--allow-jit", flags.allowJit,
            "let the CUDA driver assemble PTX of another chip");
  tool.option("-t,--threads", flags.threads,
              "worker threads (default: RILL_NUM_THREADS, or all cores)")
      ->check(CLI::Range(0, 256));
  tool.option("--verify", flags.verify, "header, or full (weights too)")
      ->check(CLI::IsMember({"header", "full"}));
  tool.option("--weights-folder", flags.weights,
              "where external weights are (default: beside the model)");
  tool.flag("--profile-ops", flags.observe.profileOps,
            "print where the time goes, op by op (on standard error)");
  tool.flag("--nvtx", flags.observe.nvtx,
            "tell the tool that NVTX_INJECTION64_PATH names of loading, "
            "methods and tokens, or fail (without this: if it can be told)");
  tool.option("--trace", flags.observe.trace,
              "write this Chrome trace (JSON; about://tracing, Perfetto)");
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

static void addGenerateFlags(tools::Tool &tool, tools::GenerateFlags &flags) {
  tool.option("-p,--prompt", flags.prompt, "the user's message");
  tool.option("-f,--file", flags.promptFile, "read the message from a file");
  tool.option("--system-prompt", flags.systemPrompt, "the system message");
  tool.option("--image", flags.images, "a picture (repeat; - is stdin)");
  tool.option("--messages", flags.messagesFile,
              "a JSON list of messages, or an object with messages, tools and "
              "chat_template_kwargs");
  tool.option("--chat-template-kwargs", flags.templateVariables,
              "a JSON object of variables for the chat template, as "
              "{\"enable_thinking\": false}");
  tool.flag("--raw", flags.raw, "no chat template; special tokens are read");
  tool.option("-n,--max-new-tokens,--n-predict", flags.maxNewTokens,
              "tokens at most")
      ->check(CLI::Range(1, 1 << 28));
  tool.option("-s,--seed", flags.seed, "seed of sampling");
  tool.option("--temp,--temperature", flags.temperature, "0 is greedy");
  tool.option("--top-k", flags.topK, "0 is off");
  tool.option("--top-p", flags.topP, "1 is off");
  tool.option("--min-p", flags.minP, "0 is off");
  tool.option("--repeat-penalty", flags.repeatPenalty, "1 is off");
  tool.option("--spec-type,--speculative-algorithm", flags.specType,
              "none, or draft-dflash (default where the model has a drafter); "
              "no token depends on it")
      ->check(CLI::IsMember({"none", "draft-dflash", "DFLASH"}));
  tool.option("--spec-draft-n-max", flags.specDraftMax,
              "tokens drafted a step at most (default: what the drafter can)")
      ->check(CLI::Range(1, 15));
  tool.option("--spec-draft-n-min", flags.specDraftMin,
              "draft only when there is room for this many")
      ->check(CLI::Range(1, 15));
  tool.option("--speculative-num-draft-tokens", flags.specRows,
              "rows of a step, the last token and the drafted ones: "
              "--spec-draft-n-max plus 1")
      ->check(CLI::Range(2, 16));
  tool.option("--stop", flags.stop, "end at this text (repeat)");
  tool.flag("--ignore-eos", flags.ignoreEos, "do not end at the end token");
  tool.flag("--stats", flags.stats, "print timing");
  tool.flag("--tokens", flags.tokens, "print the ids generated");
  tool.flag("--count-tokens", flags.countTokens,
            "print tokens per picture and text, and end");
  tool.flag("--print-prompt", flags.printPrompt,
            "print the rendered template (with --tokens its ids too), and end");
}

static rt::Status run(const Flags &flags) {
  rill_open_options options = {};
  options.size = sizeof(options);
  options.verify = flags.verify == "full";
  options.weights_folder =
      flags.weights.empty() ? nullptr : flags.weights.c_str();
  options.device = flags.device.c_str();
  options.allow_jit = flags.allowJit;
  RILL_ASSIGN(auto observer, tools::Observer::create(flags.observe));
  rill_model *model = nullptr;
  RILL_TRY(rt::statusFromC(rill_open(flags.model.c_str(), &options, &model)));
  std::unique_ptr<rill_model, void (*)(rill_model *)> owner(model, rill_close);
  rill_session_options session_options = {};
  session_options.size = sizeof(session_options);
  session_options.device = flags.device.c_str();
  session_options.threads = flags.threads;
  rill_session *session = nullptr;
  RILL_TRY(
      rt::statusFromC(rill_session_create(model, &session_options, &session)));
  std::unique_ptr<rill_session, void (*)(rill_session *)> user(
      session, rill_session_free);
  RILL_TRY(observer->loaded(session));
  RILL_TRY(flags.call.method.empty()
               ? tools::runGenerate(model, session, flags.generate, *observer)
               : tools::callMethod(model, session, flags.call));
  return observer->finish(model);
}

int main(int argc, char **argv) {
  tools::Tool tool(
      "rill-run", "run a compiled model",
      "  rill-run -m lfm.rill --image cat.jpg -p \"What is this?\"\n"
      "  rill-run -m lfm.rill --method text_decoder --input=@e.npy "
      "--input=@p.npy --compare-with ref.safetensors --atol 1e-3\n");
  Flags flags;
  addFlags(tool, flags);
  addGenerateFlags(tool, flags.generate);
  int code;
  if (!tool.parse(argc, argv, code)) {
    return code;
  }
  rt::Status status = run(flags);
  return tool.end(status);
}
