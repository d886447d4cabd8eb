//===- speculation.cpp - What drafting costs and gives --------------------===//
//
// Plain and drafted runs in turn, so that a change of the machine meets both.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/speculation.h"

#include "runtime/core/c_helpers.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/generate/generator.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

using namespace rill;
using namespace rill::tools;
using rt::JsonValue;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

static rt::Result<JsonValue> manifestOf(const rill_model *model) {
  size_t bytes;
  const char *text = rill_manifest(model, &bytes);
  return rt::parseJson({text, bytes}, "manifest");
}

namespace {
/// One model without words: ids from a counter.
class Synthetic {
public:
  Synthetic(rt::Decoder decoder, rill_session *session, int64_t depth)
      : decoder(std::move(decoder)), session(session) {
    for (int64_t i = 0; i < depth; ++i) {
      prompt.push_back(i * 37 % this->decoder.vocabulary());
    }
  }

  /// Seconds of `tokens` tokens behind the prompt, which is fed anew first.
  rt::Result<double> run(const rt::SpecOptions &spec, int64_t tokens,
                         rt::SpecStats &stats);

private:
  rt::Status prefill();

  rt::Decoder decoder;
  rill_session *session;
  std::vector<int64_t> prompt;
};
} // namespace

rt::Status Synthetic::prefill() {
  RILL_TRY(rt::statusFromC(rill_session_reset(session)));
  std::vector<uint8_t> rows(prompt.size() * decoder.rowBytes());
  RILL_TRY(decoder.embed(prompt, rows.data()));
  auto total = static_cast<int64_t>(prompt.size());
  for (int64_t first = 0; first < total; first += decoder.chunk()) {
    RILL_TRY(decoder.decode(rows.data() + first * decoder.rowBytes(),
                            std::min(decoder.chunk(), total - first), first,
                            /*context=*/true));
  }
  return {};
}

rt::Result<double> Synthetic::run(const rt::SpecOptions &spec, int64_t tokens,
                                  rt::SpecStats &stats) {
  RILL_TRY(prefill());
  rt::Sampler sampler({}, decoder.vocabulary());
  std::vector<int64_t> history = prompt;
  int64_t taken = 0;
  double begin = now();
  // The first token costs nothing: its logits are the prompt's.
  RILL_TRY(decoder.run(
      sampler, spec, history,
      [&](int64_t, int64_t) { return taken++ == tokens; }, stats));
  return now() - begin;
}

rt::Result<JsonValue> rill::tools::benchSynthetic(const rill_model *model,
                                                  rill_session *session,
                                                  const SpecBench &options) {
  RILL_ASSIGN(JsonValue tree, manifestOf(model));
  RILL_ASSIGN(rt::Decoder decoder,
              rt::Decoder::create(rt::JsonField(tree, "manifest"), session));
  if (!decoder.hasDrafter()) {
    return rt::makeError(rt::ErrorCode::CallUnsupported, "--spec-synth-len",
                         "the artifact has no drafter",
                         "compile with --draft FOLDER");
  }
  Synthetic bench(std::move(decoder), session, options.depth);
  rt::SpecOptions plain, drafted;
  plain.enabled = false;
  drafted.adaptive = false;
  drafted.draftMax = options.width - 1;
  drafted.syntheticLength = options.length;
  RILL_TRY(drafted.validate());
  std::vector<double> decode, draft, verify, token, outside;
  for (int i = 0; i <= options.repeat; ++i) { // the first is the warm-up
    rt::SpecStats none, stats;
    RILL_ASSIGN(double one, bench.run(plain, options.tokens, none));
    RILL_ASSIGN(double all, bench.run(drafted, options.tokens, stats));
    if (i == 0) {
      continue;
    }
    auto steps = static_cast<double>(stats.verifies);
    decode.push_back(one / static_cast<double>(options.tokens));
    draft.push_back(stats.draftSeconds / steps);
    verify.push_back(stats.verifySeconds / steps);
    token.push_back(all / static_cast<double>(options.tokens));
    outside.push_back(1 - (stats.draftSeconds + stats.verifySeconds) / all);
  }
  return JsonValue(JsonValue::Object{{"width", options.width},
                                     {"length", options.length},
                                     {"depth", options.depth},
                                     {"decode", median(decode)},
                                     {"draft", median(draft)},
                                     {"verify", median(verify)},
                                     {"token", median(token)},
                                     {"outside", median(outside)}});
}

namespace {
struct Totals {
  double seconds = 0;
  std::vector<std::vector<int64_t>> answers;
  rt::SpecStats stats;
};
} // namespace

