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
#include <thread>

using namespace rill;

namespace {
const golden::Variant &base() { return golden::variants()[0]; }

std::vector<char> readAll(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Opens bytes; returns the error's code, 0 when they open.
int openCode(const std::vector<char> &bytes) {
  rill_model *model = nullptr;
  rill_open_options options = {};
  options.size = sizeof(options);
  options.inspect_only = 1;
  rill_status error =
      rill_open_memory(bytes.data(), bytes.size(), &options, &model);
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

// R16: more rows than the context are an error and change nothing.
TEST(Runtime, ContextLimit) {
  Compiled compiled("base", "x86-64-v3", 2);
  auto backend = compiled.backend();
  golden::run(backend, base(), {});
  golden::Ids positions(32, 0);
  golden::Floats embeds(32 * 24, 0.0f), logits(40);
  rill_tensor inputs[] = {
      Compiled::tensor(embeds.data(), embeds.size() * 4, RILL_F32, {1, 32, 24}),
      Compiled::tensor(positions.data(), 32 * 8, RILL_I64, {1, 32})};
  rill_tensor output = Compiled::tensor(logits.data(), 160, RILL_F32, {});
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
  auto input = Compiled::tensor(ids.data(), 16, RILL_I64, {1, 2});
  auto output = Compiled::tensor(out.data(), out.size() * 4, RILL_F32, {});
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

// Bit flips are refused: all of header and table; of manifest, plans, assets
// and code, which are hashed alike, one bit of every 7th byte or of 400 places.
TEST(Runtime, BitFlipsAreRefused) {
  Compiled compiled("base", "x86-64-v3", 1);
  std::vector<char> bytes = readAll(compiled.path);
  ASSERT_EQ(openCode(bytes), 0);
  rill_rt_header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::vector<rill_rt_section> table(header.section_count);
  std::memcpy(table.data(), bytes.data() + sizeof(header),
              table.size() * sizeof(table[0]));
  auto flip = [&](size_t at, int bit) {
    bytes[at] ^= static_cast<char>(1 << bit);
    EXPECT_NE(openCode(bytes), 0) << "byte " << at << " bit " << bit;
    bytes[at] ^= static_cast<char>(1 << bit);
  };
  size_t head = header.manifest_offset;
  for (size_t at = 0; at < head; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      flip(at, bit);
    }
  }
  for (size_t at = head; at < head + header.manifest_length; at += 7) {
    flip(at, static_cast<int>(at % 8));
  }
  for (const rill_rt_section &section : table) {
    if (section.kind == RILL_RT_SECTION_WEIGHTS) {
      continue;
    }
    size_t step = std::max<size_t>(1, section.length / 400);
    for (size_t at = 0; at < section.length; at += step) {
      flip(section.offset + at, static_cast<int>(at % 8));
    }
  }
}

// About a thousand lengths, and one byte too many.
TEST(Runtime, TruncationsAreRefused) {
  Compiled compiled("base", "x86-64-v3", 1);
  std::vector<char> bytes = readAll(compiled.path);
  for (size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 997) {
    EXPECT_NE(openCode({bytes.begin(), bytes.begin() + size}), 0) << size;
  }
  bytes.push_back(0);
  EXPECT_NE(openCode(bytes), 0);
}
