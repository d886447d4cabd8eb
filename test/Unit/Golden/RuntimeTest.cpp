//===- RuntimeTest.cpp - Sessions and damaged artifacts -------------------===//
//
// What the runtime promises beside numbers: states keep their addresses,
// sessions are independent, rollback, limits, and that no damaged file opens.
//
//===----------------------------------------------------------------------===//
#include "Compiled.h"

#include "rill-rt/artifact_format.h"

#include <cstring>
#include <fstream>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace rill;

namespace {
const golden::Variant &base() { return golden::variants()[0]; }

std::vector<char> readAll(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Opens the first `size` bytes; returns the error's code, 0 when they open.
int openCode(const std::vector<char> &bytes, size_t size) {
  rill_model *model = nullptr;
  rill_open_options options = {};
  options.size = sizeof(options);
  options.inspect_only = 1;
  rill_status error = rill_open_memory(bytes.data(), size, &options, &model);
  int code = rill_error_code(error);
  EXPECT_EQ(code == 0, model != nullptr);
  if (error) {
    EXPECT_STRNE(rill_error_what(error), "");
    EXPECT_STRNE(rill_error_why(error), "");
  }
  rill_error_free(error);
  rill_close(model);
  return code;
}

int openCode(const std::vector<char> &bytes) {
  return openCode(bytes, bytes.size());
}
} // namespace

// R7: reset then replay gives identical logits; without reset they differ.
TEST(Runtime, ResetThenReplay) {
  Compiled compiled("base", "x86-64-v3", 2);
  auto first = golden::run(compiled.backend(), base(), {});
  auto again = golden::run(compiled.backend(), base(), {});
  EXPECT_EQ(first, again);
  auto without = compiled.backend();
  without.reset = [] {};
  EXPECT_NE(first[0], golden::run(without, base(), {})[0]);
}

TEST(Runtime, ThreadCountChangesNothing) {
  Compiled one("base", "x86-64-v3", 1), three("base", "x86-64-v3", 3);
  EXPECT_EQ(golden::run(one.backend(), base(), {}),
            golden::run(three.backend(), base(), {}));
}

// A row of the small-M family is the same however the prompt is cut.
TEST(Runtime, ChunksGiveTheSameBits) {
  Compiled compiled("base", "x86-64-v3", 2);
  auto whole = golden::run(compiled.backend(), base(), {1, 1, 1, 1, 1, 1, 1});
  EXPECT_EQ(whole, golden::run(compiled.backend(), base(), {2, 3}));
}

TEST(Runtime, TwoSessionsInTwoThreads) {
  Compiled compiled("base", "x86-64-v3", 1);
  auto alone = golden::run(compiled.backend(), base(), {});
  std::vector<golden::Floats> results[2];
  std::vector<std::thread> threads;
  for (auto &result : results) {
    threads.emplace_back([&] {
      rill_session *session = nullptr;
      Compiled::expectOk(
          rill_session_create(compiled.model, nullptr, &session));
      result = golden::run(compiled.backend(session), base(), {});
      rill_session_free(session);
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(results[0], alone);
  EXPECT_EQ(results[1], alone);
}

// After a rollback the session continues as if the rows had never been.
// Two models are open at once, and each runs its own code.
TEST(Runtime, TwoModelsRunTheirOwnCode) {
  Compiled one("base", "x86-64-v3", 1), other("l4", "x86-64-v3", 1);
  const golden::Variant *four = nullptr;
  for (const golden::Variant &entry : golden::variants()) {
    four = std::string(entry.name) == "l4" ? &entry : four;
  }
  ASSERT_NE(four, nullptr);
  for (int round = 0; round < 2; ++round) {
    auto first =
        golden::compare(golden::run(one.backend(), base(), {}), base());
    auto second =
        golden::compare(golden::run(other.backend(), *four, {}), *four);
    EXPECT_LE(first.largest, 1e-5f);
    EXPECT_LE(second.largest, 1e-5f);
  }
}

TEST(Runtime, RollbackEqualsAFreshSession) {
  Compiled compiled("base", "x86-64-v3", 2);
  auto backend = compiled.backend();
  golden::run(backend, base(), {});
  auto wanted = golden::run(backend, base(), {});
  // The prompt has 7 rows and three were decoded; go back to the prompt.
  Compiled::expectOk(rill_session_rollback(compiled.session, 0, 7));
  EXPECT_EQ(rill_session_length(compiled.session, 0), 7);
  EXPECT_EQ(backend.decode(backend.embed({13}), 7), wanted[1]);
}

TEST(Runtime, RollbackBeyondTheRingIsRefused) {
  Compiled compiled("base", "x86-64-v3", 2);
  auto backend = compiled.backend();
  golden::run(backend, base(), {});
  golden::Ids ids(16, 9);
  backend.decode(backend.embed(ids), 10);
  auto fails = [&](int64_t length, int code) {
    rill_status error = rill_session_rollback(compiled.session, 0, length);
    EXPECT_EQ(rill_error_code(error), code) << length;
    rill_error_free(error);
  };
  // 26 rows written, a ring of 32 with history 2.
  ids.assign(6, 9);
  backend.decode(backend.embed(ids), 26);
  fails(1, 6004);
  fails(33, 3106);
  fails(-1, 3106);
  fails(2, 0);
}

// More rows than the context are an error and change nothing.
TEST(Runtime, ContextLimit) {
  Compiled compiled("base", "x86-64-v3", 2);
  auto backend = compiled.backend();
  golden::run(backend, base(), {});
  golden::Ids positions(32, 0);
  golden::Floats embeds(32 * 24, 0.0f), logits(40);
  rill_tensor inputs[] = {
      rt::makeTensor(embeds.data(), embeds.size() * 4, RILL_F32, {1, 32, 24}),
      rt::makeTensor(positions.data(), 32 * 8, RILL_I64, {1, 32})};
  rill_tensor output = rt::makeTensor(logits.data(), 160, RILL_F32, {});
  rill_status error =
      rill_invoke(compiled.session, "text_decoder", inputs, 2, &output, 1);
  EXPECT_EQ(rill_error_code(error), 6003);
  rill_error_free(error);
  EXPECT_EQ(rill_session_length(compiled.session, 0), 10);
}

TEST(Runtime, BadCallsAreRefused) {
  Compiled compiled("base", "x86-64-v3", 2);
  golden::Floats out(24 * 2);
  golden::Ids ids = {1, 2};
  auto call = [&](const char *method, rill_tensor input, rill_tensor output) {
    rill_status error =
        rill_invoke(compiled.session, method, &input, 1, &output, 1);
    int code = rill_error_code(error);
    rill_error_free(error);
    return code;
  };
  auto input = rt::makeTensor(ids.data(), 16, RILL_I64, {1, 2});
  auto output = rt::makeTensor(out.data(), out.size() * 4, RILL_F32, {});
  EXPECT_EQ(call("token_embedding", input, output), 0);
  EXPECT_EQ(call("no_such_method", input, output), 3106);
  auto wrong = input;
  wrong.dtype = RILL_F32;
  EXPECT_EQ(call("token_embedding", wrong, output), 3106);
  wrong = input;
  wrong.bytes = 8;
  EXPECT_EQ(call("token_embedding", wrong, output), 3106);
  wrong = input;
  wrong.shape[0] = 2;
  EXPECT_EQ(call("token_embedding", wrong, output), 3106);
  wrong = input;
  wrong.shape[1] = 1 << 20;
  EXPECT_EQ(call("token_embedding", wrong, output), 4201);
  wrong = output;
  wrong.bytes = 8;
  EXPECT_EQ(call("token_embedding", input, wrong), 3106);
  ids[1] = 40;
  EXPECT_EQ(call("token_embedding", input, output), 3106);
  ids[1] = -1;
  EXPECT_EQ(call("token_embedding", input, output), 3106);
}

namespace {
/// Creates a session of `model` in a child that may map `room` bytes more than
/// now: 0 when it is created, 6001 when memory is lacking, else another number.
int createWith(const rill_model *model, size_t room) {
  std::ifstream pages("/proc/self/statm");
  size_t mapped = 0;
  pages >> mapped;
  pid_t child = fork();
  if (child == 0) {
    rlimit limit = {mapped * 4096 + room, mapped * 4096 + room};
    setrlimit(RLIMIT_AS, &limit);
    rill_session_options options = {};
    options.size = sizeof(options);
    options.threads = 3;
    rill_session *session = nullptr;
    rill_status error = rill_session_create(model, &options, &session);
    _exit(error ? (rill_error_code(error) == 6001 ? 2 : 3) : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) {
    return -WTERMSIG(status);
  }
  return WEXITSTATUS(status) == 2 ? 6001 : WEXITSTATUS(status);
}
} // namespace

// R10: whatever mapping fails (states, scratch, stacks), creation reports it:
// the room grows page by page.
TEST(Runtime, SessionWithoutMemory) {
  Compiled compiled("base", "x86-64-v3", 1);
  size_t refused = 0, room = 0;
  int result = 6001;
  for (; result == 6001 && room < size_t(64) << 20;
       room += 4096 << refused / 64) {
    result = createWith(compiled.model, room);
    refused += result == 6001;
  }
  EXPECT_EQ(result, 0) << "with room for " << room << " bytes";
  EXPECT_GT(refused, 3u);
}

namespace {
/// One short convolution layer of width 8: a small artifact of every kind of
/// section.
std::vector<char> smallArtifact() {
  constexpr const char *kConfig = R"({
    "architectures": ["Lfm2ForCausalLM"], "model_type": "lfm2",
    "dtype": "bfloat16", "vocab_size": 16, "hidden_size": 8,
    "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
    "num_key_value_heads": 1, "max_position_embeddings": 16,
    "conv_L_cache": 3, "block_auto_adjust_ff_dim": false,
    "layer_types": ["conv"], "bos_token_id": 1, "eos_token_id": 7,
    "pad_token_id": 0, "tie_word_embeddings": true})";
  std::string folder =
      (std::filesystem::temp_directory_path() / "rill-small-XXXXXX").string();
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/small.json") << kConfig;
  std::string command = "/usr/bin/python3 " RILL_SOURCE_ROOT
                        "/tools/dev/make_checkpoint --config " +
                        folder + "/small.json -o " + folder + "/checkpoint";
  EXPECT_EQ(std::system(command.c_str()), 0);
  CompileOptions options;
  options.input = folder + "/checkpoint";
  options.output = folder + "/small.rill";
  options.import.maxSeqLen = 16;
  options.pipeline.targets = {"x86-64-v3"};
  auto status = compile(options, [](const std::string &) {});
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.get().render());
  std::vector<char> bytes = readAll(options.output);
  std::filesystem::remove_all(folder);
  return bytes;
}
} // namespace

// Every single bit of all but the weights: header, table, manifest, plans,
// code, assets and the padding between them.
TEST(Runtime, EveryBitFlipIsRefused) {
  std::vector<char> bytes = smallArtifact();
  ASSERT_EQ(openCode(bytes), 0);
  rill_rt_header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::vector<rill_rt_section> table(header.section_count);
  std::memcpy(table.data(), bytes.data() + sizeof(header),
              table.size() * sizeof(table[0]));
  auto kindAt = [&](size_t at) -> uint32_t {
    for (const rill_rt_section &section : table) {
      if (at >= section.offset && at < section.offset + section.length) {
        return section.kind;
      }
    }
    return 0;
  };
  size_t head = header.manifest_offset + header.manifest_length, flips = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    uint32_t kind = at < head ? RILL_RT_SECTION_PLAN : kindAt(at);
    // Weights are hashed with --verify full alone; of padding, which must be
    // zero, one bit of each byte.
    int step = kind == 0 ? 8 : 1;
    for (int bit = static_cast<int>(at % step);
         bit < (kind == RILL_RT_SECTION_WEIGHTS ? 0 : 8); bit += step) {
      bytes[at] ^= static_cast<char>(1 << bit);
      ASSERT_NE(openCode(bytes), 0) << "byte " << at << " bit " << bit;
      bytes[at] ^= static_cast<char>(1 << bit);
      ++flips;
    }
  }
  EXPECT_GT(flips, 200'000u);
}

// Every length, and one byte too many.
TEST(Runtime, EveryTruncationIsRefused) {
  std::vector<char> bytes = smallArtifact();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_NE(openCode(bytes, size), 0) << size;
  }
  bytes.push_back(0);
  EXPECT_NE(openCode(bytes), 0);
}