/// One prompt, its picture and all that is counted.
static rt::Status answer(rt::Generator &generator, const JsonValue &line,
                         const std::filesystem::path &folder,
                         const rt::GenerateOptions &options, Totals &totals) {
  rt::JsonField fields(line, "--prompts");
  RILL_ASSIGN(rt::JsonField text, fields.at("prompt"));
  RILL_ASSIGN(std::string words, text.asString());
  RILL_ASSIGN(std::string image, fields.stringOr("image", ""));
  generator.clearPictures();
  JsonValue content(words);
  if (!image.empty()) {
    constexpr size_t kMaxBytes = size_t(256) << 20;
    RILL_ASSIGN(std::string bytes,
                rt::readTextFile((folder / image).string(), kMaxBytes));
    RILL_TRY(generator.addPicture(
        {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()},
        image));
    content =
        JsonValue::Array{JsonValue::Object{{"type", "image"}},
                         JsonValue::Object{{"type", "text"}, {"text", words}}};
  }
  rt::ChatInput input;
  input.messages = JsonValue::Array{
      JsonValue::Object{{"role", "user"}, {"content", content}}};
  RILL_ASSIGN(auto spans, generator.render(input));
  RILL_ASSIGN(auto prompt, generator.prompt(spans));
  RILL_ASSIGN(auto result,
              generator.generate(prompt, options, [](auto) { return true; }));
  totals.seconds += result.decodeSeconds;
  totals.answers.push_back(result.ids);
  rt::SpecStats &sum = totals.stats;
  sum.verifies += result.spec.verifies;
  sum.committed += result.spec.committed;
  sum.plainSteps += result.spec.plainSteps;
  for (size_t n = 0; n < sum.lengths.size(); ++n) {
    sum.lengths[n] += result.spec.lengths[n];
  }
  return {};
}

static rt::Result<std::vector<JsonValue>> readLines(const std::string &file) {
  constexpr size_t kMaxBytes = size_t(64) << 20;
  RILL_ASSIGN(std::string text, rt::readTextFile(file, kMaxBytes));
  std::vector<JsonValue> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) {
      RILL_ASSIGN(JsonValue line,
                  rt::parseJson(text.substr(at, end - at), file));
      lines.push_back(std::move(line));
    }
    at = end + 1;
  }
  return lines;
}

rt::Result<JsonValue> rill::tools::benchPrompts(const rill_model *model,
                                                rill_session *session,
                                                const PromptBench &options) {
  RILL_ASSIGN(auto lines, readLines(options.file));
  RILL_ASSIGN(auto generator, rt::Generator::create(model, session));
  rt::GenerateOptions plain, drafted;
  plain.spec.enabled = false;
  drafted.spec.draftMax = options.width > 1 ? options.width - 1 : 0;
  std::filesystem::path folder =
      std::filesystem::path(options.file).parent_path();
  std::vector<double> plainSeconds, draftedSeconds;
  Totals off, on;
  for (int i = 0; i <= options.repeat; ++i) { // the first is the warm-up
    off = on = {};
    for (const JsonValue &line : lines) {
      if (options.off) {
        RILL_TRY(answer(*generator, line, folder, plain, off));
      }
      if (options.on) {
        RILL_TRY(answer(*generator, line, folder, drafted, on));
      }
    }
    if (i) {
      plainSeconds.push_back(off.seconds);
      draftedSeconds.push_back(on.seconds);
    }
  }
  size_t tokens = 0, equal = 0;
  for (const auto &ids : options.off ? off.answers : on.answers) {
    tokens += ids.size();
  }
  for (size_t i = 0; i < std::min(off.answers.size(), on.answers.size()); ++i) {
    equal += off.answers[i] == on.answers[i];
  }
  JsonValue::Array lengths;
  for (size_t count : on.stats.lengths) {
    lengths.push_back(static_cast<int64_t>(count));
  }
  return JsonValue(JsonValue::Object{
      {"prompts", static_cast<int64_t>(lines.size())},
      {"equal", static_cast<int64_t>(equal)},
      {"tokens", static_cast<int64_t>(tokens)},
      {"plain", median(plainSeconds)},
      {"drafted", median(draftedSeconds)},
      {"verifies", static_cast<int64_t>(on.stats.verifies)},
      {"plain_steps", static_cast<int64_t>(on.stats.plainSteps)},
      {"mean_length", on.stats.meanLength()},
      {"lengths", lengths}});
}
