//===- rill-bench.cpp - Speed of a compiled model -------------------------===//
//
// pp (prefill), tg (decode), image and rows, each beside the ceilings of the
// same run: shares are what to compare, machines are noisy.
//
//===----------------------------------------------------------------------===//
#include "tools/common/tool.h"
#include "tools/rill-bench/ceilings.h"
#include "tools/rill-bench/speculation.h"

#include "rill.h"
#include "runtime/core/c_helpers.h"
#include "runtime/core/manifest.h"
#include "runtime/core/plan.h"
#include "runtime/formats/file_writer.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sched.h>

using namespace rill;
using namespace rill::tools;

namespace {
struct Flags {
  std::string model, output = "md", device = "cpu";
  std::vector<int64_t> prompt = {512}, depth = {128}, rows = {8};
  std::vector<std::string> images = {"32x32"};
  int64_t tokens = 16;
  int64_t specLength = 0, specDraftMax = 7;
  std::string prompts;
  std::vector<std::string> spec = {"off", "on"};
  int repeat = 3, threads = 0;
};

struct Row {
  std::string name;
  double seconds, bytes, flops; ///< of one repetition
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

private:
  rt::Status call(const char *method, std::vector<rill_tensor> inputs,
                  size_t bytes);
  rt::Status decoder(const char *method, int64_t rows, int64_t first,
                     size_t logitRows);
  rt::Status prefill(int64_t rows);
  /// Decodes `count` tokens behind `depth` rows: by `step`, where the model has
  /// it, else by text_decoder.
  rt::Status decode(int64_t depth, int64_t count);
  rt::Status vision(int64_t h, int64_t w);
  rt::Status measure(Row row, int repeat,
                     const std::function<rt::Status()> &prepare,
                     const std::function<rt::Status()> &body,
                     std::vector<Row> &rows);
  /// Sums of elements and bytes of the matrices, and of the query widths.
  void countWeights();
  /// FLOPs of text_decoder: `rows` rows behind `first` others, with logits for
  /// `logitRows` of them.
  double textFlops(int64_t first, int64_t rows, int64_t logitRows) const;
  double visionFlops(int64_t h, int64_t w) const;

  std::unique_ptr<rill_model, void (*)(rill_model *)> model{nullptr,
                                                            rill_close};
  std::unique_ptr<rill_session, void (*)(rill_session *)> session{
      nullptr, rill_session_free};
  rt::Manifest manifest;
  std::vector<uint8_t> input, output;
  std::vector<int64_t> positions;
  int64_t hidden = 0, vocabulary = 0, chunk = 1, depth3p = 0;
  size_t elementSize = 4;
  int32_t dtype = RILL_F32;
  double textBytes = 0, textElements = 0, headElements = 0, textQueries = 0;
  double visionElements = 0, visionQueries = 0, projectorElements = 0;
  int used = 1;
};
} // namespace

void Bench::countWeights() {
  bool tied = true;
  double embedding = 0;
  for (const rt::WeightInfo &weight : manifest.weights) {
    double elements = static_cast<double>(weight.bytes) /
                      static_cast<double>(rt::elementBytes(weight.type));
    auto has = [&](const char *part) {
      return weight.name.find(part) != std::string::npos;
    };
    bool matrix = weight.shape.size() == 2;
    if (matrix && has("q_proj")) {
      (has("vision_tower") ? visionQueries : textQueries) +=
          static_cast<double>(weight.shape[0]);
    }
    if (has("embed_tokens")) {
      embedding = static_cast<double>(weight.bytes);
      headElements = elements;
    } else if (has("lm_head")) {
      tied = false;
      textBytes += static_cast<double>(weight.bytes);
    } else if (has("language_model.layers") || has("embedding_norm")) {
      textBytes += static_cast<double>(weight.bytes);
      textElements += matrix ? elements : 0;
    } else if (matrix && has("vision_tower") && !has("position_embedding")) {
      visionElements += elements;
    } else if (matrix && has("multi_modal_projector")) {
      projectorElements += elements;
    }
  }
  textBytes += tied ? embedding : 0;
}

/// Two per weight and row; attention: two products of a query with each key it
/// sees, and two with each value.
double Bench::textFlops(int64_t first, int64_t rows, int64_t logitRows) const {
  auto count = static_cast<double>(rows);
  double keys = count * static_cast<double>(first) + count * (count + 1) / 2;
  return 2 * (textElements * count +
              headElements * static_cast<double>(logitRows)) +
         4 * textQueries * keys;
}

