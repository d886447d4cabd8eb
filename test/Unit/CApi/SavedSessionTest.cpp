//===- SavedSessionTest.cpp - Sessions as bytes ---------------------------===//
//
// A loaded session goes on as the saved one does, on the CPU and on the
// emulated driver; damaged and forged bytes change nothing.
//
//===----------------------------------------------------------------------===//
#include "test/Unit/Golden/Compiled.h"

#include "rill-rt/kernel_abi.h"
#include "runtime/core/saved_session.h"

using namespace rill;

namespace {
using Bytes = std::vector<uint8_t>;
constexpr const char *kBoth = "x86-64-v3,sm_90a";

/// One artifact of two targets, opened for one device; makes sessions.
struct Opened {
  Opened(const char *variant, const char *device) {
    setenv("RILL_CUDA_LIB", RILL_EMU_LIB, 0);
    rill_open_options options = {};
    options.size = sizeof(options);
    options.device = device;
    Compiled::expectOk(rill_open(Compiled::artifact(variant, kBoth).c_str(),
                                 &options, &model));
  }
  ~Opened() {
    for (rill_session *session : sessions) {
      rill_session_free(session);
    }
    rill_close(model);
  }
  rill_session *session() {
    rill_session_options options = {};
    options.size = sizeof(options);
    options.threads = 1;
    sessions.push_back(nullptr);
    Compiled::expectOk(rill_session_create(model, &options, &sessions.back()));
    return sessions.back();
  }

  rill_model *model = nullptr;
  std::vector<rill_session *> sessions;
};

Bytes save(rill_session *session) {
  size_t bytes = 0, written = 0;
  Compiled::expectOk(rill_session_save(session, nullptr, 0, &bytes));
  Bytes saved(bytes, 0xee);
  Compiled::expectOk(
      rill_session_save(session, saved.data(), saved.size(), &written));
  EXPECT_EQ(bytes, written);
  return saved;
}

/// "" when it loads, else "RILL-NNNN where: why".
std::string load(rill_session *session, const Bytes &saved) {
  rill_status error = rill_session_load(session, saved.data(), saved.size());
  std::string text;
  if (error) {
    text = "RILL-" + std::to_string(rill_error_code(error)) + " " +
           rill_error_where(error) + ": " + rill_error_why(error);
  }
  rill_error_free(error);
  return text;
}

const golden::Ids kPrompt = {1, 9, 17, 33, 5, 21, 2};

/// Feeds the prompt and prepares steps that draw at temperature 0.9.
void feed(rill_session *session) {
  auto backend = Compiled::backend(session);
  backend.decode(backend.embed(kPrompt), 0);
  rill_draw_options draw = {sizeof(draw), 0.9, 30, 0.95, 0, 1.3, 77};
  Compiled::expectOk(rill_session_set_draw(session, &draw));
  auto rows = static_cast<int64_t>(kPrompt.size());
  Compiled::expectOk(rill_session_set_next(session, 0, 13, rows));
  Compiled::expectOk(rill_session_set_ids(session, 0, 0, kPrompt.data(), rows));
}

std::vector<int64_t> steps(rill_session *session, int count) {
  std::vector<int64_t> tokens(count, -1);
  for (int64_t &token : tokens) {
    rill_tensor output = rt::makeTensor(&token, 8, RILL_I64, {});
    Compiled::expectOk(rill_invoke(session, "step", nullptr, 0, &output, 1));
  }
  return tokens;
}

class SavedSession : public testing::TestWithParam<const char *> {};

/// Changes the saved bytes and makes the hash right again.
template <typename Change>
Bytes forged(Bytes saved, Change change) {
  change(saved);
  rt::SavedHeader header;
  header.hash = rt::savedHash(saved);
  std::memcpy(saved.data() + offsetof(rt::SavedHeader, hash), &header.hash, 8);
  return saved;
}

/// Sets control word `index` (head words, then start, token, position, written
/// of the one sequence).
Bytes withWord(const Bytes &saved, size_t index, int64_t value) {
  return forged(saved, [&](Bytes &bytes) {
    uint32_t id;
    std::memcpy(&id, bytes.data() + offsetof(rt::SavedHeader, contentIdBytes),
                sizeof(id));
    std::memcpy(bytes.data() + sizeof(rt::SavedHeader) + (id + 7) / 8 * 8 +
                    8 * index,
                &value, sizeof(value));
  });
}
} // namespace

TEST_P(SavedSession, GoesOnAsTheSavedOne) {
  Opened opened("base", GetParam());
  rill_session *first = opened.session();
  feed(first);
  auto before = steps(first, 3);
  Bytes saved = save(first);
  auto wanted = steps(first, 12);
  const Bytes end = save(first);
  // A fresh session, a used one, and the first itself.
  rill_session *used = opened.session();
  golden::run(Compiled::backend(used), golden::variants()[0], {});
  for (rill_session *session : {opened.session(), used, first}) {
    ASSERT_EQ(load(session, saved), "");
    EXPECT_EQ(rill_session_length(session, 0), 10);
    EXPECT_EQ(save(session), saved);
    EXPECT_EQ(steps(session, 12), wanted);
    EXPECT_EQ(save(session), end);
  }
  // Nor did saving change the session: one that is never saved goes on so.
  rill_session *other = opened.session();
  feed(other);
  EXPECT_EQ(steps(other, 3), before);
  EXPECT_EQ(steps(other, 12), wanted);
}

