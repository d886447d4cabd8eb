//===- decoder.cpp - Ids in, ids out --------------------------------------===//
//
// A step with a drafter: draft, verify, draw, go back to what was committed.
//
//===----------------------------------------------------------------------===//
#include "runtime/generate/decoder.h"

#include "runtime/core/c_helpers.h"

#include <algorithm>
#include <chrono>

using namespace rill::rt;

static double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Result<Decoder> Decoder::create(const JsonField &manifest,
                                rill_session *session) {
  Decoder decoder;
  decoder.session = session;
  RILL_ASSIGN(JsonField info, manifest.at("model"));
  RILL_ASSIGN(decoder.vocab, info.intOr("vocab", 0, 1));
  RILL_ASSIGN(decoder.width, info.intOr("hidden", 0, 1));
  RILL_ASSIGN(decoder.capacity, info.intOr("max_seq_len", 0, 1));
  RILL_ASSIGN(decoder.imageId, info.intOr("image_token", -1));
  RILL_ASSIGN(int64_t batch, info.intOr("batch", 1, 1));
  if (batch != 1) {
    return makeError(ErrorCode::CallUnsupported, "generate",
                     format("the artifact has batch %lld; generation runs one "
                            "sequence",
                            (long long)batch),
                     "compile with --batch-size 1");
  }
  RILL_ASSIGN(JsonField end, info.at("eos"));
  RILL_ASSIGN(decoder.ends, end.asInts());
  RILL_TRY(decoder.readMethods(manifest));
  RILL_TRY(decoder.readDraft(manifest));
  decoder.lastLogits.resize(decoder.vocab);
  return decoder;
}

/// The largest S of a method's variants.
static Result<int64_t> mostRows(const JsonField &method) {
  int64_t most = 0;
  RILL_ASSIGN(JsonField variants, method.at("variants"));
  RILL_ASSIGN(auto entries, variants.items());
  for (const JsonField &entry : entries) {
    RILL_ASSIGN(JsonField when, entry.at("when"));
    RILL_ASSIGN(JsonField range, when.at("S"));
    RILL_ASSIGN(auto bounds, range.asInts());
    most = std::max(most, bounds.empty() ? 0 : bounds.back());
  }
  return most;
}

Status Decoder::readMethods(const JsonField &manifest) {
  RILL_ASSIGN(JsonField methods, manifest.at("methods"));
  RILL_ASSIGN(auto list, methods.items());
  for (const JsonField &method : list) {
    RILL_ASSIGN(std::string name, method.stringOr("name", ""));
    if (name == "draft_verify") {
      RILL_ASSIGN(maxWidth, mostRows(method));
    }
    if (name == "step") {
      RILL_ASSIGN(drawsTokens, method.boolOr("commits", false));
    }
    if (name != "text_decoder") {
      continue;
    }
    RILL_ASSIGN(JsonField inputs, method.at("inputs"));
    RILL_ASSIGN(auto signatures, inputs.items());
    RILL_ASSIGN(std::string type, signatures.at(0).stringOr("dtype", "f32"));
    elementType = type == "bf16" ? RILL_BF16 : RILL_F32;
    elementSize = type == "bf16" ? 2 : 4;
    RILL_ASSIGN(chunkRows, mostRows(method));
  }
  return {};
}

/// Methods without the manifest's `draft` draft nothing.
Status Decoder::readDraft(const JsonField &manifest) {
  auto draft = manifest.findValue("draft");
  if (!draft || maxWidth < 2) {
    maxWidth = 1;
    return {};
  }
  RILL_ASSIGN(JsonField mask, draft->at("mask_token_id"));
  RILL_ASSIGN(maskToken, mask.asInt(0, vocab - 1));
  maxWidth = std::min(maxWidth, kMaxVerifyWidth);
  positions.reserve(maxWidth);
  ids.reserve(maxWidth);
  blockLogits.resize(maxWidth * vocab);
  embeds.resize(maxWidth * rowBytes());
  return {};
}

Status Decoder::embed(std::span<const int64_t> tokens, uint8_t *rows) {
  for (size_t done = 0; done < tokens.size();) {
    size_t count =
        std::min(tokens.size() - done, static_cast<size_t>(chunkRows));
    rill_tensor input =
        makeTensor(tokens.data() + done, count * sizeof(int64_t), RILL_I64,
                   {1, static_cast<int64_t>(count)});
    rill_tensor output = makeTensor(rows + done * rowBytes(),
                                    count * rowBytes(), elementType, {});
    RILL_TRY(statusFromC(
        rill_invoke(session, "token_embedding", &input, 1, &output, 1)));
    done += count;
  }
  return {};
}

static void fillPositions(std::vector<int64_t> &positions, int64_t first,
                          int64_t count) {
  positions.resize(count);
  for (int64_t s = 0; s < count; ++s) {
    positions[s] = first + s;
  }
}

Status Decoder::decode(const uint8_t *rows, int64_t count, int64_t first,
                       bool context) {
  fillPositions(positions, first, count);
  rill_tensor inputs[] = {
      makeTensor(rows, count * rowBytes(), elementType, {1, count, width}),
      makeTensor(positions.data(), count * sizeof(int64_t), RILL_I64,
                 {1, count})};
  rill_tensor output = makeTensor(
      lastLogits.data(), lastLogits.size() * sizeof(float), RILL_F32, {});
  return statusFromC(rill_invoke(session,
                                 context ? "draft_prefill" : "text_decoder",
                                 inputs, 2, &output, 1));
}