double Bench::visionFlops(int64_t h, int64_t w) const {
  auto patches = static_cast<double>(h * w);
  rt::Symbols symbols;
  symbols.values[1] = h;
  symbols.values[2] = w;
  const rt::Signature &out = manifest.method("vision_encoder")->outputs[0];
  auto merged = rt::runProgram(out.shape[1].program, symbols).value_or(0);
  return 2 * (visionElements * patches +
              projectorElements * static_cast<double>(merged)) +
         4 * visionQueries * patches * patches;
}

rt::Status Bench::open(const Flags &flags) {
  rill_model *opened = nullptr;
  rill_open_options open = {};
  open.size = sizeof(open);
  open.device = flags.device.c_str();
  RILL_TRY(rt::statusFromC(rill_open(flags.model.c_str(), &open, &opened)));
  model.reset(opened);
  size_t size;
  const char *text = rill_manifest(opened, &size);
  RILL_ASSIGN(manifest, rt::parseManifest({text, size}, "manifest"));
  rill_session_options options = {};
  options.size = sizeof(options);
  options.threads = flags.threads;
  rill_session *made = nullptr;
  RILL_TRY(rt::statusFromC(rill_session_create(opened, &options, &made)));
  session.reset(made);
  cpu_set_t set;
  used = flags.threads                                  ? flags.threads
         : sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                        : 1;
  const rt::Method *decoder = manifest.method("text_decoder");
  if (!decoder) {
    return rt::makeError(rt::ErrorCode::InputInvalid, flags.model,
                         "has no text_decoder");
  }
  hidden = decoder->inputs[0].shape.back().program[1];
  vocabulary = decoder->outputs[0].shape.back().program[1];
  elementSize = rt::elementBytes(decoder->inputs[0].type);
  dtype = elementSize == 2 ? RILL_BF16 : RILL_F32;
  for (const rt::MethodVariant &variant : decoder->variants) {
    chunk = std::max(chunk, variant.max[0]);
  }
  if (const rt::Method *encoder = manifest.method("vision_encoder")) {
    depth3p = encoder->inputs[0].shape.back().program[1];
  }
  countWeights();
  return {};
}

rt::Status Bench::call(const char *method, std::vector<rill_tensor> inputs,
                       size_t bytes) {
  output.resize(std::max(output.size(), bytes));
  rill_tensor out = rt::makeTensor(output.data(), output.size(), RILL_F32, {});
  return rt::statusFromC(rill_invoke(session.get(), method, inputs.data(),
                                     inputs.size(), &out, 1));
}

rt::Status Bench::decoder(const char *method, int64_t rows, int64_t first,
                          size_t logitRows) {
  size_t bytes = rows * hidden * elementSize;
  if (input.size() < bytes) {
    // Values around 1, not zeros: 0x3f80 is 1.0 in bf16, also as f32 halves.
    input.resize(bytes);
    for (size_t i = 0; i < bytes; ++i) {
      input[i] = i % 2 ? 0x3f : static_cast<uint8_t>(i * 37);
    }
  }
  positions.resize(rows);
  for (int64_t s = 0; s < rows; ++s) {
    positions[s] = first + s;
  }
  return call(method,
              {rt::makeTensor(input.data(), bytes, dtype, {1, rows, hidden}),
               rt::makeTensor(positions.data(), rows * 8, RILL_I64, {1, rows})},
              logitRows * vocabulary * sizeof(float));
}

rt::Status Bench::prefill(int64_t rows) {
  RILL_TRY(rt::statusFromC(rill_session_reset(session.get())));
  for (int64_t first = 0; first < rows; first += chunk) {
    RILL_TRY(decoder("text_decoder", std::min(chunk, rows - first), first, 1));
  }
  return {};
}

rt::Status Bench::decode(int64_t depth, int64_t count) {
  if (!manifest.method("step")) {
    for (int64_t t = 0; t < count; ++t) {
      RILL_TRY(decoder("text_decoder", 1, depth + t, 1));
    }
    return {};
  }
  RILL_TRY(rt::statusFromC(rill_session_set_next(session.get(), 0, 1, depth)));
  for (int64_t t = 0; t < count; ++t) {
    RILL_TRY(call("step", {}, sizeof(int64_t)));
  }
  return {};
}

rt::Status Bench::vision(int64_t h, int64_t w) {
  std::vector<float> patches(h * w * depth3p);
  for (size_t i = 0; i < patches.size(); ++i) {
    patches[i] = static_cast<float>(i * 37 % 255) / 127.5f - 1.0f;
  }
  return call("vision_encoder",
              {rt::makeTensor(patches.data(), patches.size() * 4, RILL_F32,
                              {1, h, w, depth3p})},
              h * w * hidden * sizeof(float));
}

