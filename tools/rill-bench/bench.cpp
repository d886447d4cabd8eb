//===- bench.cpp - Timing the methods of a model --------------------------===//
//
// A profiled run tells what there is to move and compute; times are of plain
// ones.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/bench.h"

#include "tools/rill-bench/speculation.h"

#include "runtime/core/c_helpers.h"
#include "runtime/core/clock.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <sched.h>

using namespace rill;
using namespace rill::tools;

double Row::percentile(double share) const {
  auto last = static_cast<double>(seconds.size()) - 1;
  return seconds[static_cast<size_t>(std::ceil(last * share))];
}

double Row::mean() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) /
         static_cast<double>(seconds.size());
}

double Row::deviation() const {
  double center = mean(), sum = 0;
  for (double time : seconds) {
    sum += (time - center) * (time - center);
  }
  return std::sqrt(sum / static_cast<double>(seconds.size()));
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
  rill_memory_plan plan = {};
  plan.size = sizeof(plan);
  RILL_TRY(rt::statusFromC(rill_plan_bytes(opened, nullptr, &plan)));
  arch = plan.target;
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

rt::Status Bench::measure(Row row, int repeat, const Body &prepare,
                          const Body &body, std::vector<Row> &rows) {
  row.profile = std::make_unique<Profile>();
  for (int i = -2; i < repeat; ++i) {
    RILL_TRY(prepare());
    if (i == -2) {
      RILL_TRY(row.profile->listen(session.get()));
    }
    double begin = rt::steadySeconds();
    RILL_TRY(body());
    if (i >= 0) {
      row.seconds.push_back((rt::steadySeconds() - begin) / row.units);
    } else if (i == -2) {
      RILL_TRY(Profile::stop(session.get()));
    }
  }
  std::sort(row.seconds.begin(), row.seconds.end());
  for (const auto &[method, sums] : row.profile->methods()) {
    row.dispatches += static_cast<double>(sums.dispatches) / row.units;
    row.bytes += sums.bytes / row.units;
    row.flops += sums.flops / row.units;
    row.kernelSeconds += sums.kernelSeconds / row.units;
  }
  rows.push_back(std::move(row));
  return {};
}

static Row named(std::string name, double units = 1) {
  Row row;
  row.name = std::move(name);
  row.units = units;
  return row;
}

static const auto nothing = [] { return rt::Status(); };

rt::Status Bench::runImages(const Flags &flags, std::vector<Row> &rows) {
  for (const std::string &image :
       depth3p ? flags.images : std::vector<std::string>()) {
    int h = 0, w = 0;
    if (std::sscanf(image.c_str(), "%dx%d", &h, &w) != 2 || h < 1 || w < 1) {
      return rt::makeError(rt::ErrorCode::BadUsage, "--patches",
                           image + " is no HxW in patches");
    }
    RILL_TRY(measure(
        named("image " + image), flags.repeat, nothing,
        [&] { return vision(h, w); }, rows));
  }
  return {};
}

rt::Status Bench::run(const Flags &flags, std::vector<Row> &rows) {
  for (int64_t count : flags.prompt) {
    RILL_TRY(measure(
        named("pp" + std::to_string(count)), flags.repeat, nothing,
        [&] { return prefill(count); }, rows));
  }
  for (int64_t depth : flags.tokens ? flags.depth : std::vector<int64_t>()) {
    Row row = named("tg" + std::to_string(flags.tokens) + " @ " +
                        std::to_string(depth),
                    static_cast<double>(flags.tokens));
    RILL_TRY(measure(
        std::move(row), flags.repeat, [&] { return prefill(depth); },
        [&] { return decode(depth, flags.tokens); }, rows));
  }
  for (int64_t count : flags.rows) {
    int64_t depth = flags.depth.front();
    Row row =
        named("rows" + std::to_string(count) + " @ " + std::to_string(depth));
    RILL_TRY(measure(
        std::move(row), flags.repeat, [&] { return prefill(depth); },
        [&] { return decoder("text_decoder_rows", count, depth, count); },
        rows));
  }
  return runImages(flags, rows);
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
