//===- plan_test.cpp - What the plan verifier refuses ---------------------===//
//
// test/data/corpora/plan/two: dispatch 0 reads input 0 and weight 0 and writes
// the arena at 0; dispatch 1 reads the arena and writes output 0. One field is
// changed at a time; hashes are right, so only the verifier can notice.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/plan.h"
#include "runtime/test/fuzz/fuzz_targets.h"
#include "runtime/test/test_util.h"

#include <cstring>

using namespace rill::rt;

namespace {
/// The records of a plan, to be changed.
struct Records {
  rill_rt_plan header;
  std::vector<rill_rt_dispatch> dispatches;
  std::vector<rill_rt_operand> operands;
  std::vector<int64_t> words;

  Records() {
    std::string bytes = rill::test::readAll(RILL_TEST_DATA "/corpora/plan/two");
    std::memcpy(&header, bytes.data(), sizeof(header));
    dispatches.resize(header.dispatch_count);
    operands.resize(header.operand_count);
    words.resize(2 * size_t(header.program_count));
    const char *at = bytes.data() + sizeof(header);
    auto take = [&](void *to, size_t size) {
      std::memcpy(to, at, size);
      at += size;
    };
    take(dispatches.data(), dispatches.size() * sizeof(dispatches[0]));
    take(operands.data(), operands.size() * sizeof(operands[0]));
    take(words.data(), words.size() * 8);
  }

  bool cuda = false; ///< the target

  /// "" when the plan is valid, else why not.
  std::string judge() const {
    std::vector<uint8_t> bytes;
    auto put = [&](const void *from, size_t size) {
      auto *p = static_cast<const uint8_t *>(from);
      bytes.insert(bytes.end(), p, p + size);
    };
    put(&header, sizeof(header));
    put(dispatches.data(), dispatches.size() * sizeof(dispatches[0]));
    put(operands.data(), operands.size() * sizeof(operands[0]));
    put(words.data(), words.size() * 8);
    auto file = rill::test::artifactAround(bytes, cuda);
    auto artifact = Artifact::parse(file, "test", true);
    if (!artifact.ok()) {
      return artifact.error().render();
    }
    const Method &method = artifact->manifest().methods[0];
    auto plan = readPlan(*artifact, method, method.variants[0]);
    if (plan.ok()) {
      return "";
    }
    EXPECT_EQ(plan.error().code, ErrorCode::PlanInvalid);
    return plan.error().why;
  }
};

/// `change` makes the plan invalid for a reason that holds `why`.
void expectRefused(const std::function<void(Records &)> &change,
                   const std::string &why) {
  Records records;
  change(records);
  std::string have = records.judge();
  EXPECT_NE(have.find(why), std::string::npos)
      << "\"" << have << "\" for \"" << why << "\"";
}
} // namespace

TEST(PlanVerifier, AcceptsTheSample) { EXPECT_EQ(Records().judge(), ""); }

TEST(PlanVerifier, RefusesIndicesOutOfRange) {
  const char *outside = "refers outside the plan";
  const char *buffer = "operand outside its buffer";
  expectRefused([](Records &r) { r.dispatches[0].kernel = 2; }, outside);
  expectRefused([](Records &r) { r.dispatches[1].first_operand = 0xffffffff; },
                outside);
  expectRefused([](Records &r) { r.dispatches[1].operand_count = 9; }, outside);
  expectRefused([](Records &r) { r.dispatches[0].grid_first = 1000; }, outside);
  expectRefused([](Records &r) { r.operands[0].index = 2; }, buffer);
  expectRefused([](Records &r) { r.operands[1].index = 1; }, buffer);
  expectRefused([](Records &r) { r.operands[4].index = 1; }, buffer);
  expectRefused([](Records &r) { r.operands[0].kind = 6; }, buffer);
  expectRefused([](Records &r) { r.operands[0].bytes_first = 0xffffffff; },
                "a program outside the plan");
}

TEST(PlanVerifier, RefusesOffsetsOutOfRange) {
  const char *buffer = "operand outside its buffer";
  expectRefused([](Records &r) { r.operands[2].offset = 8; }, buffer);
  expectRefused([](Records &r) { r.operands[1].offset = ~uint64_t(0); },
                buffer);
  expectRefused([](Records &r) { r.header.arena_bytes = 255; }, buffer);
  expectRefused([](Records &r) { r.header.arena_bytes = ~uint64_t(0); },
                "2^40");
  expectRefused([](Records &r) { r.header.symbol_max[0] = 17; },
                "other symbol ranges");
  expectRefused([](Records &r) { r.header.input_count = 1; },
                "other inputs or outputs");
  expectRefused([](Records &r) { r.words.pop_back(); }, "length");
}

TEST(PlanVerifier, RefusesWhatIsReadBeforeItIsWritten) {
  expectRefused([](Records &r) { r.operands[2].access = RILL_RT_READ; },
                "reads arena bytes that no earlier dispatch writes");
  expectRefused([](Records &r) { std::swap(r.dispatches[0], r.dispatches[1]); },
                "reads arena bytes that no earlier dispatch writes");
}