// What a caller feeds by itself gets the same bits, too, and rollback knows
// how far rows were written.
TEST_P(SavedSession, LogitsAndRollback) {
  Opened opened("base", GetParam());
  rill_session *first = opened.session(), *second = opened.session();
  auto one = Compiled::backend(first), two = Compiled::backend(second);
  one.decode(one.embed(kPrompt), 0);
  Compiled::expectOk(rill_session_rollback(first, 0, 5));
  ASSERT_EQ(load(second, save(first)), "");
  EXPECT_EQ(rill_session_length(second, 0), 5);
  EXPECT_EQ(one.decode(one.embed({3, 4}), 5), two.decode(two.embed({3, 4}), 5));
  Compiled::expectOk(rill_session_rollback(second, 0, 2));
}

TEST_P(SavedSession, GrowsWithTheLength) {
  Opened opened("base", GetParam());
  rill_session *session = opened.session();
  size_t empty = save(session).size();
  feed(session);
  size_t seven = save(session).size();
  steps(session, 7);
  EXPECT_EQ(save(session).size() - seven, seven - empty);
  EXPECT_GT(seven, empty);
  size_t bytes = 0;
  Bytes small(seven);
  rill_status error =
      rill_session_save(session, small.data(), small.size(), &bytes);
  EXPECT_EQ(rill_error_code(error), 3106);
  rill_error_free(error);
  EXPECT_EQ(bytes, save(session).size());
}

TEST_P(SavedSession, DamagedBytesChangeNothing) {
  Opened opened("base", GetParam());
  rill_session *first = opened.session(), *session = opened.session();
  feed(first);
  Bytes saved = save(first);
  feed(session);
  steps(session, 2);
  const Bytes present = save(session);
  for (size_t size = 0; size < saved.size(); size += size < 400 ? 1 : 997) {
    Bytes cut(saved.begin(), saved.begin() + size);
    ASSERT_EQ(load(session, cut).substr(0, 9), "RILL-3205") << size;
  }
  for (size_t at = 0; at < saved.size(); ++at) {
    saved[at] ^= 1 << at % 8;
    ASSERT_EQ(load(session, saved).substr(0, 9), "RILL-3205") << at;
    saved[at] ^= 1 << at % 8;
  }
  Bytes longer = saved;
  longer.push_back(0);
  EXPECT_EQ(load(session, longer).substr(0, 9), "RILL-3205");
  EXPECT_EQ(save(session), present);
  EXPECT_EQ(load(session, saved), "");
}

// The hash proves no origin: whoever makes it right still cannot set what no
// caller could.
TEST_P(SavedSession, ForgedBytesChangeNothing) {
  Opened opened("base", GetParam());
  rill_session *session = opened.session();
  feed(session);
  const Bytes saved = save(session);
  constexpr size_t kStart = RILL_RT_CONTROL_HEAD_WORDS;
  struct Case {
    size_t word;
    int64_t value;
    const char *why;
  } cases[] = {
      {kStart, 33, "length 33 of 7 rows"},
      {kStart, -1, "length -1"},
      {kStart, 6, "belong to its lengths"},
      {kStart, INT64_MAX, "length"},
      {kStart + 1, 40, "40 is outside 0..39"},
      {kStart + 1, -1, "-1 is outside"},
      {kStart + 2, -1, "next position -1"},
      {kStart + 3, 6, "length 7 of 6 rows"},
      {kStart + 3, 33, "states hold 32"},
      {RILL_RT_CONTROL_BATCH, 2, "control words"},
      {RILL_RT_CONTROL_STEP, -1, "control words"},
      {RILL_RT_CONTROL_TOP_K, -1, "top-k"},
      {RILL_RT_CONTROL_TEMPERATURE, -1, "temperature"},
      {RILL_RT_CONTROL_REPEAT_PENALTY, 0, "repeat-penalty"},
      {RILL_RT_CONTROL_HEAD_WORDS - 1, 1, "control words"},
  };
  for (const Case &entry : cases) {
    std::string why = load(session, withWord(saved, entry.word, entry.value));
    EXPECT_NE(why.find(entry.why), std::string::npos)
        << entry.word << ", " << entry.value << ": " << why;
  }
  auto header = [&](size_t at, uint8_t value) {
    return load(session,
                forged(saved, [&](Bytes &bytes) { bytes[at] = value; }));
  };
  EXPECT_NE(header(0, 'X').find("RILLSESS"), std::string::npos);
  EXPECT_NE(header(8, 2).find("version 2"), std::string::npos);
  EXPECT_NE(header(15, 255).find("content id"), std::string::npos);
  EXPECT_NE(header(32, 2).find("states of this model"), std::string::npos);
  EXPECT_EQ(save(session), saved);
  EXPECT_EQ(load(session, withWord(saved, kStart + 1, 39)), "");
}

TEST_P(SavedSession, OfAnotherModelIsRefused) {
  Opened one("base", GetParam()), other("l4", GetParam());
  rill_session *session = other.session();
  feed(session);
  const Bytes present = save(session);
  std::string why = load(session, save(one.session()));
  EXPECT_EQ(why.substr(0, 9), "RILL-3204") << why;
  EXPECT_NE(why.find("saved with the artifact sha256:"), std::string::npos);
  EXPECT_EQ(save(session), present);
}

INSTANTIATE_TEST_SUITE_P(Devices, SavedSession, testing::Values("cpu", "cuda"));

// States have one layout: what was saved on one device goes on on the other.
TEST(SavedSessions, MoveBetweenDevices) {
  Opened cpu("base", "cpu"), cuda("base", "cuda");
  rill_session *here = cpu.session(), *there = cuda.session();
  auto one = Compiled::backend(here), two = Compiled::backend(there);
  one.decode(one.embed(kPrompt), 0);
  Bytes saved = save(here);
  ASSERT_EQ(load(there, saved), "");
  EXPECT_EQ(save(there), saved);
  auto wanted = one.decode(one.embed({8}), 7);
  auto got = two.decode(two.embed({8}), 7);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-5f);
  }
}