Status Decoder::plainStep(std::span<const int64_t> history, bool context) {
  embeds.resize(std::max(embeds.size(), rowBytes()));
  RILL_TRY(embed(history.last(1), embeds.data()));
  return decode(embeds.data(), 1, static_cast<int64_t>(history.size()) - 1,
                context);
}

Status Decoder::prepareSteps(const Sampler &sampler,
                             std::span<const int64_t> history) {
  const SamplingParams &params = sampler.params();
  rill_draw_options sampling = {sizeof(rill_draw_options),
                                params.temperature,
                                params.topK,
                                params.topP,
                                params.minP,
                                params.repeatPenalty,
                                params.seed};
  RILL_TRY(statusFromC(rill_session_set_draw(session, &sampling)));
  // The last id has no row yet; the first step feeds it.
  auto rows = static_cast<int64_t>(history.size()) - 1;
  RILL_TRY(
      statusFromC(rill_session_set_next(session, 0, history.back(), rows)));
  return statusFromC(rill_session_set_ids(session, 0, 0, history.data(),
                                          static_cast<size_t>(rows)));
}

Result<int64_t> Decoder::step() {
  int64_t token = 0;
  rill_tensor output = makeTensor(&token, sizeof(token), RILL_I64, {});
  RILL_TRY(statusFromC(rill_invoke(session, "step", nullptr, 0, &output, 1)));
  return token;
}

/// `count` integers as [1,count].
static rill_tensor integers(const std::vector<int64_t> &values, int64_t count) {
  return makeTensor(values.data(), count * sizeof(int64_t), RILL_I64,
                    {1, count});
}

Status Decoder::draft(int64_t rows) {
  rill_tensor block[] = {integers(ids, rows), integers(positions, rows)};
  rill_tensor output = makeTensor(blockLogits.data(),
                                  rows * vocab * sizeof(float), RILL_F32, {});
  return statusFromC(rill_invoke(session, "draft", block, 2, &output, 1));
}

Status Decoder::speculate(const SpecOptions &spec,
                          std::span<const int64_t> history, int64_t rows,
                          SpecStats &stats) {
  auto start = static_cast<int64_t>(history.size()) - 1;
  ids.assign(rows, maskToken);
  ids[0] = history.back();
  fillPositions(positions, start, rows);
  if (spec.propose) {
    spec.propose(ids, start);
  } else {
    double begin = now();
    RILL_TRY(draft(rows));
    stats.draftSeconds += now() - begin;
    for (int64_t j = 1; j < rows; ++j) {
      ids[j] = firstLargest(
          {blockLogits.data() + j * vocab, static_cast<size_t>(vocab)});
    }
  }
  RILL_TRY(embed(ids, embeds.data()));
  rill_tensor inputs[] = {makeTensor(embeds.data(), rows * rowBytes(),
                                     elementType, {1, rows, width}),
                          integers(positions, rows)};
  rill_tensor output = makeTensor(blockLogits.data(),
                                  rows * vocab * sizeof(float), RILL_F32, {});
  double begin = now();
  RILL_TRY(
      statusFromC(rill_invoke(session, "draft_verify", inputs, 2, &output, 1)));
  stats.verifySeconds += now() - begin;
  return {};
}

Status Decoder::run(Sampler &sampler, const SpecOptions &spec,
                    std::vector<int64_t> &history, const Take &take,
                    SpecStats &stats) {
  bool speculative = spec.enabled && hasDrafter();
  WidthPolicy policy(spec, speculative ? maxWidth : 1);
  bool stepping = drawsTokens && !hasDrafter();
  auto keep = [&](int64_t id) {
    history.push_back(id);
    return take(id, static_cast<int64_t>(history.size()) - 1);
  };
  auto draw = [&](std::span<const float> row) {
    return keep(
        sampler.draw(row, history, static_cast<int64_t>(history.size())));
  };
  bool done = draw(lastLogits);
  if (stepping && !done) {
    RILL_TRY(prepareSteps(sampler, history));
  }
  while (!done) {
    // The last id has no row yet; it is the first of this step.
    auto start = static_cast<int64_t>(history.size()) - 1;
    int64_t rows = policy.next(capacity - start);
    double begin = now();
    if (rows == 1) {
      int64_t token = 0;
      if (stepping) {
        RILL_ASSIGN(token, step());
      } else {
        RILL_TRY(plainStep(history, speculative));
      }
      double seconds = now() - begin;
      policy.decoded(seconds);
      ++stats.plainSteps;
      stats.plainSeconds += seconds;
      done = stepping ? keep(token) : draw(lastLogits);
      continue;
    }
    RILL_TRY(speculate(spec, history, rows, stats));
    double seconds = now() - begin;
    int64_t length = 0;
    bool right = true;
    while (right && !done) {
      std::span<const float> row(blockLogits.data() + length * vocab,
                                 static_cast<size_t>(vocab));
      done = draw(row);
      ++length;
      right = length < rows &&
              (spec.syntheticLength ? length < spec.syntheticLength
                                    : ids[length] == history.back());
    }
    RILL_TRY(statusFromC(rill_session_rollback(session, 0, start + length)));
    policy.verified(rows, length, seconds);
    stats.add(rows, length);
  }
  return {};
}