// Dispatch 1 gets a buffer of its own in the middle of the one it reads.
TEST(PlanVerifier, RefusesOverlappingLiveBuffers) {
  expectRefused(
      [](Records &r) {
        rill_rt_operand extra = r.operands[2];
        extra.offset = 16;
        extra.bytes_first = r.operands[1].bytes_first; // 64 bytes
        extra.bytes_length = r.operands[1].bytes_length;
        r.operands.push_back(extra);
        r.header.operand_count++;
        r.dispatches[1].operand_count++;
      },
      "live buffers that overlap");
}

// Between the ends of 1..16, `min(S, 16 / S)` is larger than at both.
TEST(PlanVerifier, RefusesProgramsThatMayFall) {
  auto append = [](Records &r, std::initializer_list<int64_t> program) {
    auto first = static_cast<uint32_t>(r.words.size() / 2);
    r.words.insert(r.words.end(), program);
    r.header.program_count += static_cast<uint32_t>(program.size() / 2);
    return first;
  };
  expectRefused(
      [&](Records &r) {
        r.operands[1].bytes_first = append(
            r, {RILL_RT_OP_SYMBOL, 0, RILL_RT_OP_CONST, 16, RILL_RT_OP_SYMBOL,
                0, RILL_RT_OP_FLOORDIV, 0, RILL_RT_OP_MIN, 0});
        r.operands[1].bytes_length = 5;
      },
      "may fall");
  expectRefused(
      [&](Records &r) {
        r.dispatches[0].grid_first = append(
            r, {RILL_RT_OP_SYMBOL, 0, RILL_RT_OP_CONST, -1, RILL_RT_OP_MUL, 0,
                RILL_RT_OP_CONST, 17, RILL_RT_OP_ADD, 0});
        r.dispatches[0].grid_length = 5;
      },
      "no valid grid");
}

TEST(PlanVerifier, RefusesAnotherVersion) {
  expectRefused([](Records &r) { r.header.version = 1; }, "version 1");
  expectRefused([](Records &r) { r.header.magic++; }, "RPLN");
}

// Input 0 is [1, S, 4] f32: rows of 16 bytes, 8 bf16.
TEST(PlanVerifier, ChecksTensorMaps) {
  auto map = [](Records &r, size_t operand = 0) -> rill_rt_operand & {
    r.cuda = true;
    rill_rt_operand &at = r.operands[operand];
    at.map_width = at.map_columns = 8;
    at.map_rows = 16;
    at.map_swizzle = 32;
    return at;
  };
  Records valid;
  map(valid);
  EXPECT_EQ(valid.judge(), "");
  // Only CUDA kernels take maps, and only of what they read.
  const char *unread = "tensor map that no kernel of its target reads";
  expectRefused([&](Records &r) { map(r), r.cuda = false; }, unread);
  expectRefused([&](Records &r) { map(r, 2); }, unread);
  const char *encoded = "tensor map that cannot be encoded";
  using Operand = rill_rt_operand;
  for (void (*change)(Operand &) :
       {+[](Operand &o) { o.map_width = 12; },
        +[](Operand &o) { o.map_width = 1u << 31; },
        +[](Operand &o) { o.map_columns = 0; },
        +[](Operand &o) { o.map_columns = 4; },
        +[](Operand &o) { o.map_columns = 24; }, // wider than the swizzle
        +[](Operand &o) { o.map_columns = 264, o.map_swizzle = 0; },
        +[](Operand &o) { o.map_rows = 0; },
        +[](Operand &o) { o.map_rows = 257; },
        +[](Operand &o) { o.map_swizzle = 16; },
        +[](Operand &o) { o.map_swizzle = 256; },
        +[](Operand &o) { o.reserved1 = 1; }}) {
    expectRefused([&](Records &r) { change(map(r)); }, encoded);
  }
  expectRefused([&](Records &r) { map(r).map_width = 1 << 20; },
                "tensor map without rows");
  const char *box = "a box but no map";
  expectRefused([&](Records &r) { map(r).map_width = 0; }, box);
  expectRefused([](Records &r) { r.operands[0].map_swizzle = 32; }, box);
  expectRefused([](Records &r) { r.operands[0].reserved1 = 32; }, box);
}

TEST(PlanVerifier, RefusesTooManyTensorMaps) {
  expectRefused(
      [](Records &r) {
        rill_rt_operand extra = r.operands[0];
        extra.map_width = extra.map_columns = 8;
        extra.map_rows = 1;
        r.cuda = true;
        r.operands.insert(r.operands.end(), RILL_RT_MAX_MAPS + 1, extra);
        r.header.operand_count += RILL_RT_MAX_MAPS + 1;
        r.dispatches[1].first_operand =
            r.header.operand_count - RILL_RT_MAX_MAPS - 1;
        r.dispatches[1].operand_count = RILL_RT_MAX_MAPS + 1;
      },
      "more than 4 tensor maps");
}

TEST(Manifest, RefusesStatesThatOverflowTogether) {
  std::string text =
      rill::test::readAll(RILL_TEST_DATA "/corpora/manifest/small");
  EXPECT_TRUE(parseManifest(text, "test").ok());
  std::string state = R"({"name": "s", "kind": "cell", "layout": "linear",
    "dtype": "f32", "shape": [70368744177664]},)";
  size_t at = text.find("\"states\": [") + 11;
  text.insert(at, state + state);
  auto manifest = parseManifest(text, "test");
  ASSERT_FALSE(manifest.ok());
  EXPECT_NE(manifest.error().why.find("2^48"), std::string::npos);
}
