//===- AllocationTest.cpp - Whose memory, and when ------------------------===//
//
// rill_set_allocator, and that a session's calls allocate nothing: operator
// new counts, in this program and in the runtime that is linked into it.
//
//===----------------------------------------------------------------------===//
#include "test/Unit/Golden/Compiled.h"

#include <atomic>
#include <cstdlib>

using namespace rill;

static std::atomic<int64_t> allocations{0};

void *operator new(std::size_t bytes) {
  ++allocations;
  if (void *memory = std::malloc(bytes ? bytes : 1)) {
    return memory;
  }
  std::abort();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {
/// Counts what it gives and takes back.
struct Counter {
  int64_t calls = 0, bytes = 0;
  bool refuses = false, misaligned = false;

  static void *allocate(void *user, size_t bytes, size_t align) {
    auto *self = static_cast<Counter *>(user);
    if (self->refuses) {
      return nullptr;
    }
    size_t room = (bytes + align - 1) / align * align + align;
    auto *memory = static_cast<uint8_t *>(std::aligned_alloc(align, room));
    // Rill must not rely on what it finds.
    std::memset(memory, 0xa5, room);
    ++self->calls;
    self->bytes += bytes;
    return self->misaligned ? memory + 64 : memory;
  }
  static void release(void *user, void *memory, size_t bytes) {
    auto *self = static_cast<Counter *>(user);
    self->bytes -= bytes;
    std::free(reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(memory) &
                                       ~uintptr_t(4095)));
  }
  rill_status install() {
    rill_allocator allocator = {sizeof(allocator), allocate, release, this};
    return rill_set_allocator(&allocator);
  }
};

std::vector<uint8_t> saved(rill_session *session) {
  size_t bytes = 0;
  Compiled::expectOk(rill_session_save(session, nullptr, 0, &bytes));
  std::vector<uint8_t> data(bytes);
  Compiled::expectOk(
      rill_session_save(session, data.data(), data.size(), &bytes));
  return data;
}

/// Puts the system's pages back.
struct Restore {
  ~Restore() { Compiled::expectOk(rill_set_allocator(nullptr)); }
};
} // namespace

TEST(Allocator, GivesAllOfASession) {
  Counter counter;
  Compiled compiled("base", "x86-64-v3", 2);
  {
    Restore restore;
    Compiled::expectOk(counter.install());
    rill_session_options options = {};
    options.size = sizeof(options);
    options.threads = 2;
    rill_session *session = nullptr;
    Compiled::expectOk(rill_session_create(compiled.model, &options, &session));
    EXPECT_EQ(counter.bytes, int64_t(rill_session_bytes(session)));
    // Zeroed, as pages of the system are.
    EXPECT_EQ(saved(session), saved(compiled.session));
    int64_t calls = counter.calls;
    auto base = golden::variants()[0];
    EXPECT_EQ(golden::run(Compiled::backend(session), base, {}),
              golden::run(compiled.backend(), base, {}));
    EXPECT_EQ(counter.calls, calls);
    // It goes back to where it came from, whoever is asked now.
    Compiled::expectOk(rill_set_allocator(nullptr));
    rill_session_free(session);
  }
  EXPECT_EQ(counter.bytes, 0);
  EXPECT_GT(counter.calls, 0);
}

TEST(Allocator, FailuresAreReported) {
  Compiled compiled("base", "x86-64-v3", 1);
  for (bool refuses : {true, false}) {
    Counter counter;
    counter.refuses = refuses;
    counter.misaligned = !refuses;
    Restore restore;
    Compiled::expectOk(counter.install());
    rill_session *session = nullptr;
    rill_status error = rill_session_create(compiled.model, nullptr, &session);
    EXPECT_EQ(rill_error_code(error), 6001);
    EXPECT_NE(std::string(rill_error_why(error))
                  .find(refuses ? "answers NULL" : "begin on a page"),
              std::string::npos)
        << rill_error_why(error);
    rill_error_free(error);
    EXPECT_EQ(session, nullptr);
    EXPECT_EQ(counter.bytes, 0);
  }
  rill_allocator empty = {};
  empty.size = sizeof(empty);
  rill_status error = rill_set_allocator(&empty);
  EXPECT_EQ(rill_error_code(error), 3106);
  rill_error_free(error);
}

// No allocation after the session exists: prompts, decode steps, steps that
// draw, reset, rollback.
TEST(Allocator, CallsAllocateNothing) {
  Compiled compiled("base", "x86-64-v3", 2);
  rill_session *session = compiled.session;
  std::vector<int64_t> ids(20, 3), positions(20);
  std::vector<float> embeds(20 * 24), logits(40);
  auto call = [&](int64_t rows, int64_t first) {
    for (int64_t i = 0; i < rows; ++i) {
      positions[i] = first + i;
    }
    rill_tensor words =
        rt::makeTensor(ids.data(), rows * 8, RILL_I64, {1, rows});
    rill_tensor middle =
        rt::makeTensor(embeds.data(), rows * 96, RILL_F32, {1, rows, 24});
    rill_tensor inputs[] = {middle, rt::makeTensor(positions.data(), rows * 8,
                                                   RILL_I64, {1, rows})};
    rill_tensor output = rt::makeTensor(logits.data(), 160, RILL_F32, {});
    return !rill_invoke(session, "token_embedding", &words, 1, &middle, 1) &&
           !rill_invoke(session, "text_decoder", inputs, 2, &output, 1);
  };
  int64_t token = 0;
  rill_tensor drawn = rt::makeTensor(&token, 8, RILL_I64, {});
  int64_t before = allocations;
  bool ok = call(20, 0) && call(1, 20) && call(4, 21) &&
            !rill_session_rollback(session, 0, 22) &&
            !rill_session_set_next(session, 0, 3, 22) &&
            !rill_session_set_ids(session, 0, 0, ids.data(), 20) &&
            !rill_invoke(session, "step", nullptr, 0, &drawn, 1) &&
            !rill_invoke(session, "step", nullptr, 0, &drawn, 1) &&
            !rill_session_reset(session) && call(2, 0);
  EXPECT_EQ(allocations - before, 0);
  EXPECT_TRUE(ok);
}