rt::Status Bench::measure(Row row, int repeat,
                          const std::function<rt::Status()> &prepare,
                          const std::function<rt::Status()> &body,
                          std::vector<Row> &rows) {
  std::vector<double> times;
  for (int i = 0; i <= repeat; ++i) { // the first is the warm-up
    RILL_TRY(prepare());
    double begin = secondsNow();
    RILL_TRY(body());
    if (i) {
      times.push_back(secondsNow() - begin);
    }
  }
  std::sort(times.begin(), times.end());
  row.seconds = times[times.size() / 2];
  rows.push_back(row);
  return {};
}

rt::Status Bench::run(const Flags &flags, std::vector<Row> &rows) {
  auto nothing = [] { return rt::Status(); };
  for (int64_t count : flags.prompt) {
    Row row{"pp" + std::to_string(count), 0, textBytes, textFlops(0, count, 1)};
    RILL_TRY(measure(
        row, flags.repeat, nothing, [&] { return prefill(count); }, rows));
  }
  for (int64_t depth : flags.tokens ? flags.depth : std::vector<int64_t>()) {
    Row row{"tg" + std::to_string(flags.tokens) + " @ " + std::to_string(depth),
            0, textBytes,
            textFlops(depth, flags.tokens, flags.tokens) /
                static_cast<double>(flags.tokens)};
    RILL_TRY(measure(
        row, flags.repeat, [&] { return prefill(depth); },
        [&] { return decode(depth, flags.tokens); }, rows));
    rows.back().seconds /= static_cast<double>(flags.tokens);
  }
  for (int64_t count : flags.rows) {
    int64_t depth = flags.depth.front();
    Row row{"rows" + std::to_string(count) + " @ " + std::to_string(depth), 0,
            textBytes, textFlops(depth, count, count)};
    RILL_TRY(measure(
        row, flags.repeat, [&] { return prefill(depth); },
        [&] { return decoder("text_decoder_rows", count, depth, count); },
        rows));
  }
  for (const std::string &image :
       depth3p ? flags.images : std::vector<std::string>()) {
    int h = 0, w = 0;
    if (std::sscanf(image.c_str(), "%dx%d", &h, &w) != 2 || h < 1 || w < 1) {
      return rt::makeError(rt::ErrorCode::BadUsage, "--patches",
                           image + " is no HxW in patches");
    }
    Row row{"image " + image, 0, 0, visionFlops(h, w)};
    RILL_TRY(measure(
        row, flags.repeat, nothing, [&] { return vision(h, w); }, rows));
  }
  return {};
}

rt::Status Bench::speculate(const Flags &flags, rt::JsonValue &synthetic,
                            rt::JsonValue &prompts) {
  if (flags.specLength > 0 && flags.tokens == 0) {
    return rt::makeError(rt::ErrorCode::BadUsage, "--spec-synth-len",
                         "needs tokens to decode", "give -n 1 or more");
  }
  if (flags.specLength > 0) {
    SpecBench options;
    options.width = flags.specDraftMax + 1;
    options.length = flags.specLength;
    options.depth = flags.depth.empty() ? 128 : flags.depth[0];
    options.tokens = flags.tokens;
    options.repeat = flags.repeat;
    RILL_ASSIGN(synthetic, benchSynthetic(model.get(), session.get(), options));
  }
  if (!flags.prompts.empty()) {
    auto asked = [&](const char *what) {
      return std::find(flags.spec.begin(), flags.spec.end(), what) !=
             flags.spec.end();
    };
    PromptBench options{flags.prompts, asked("off"), asked("on"),
                        flags.specDraftMax + 1, flags.repeat};
    RILL_ASSIGN(prompts, benchPrompts(model.get(), session.get(), options));
  }
  return {};
}

/// One line each for what drafting costs and gives.
static void printSpeculation(const rt::JsonValue &synthetic,
                             const rt::JsonValue &prompts) {
  auto number = [](const rt::JsonValue &object, const char *key) {
    const rt::JsonValue *value = object.find(key);
    return value->asInt() ? static_cast<double>(*value->asInt())
                          : *value->asDouble();
  };
  if (!synthetic.isNull()) {
    double decode = number(synthetic, "decode"),
           verify = number(synthetic, "verify"),
           token = number(synthetic, "token");
    std::printf("\ndrafting, %.0f rows, %.0f tokens a step: decode %.3f ms, "
                "draft %.3f ms, verify %.3f ms (%.2f decodes); %.3f ms a token "
                "(%.2f x plain); outside both %.1f %%\n",
                number(synthetic, "width"), number(synthetic, "length"),
                1e3 * decode, 1e3 * number(synthetic, "draft"), 1e3 * verify,
                verify / decode, 1e3 * token, decode / token,
                100 * number(synthetic, "outside"));
  }
  if (!prompts.isNull()) {
    double plain = number(prompts, "plain"),
           drafted = number(prompts, "drafted");
    std::printf("\n%.0f prompts, %.0f tokens:", number(prompts, "prompts"),
                number(prompts, "tokens"));
    if (plain > 0) {
      std::printf(" plain %.1f ms", 1e3 * plain);
    }
    if (drafted > 0) {
      std::printf(" drafted %.1f ms, mean length %.2f", 1e3 * drafted,
                  number(prompts, "mean_length"));
    }
    if (plain > 0 && drafted > 0) {
      std::printf(" (%.2f x plain), %.0f answers equal", plain / drafted,
                  number(prompts, "equal"));
    }
    std::printf("\n");
  }
}

