//===- session_probe.cpp - Sessions, threads and one model ----------------===//
//
// session_probe MODEL: greedy tokens of two prompts alone, with other thread
// counts, with two sessions in two threads at once, and with one saved and
// loaded; all must be equal.
// Without the compiler, so that it can be built with any sanitizer.
//
//===----------------------------------------------------------------------===//
#include "rill.h"
#include "runtime/core/c_helpers.h"
#include "runtime/core/manifest.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

using namespace rill;

namespace {
constexpr int kSteps = 24, kRounds = 5;

/// Ends the program with the error, if there is one.
void check(rill_status error) {
  if (error) {
    std::fprintf(stderr, "session_probe: %s: %s: %s\n", rill_error_what(error),
                 rill_error_where(error), rill_error_why(error));
    std::exit(1);
  }
}

/// Sizes of the model.
struct Sizes {
  int64_t hidden = 0, vocab = 0;
  bool bf16 = false;
};

Sizes sizesOf(const rill_model *model) {
  size_t bytes;
  const char *text = rill_manifest(model, &bytes);
  auto manifest = rt::parseManifest({text, bytes}, "manifest");
  const rt::Method *method =
      manifest.ok() ? manifest->method("text_decoder") : nullptr;
  if (!method || manifest->batch != 1) {
    std::fprintf(stderr, "session_probe: no text_decoder of batch 1\n");
    std::exit(1);
  }
  return {method->inputs[0].shape[2].program[1],
          method->outputs[0].shape[1].program[1],
          method->inputs[0].type == rt::ElementType::BF16};
}

/// Feeds `ids` at `position`; the logits of the last row.
std::vector<float> feed(rill_session *session, const Sizes &sizes,
                        const std::vector<int64_t> &ids, int64_t position) {
  auto rows = static_cast<int64_t>(ids.size());
  int32_t dtype = sizes.bf16 ? RILL_BF16 : RILL_F32;
  std::vector<uint8_t> embeds(rows * sizes.hidden * (sizes.bf16 ? 2 : 4));
  rill_tensor words = rt::makeTensor(ids.data(), rows * 8, RILL_I64, {1, rows});
  rill_tensor middle = rt::makeTensor(embeds.data(), embeds.size(), dtype, {});
  check(rill_invoke(session, "token_embedding", &words, 1, &middle, 1));
  std::vector<int64_t> positions;
  for (int64_t s = 0; s < rows; ++s) {
    positions.push_back(position + s);
  }
  rill_tensor inputs[] = {
      rt::makeTensor(embeds.data(), embeds.size(), dtype,
                     {1, rows, sizes.hidden}),
      rt::makeTensor(positions.data(), rows * 8, RILL_I64, {1, rows})};
  std::vector<float> logits(sizes.vocab);
  rill_tensor output =
      rt::makeTensor(logits.data(), logits.size() * 4, RILL_F32, {});
  check(rill_invoke(session, "text_decoder", inputs, 2, &output, 1));
  return logits;
}

using Session = std::unique_ptr<rill_session, void (*)(rill_session *)>;

Session makeSession(const rill_model *model, int threads) {
  rill_session_options options = {};
  options.size = sizeof(options);
  options.threads = threads;
  rill_session *session = nullptr;
  check(rill_session_create(model, &options, &session));
  return {session, rill_session_free};
}

/// What a prompt gives: the logits of every step, tokens first.
struct Answer {
  std::vector<int64_t> tokens;
  std::vector<float> logits;
  bool operator==(const Answer &) const = default;
};

/// The prompt of seed 1 is longer than two rings of a short convolution, so
/// that rows of one call share their slots.
Answer generate(const rill_model *model, int threads, int64_t seed) {
  Sizes sizes = sizesOf(model);
  Session session = makeSession(model, threads);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 5 + 65 * seed; ++i) {
    ids.push_back((7 * i + 3 * seed + 1) % sizes.vocab);
  }
  Answer answer;
  for (int64_t position = 0, step = 0; step < kSteps; ++step) {
    std::vector<float> logits = feed(session.get(), sizes, ids, position);
    position += static_cast<int64_t>(ids.size());
    ids = {std::max_element(logits.begin(), logits.end()) - logits.begin()};
    answer.tokens.push_back(ids[0]);
    answer.logits.insert(answer.logits.end(), logits.begin(), logits.end());
  }
  return answer;
}

rill_model *open(const char *path) {
  rill_model *model = nullptr;
  check(rill_open(path, nullptr, &model));
  return model;
}

/// Greedy logits of `kSteps` tokens behind `token`, fed at `position`.
std::vector<float> goOn(rill_session *session, const Sizes &sizes,
                        int64_t token, int64_t position) {
  std::vector<float> all;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<float> logits = feed(session, sizes, {token}, position++);
    token = std::max_element(logits.begin(), logits.end()) - logits.begin();
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

/// How many damaged or cut copies load; `saved` is as before afterwards.
int loadDamaged(rill_session *session, std::vector<uint8_t> &saved) {
  int loaded = 0;
  auto tryBytes = [&](size_t bytes) {
    rill_status error = rill_session_load(session, saved.data(), bytes);
    loaded += error == nullptr;
    rill_error_free(error);
  };
  for (size_t at = 0; at < saved.size(); at += 1 + at / 64) {
    saved[at] ^= 1;
    tryBytes(saved.size());
    saved[at] ^= 1;
    tryBytes(at);
  }
  return loaded;
}

/// Saves behind a prompt, goes on, and does so again in another session.
int compareSaved(const rill_model *model) {
  Sizes sizes = sizesOf(model);
  Session first = makeSession(model, 2), second = makeSession(model, 3);
  feed(first.get(), sizes, {1, 2, 3, 4, 5}, 0);
  size_t bytes = 0;
  check(rill_session_save(first.get(), nullptr, 0, &bytes));
  std::vector<uint8_t> saved(bytes);
  check(rill_session_save(first.get(), saved.data(), bytes, &bytes));
  int damaged = loadDamaged(second.get(), saved);
  check(rill_session_load(second.get(), saved.data(), bytes));
  int wrong = goOn(first.get(), sizes, 6, 5) != goOn(second.get(), sizes, 6, 5);
  std::printf("a session saved and loaded: %s, damaged ones: %s\n",
              wrong ? "DIFFERS" : "equal bits", damaged ? "LOADED" : "refused");
  return wrong + damaged;
}

/// Counts what differs from the answers given alone.
int compareAll(const char *path) {
  rill_model *model = open(path);
  const Answer alone[] = {generate(model, 1, 0), generate(model, 1, 1)};
  int wrong = 0;
  for (int threads : {2, 3, 5}) {
    wrong += generate(model, threads, 0) != alone[0];
    wrong += generate(model, threads, 1) != alone[1];
  }
  std::printf("thread counts 1, 2, 3, 5: %s\n",
              wrong ? "DIFFER" : "equal bits");
  int apart = 0;
  for (int round = 0; round < kRounds; ++round) {
    Answer got[2];
    std::thread second([&] { got[1] = generate(model, 2, 1); });
    got[0] = generate(model, 2, 0);
    second.join();
    apart += (got[0] != alone[0]) + (got[1] != alone[1]);
  }
  std::printf("two sessions in two threads, %d rounds: %s\n", kRounds,
              apart ? "DIFFER" : "the tokens they give alone");
  // Models opened, used and closed by several threads at once.
  int opened = 0;
  std::vector<std::thread> team;
  std::vector<int> bad(3, 0);
  for (int i = 0; i < 3; ++i) {
    team.emplace_back([&, i] {
      rill_model *own = open(path);
      bad[i] = generate(own, 1, i % 2) != alone[i % 2];
      rill_close(own);
    });
  }
  for (int i = 0; i < 3; ++i) {
    team[i].join();
    opened += bad[i];
  }
  std::printf("three models in three threads: %s\n",
              opened ? "DIFFER" : "equal bits");
  int saved = compareSaved(model);
  rill_close(model);
  return wrong + apart + opened + saved;
}
} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: session_probe MODEL\n");
    return 2;
  }
  return compareAll(argv[1]) ? 1 : 0;
}