/// `read` and `fma` are 0 where no ceilings are measured.
static void print(const std::vector<Row> &rows, const Flags &flags, double read,
                  double fma, int threads, const rt::JsonValue &synthetic,
                  const rt::JsonValue &prompts) {
  if (flags.output == "json") {
    rt::JsonValue::Array list;
    for (const Row &row : rows) {
      rt::JsonValue::Object entry{{"name", row.name},
                                  {"seconds", row.seconds},
                                  {"bytes", row.bytes},
                                  {"flops", row.flops}};
      if (read > 0) {
        entry.push_back({"read_share", row.bytes / row.seconds / read});
        entry.push_back({"fma_share", row.flops / row.seconds / fma});
      }
      list.push_back(std::move(entry));
    }
    rt::JsonValue::Object root{{"schema", "rill.bench/1"},
                               {"threads", threads},
                               {"read_bytes_per_second", read},
                               {"fma_flop_per_second", fma},
                               {"rows", list},
                               {"synthetic", synthetic},
                               {"prompts", prompts}};
    std::printf("%s\n", rt::writeJson(root, {", ", ": ", 2}).c_str());
    return;
  }
  if (read == 0) {
    std::printf("device cuda; no ceilings are measured there\n\n"
                "| test | ms | GB/s | GFLOP/s |\n|---|---|---|---|\n");
    for (const Row &row : rows) {
      std::printf("| %s | %.2f | %.1f | %.1f |\n", row.name.c_str(),
                  1e3 * row.seconds, row.bytes / row.seconds / 1e9,
                  row.flops / row.seconds / 1e9);
    }
    return;
  }
  std::printf(
      "%d threads; ceilings of this run: read %.1f GB/s, FMA %.1f GFLOP/s\n\n",
      threads, read / 1e9, fma / 1e9);
  std::printf("| test | ms | GB/s | %% of read | GFLOP/s | %% of FMA |\n"
              "|---|---|---|---|---|---|\n");
  for (const Row &row : rows) {
    std::printf("| %s | %.2f | %.1f | %.0f | %.1f | %.0f |\n", row.name.c_str(),
                1e3 * row.seconds, row.bytes / row.seconds / 1e9,
                100 * row.bytes / row.seconds / read,
                row.flops / row.seconds / 1e9,
                100 * row.flops / row.seconds / fma);
  }
  printSpeculation(synthetic, prompts);
}

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

int main(int argc, char **argv) {
  Tool tool("rill-bench",
            "speed of a compiled model beside this machine's ceilings",
            "  rill-bench -m lfm.rill -p 128,512 -n 64 -d 0,128\n"
            "  rill-bench -m lfm.rill -o json\n");
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
  Bench bench;
  rt::Status status = bench.open(flags);
  if (!status.ok()) {
    return tool.fail(status.get());
  }
  std::vector<Row> rows;
  rt::JsonValue synthetic, prompts;
  if (flags.device == "cuda") {
    status = bench.run(flags, rows);
    if (status.ok()) {
      status = bench.speculate(flags, synthetic, prompts);
    }
    if (status.ok()) {
      print(rows, flags, 0, 0, bench.threads(), synthetic, prompts);
    }
    return tool.end(status);
  }
  // Ceilings and model interleaved: the best of five passes around the rows.
  ReadCeiling ceiling(size_t(1) << 30, bench.threads());
  double read = 0, fma = 0;
  auto sample = [&] {
    read = std::max(read, ceiling.measure());
    fma = std::max(fma, measureFma(bench.threads(), 0.1));
  };
  for (int i = 0; i < 3; ++i) {
    sample();
  }
  status = bench.run(flags, rows);
  if (status.ok()) {
    status = bench.speculate(flags, synthetic, prompts);
  }
  if (!status.ok()) {
    return tool.fail(status.get());
  }
  for (int i = 0; i < 2; ++i) {
    sample();
  }
  print(rows, flags, read, fma, bench.threads(), synthetic, prompts);
  return tool.end({});
}
