//===- DFlashGreedyTest.cpp - Drafting changes no token -------------------===//
//
// Greedy decoding with drafts gives the tokens of plain decoding, whatever the
// drafts are, how wide, and where sequence and context end.
//
//===----------------------------------------------------------------------===//
#include "Toy.h"

#include "llvm/ADT/STLExtras.h"

#include <cstdio>

using namespace rill;
using namespace rill::drafted;

namespace {
/// A model, its drafter and how it is compiled.
struct Kind {
  const char *name;
  const char *target; ///< arguments of make_checkpoint, or of no script
  const char *draft;  ///< arguments of make_drafter
  bool pictures;
};
constexpr Kind kKinds[] = {
    {"lfm2-vl", "--geometry golden:gqa", "--heads 4,2,12 --taps 0,1,0", true},
    {"qwen3", "--config " RILL_TEST_DATA "/qwen3/toy.json",
     "--heads 4,1,16 --layers 3 --taps 2,0", false}};

constexpr int64_t kContext = 128, kChunk = 20;

struct Figures {
  size_t prompts = 0, pictures = 0, runs = 0, tokens = 0;
  std::array<size_t, rt::kMaxVerifyWidth + 1> lengths = {};
} figures;

/// The artifact of a kind, compiled once per process.
const std::string &artifactOf(const Kind &kind) {
  static Scratch scratch;
  static std::map<std::string, std::string> made;
  std::string &path = made[kind.name];
  if (path.empty()) {
    std::string folder = scratch.path(kind.name);
    EXPECT_TRUE(scratch.run("make_checkpoint " + std::string(kind.target) +
                            " --seed 3 -o " + folder));
    EXPECT_TRUE(scratch.run("make_drafter --target " + folder + " " +
                            kind.draft + " --seed 5 -o " + folder + "-draft"));
    path = folder + ".rill";
    CompileOptions options =
        compileOptions(folder, folder + "-draft", path, "x86-64-v3");
    options.import.maxSeqLen = kContext;
    options.pipeline.prefillChunk = kChunk;
    EXPECT_TRUE(compileTo(options));
  }
  return path;
}

/// Proposals of which exactly the first `right()` continue as `truth` does.
rt::SpecOptions forced(int64_t width, const Ids &prompt, const Ids &truth,
                       int64_t vocabulary, std::function<int64_t()> right) {
  rt::SpecOptions options = fixedWidth(width);
  options.propose = [=](std::span<int64_t> block, int64_t start) {
    int64_t count = right();
    for (size_t j = 1; j < block.size(); ++j) {
      size_t at = static_cast<size_t>(start) + j - prompt.size();
      int64_t due = at < truth.size() ? truth[at] : 0;
      block[j] =
          static_cast<int64_t>(j) <= count ? due : (due + 1) % vocabulary;
    }
  };
  return options;
}

struct Greedy : testing::TestWithParam<size_t> {
  const Kind &kind() { return kKinds[GetParam()]; }

  void compare(Toy &toy, const Prompt &prompt, const Ids &truth,
               const rt::SpecOptions &spec, const char *what) {
    rt::SpecStats stats;
    Ids tokens = toy.generate(prompt, truth.size(), {}, spec, &stats);
    EXPECT_EQ(tokens, truth) << what;
    ++figures.runs;
    figures.tokens += tokens.size();
    for (size_t n = 0; n < stats.lengths.size(); ++n) {
      figures.lengths[n] += stats.lengths[n];
    }
  }
};

/// Lengths at and beside the borders of chunks, of 16 rows and of the ring.
int64_t promptLength(std::mt19937 &random) {
  constexpr int64_t kBorders[] = {1,  2,  3,  15, 16, 17, 19, 20,  21,  31,
                                  32, 33, 39, 40, 41, 63, 64, 100, 120, 126};
  return random() % 2 ? kBorders[random() % std::size(kBorders)]
                      : 1 + static_cast<int64_t>(random() % 70);
}
} // namespace

TEST_P(Greedy, TokensEqualPlainDecoding) {
  Toy toy(artifactOf(kind()));
  ASSERT_TRUE(toy.ready());
  int64_t prompts = sizeFromEnvironment("RILL_DFLASH_PROMPTS", 24);
  auto seed = sizeFromEnvironment("RILL_DFLASH_SEED", 1);
  std::mt19937 random(static_cast<unsigned>(100 * seed + GetParam()));
  int64_t vocabulary = toy.decoder->vocabulary();
  for (int64_t n = 0; n < prompts; ++n) {
    bool picture = kind().pictures && n % 20 != 1;
    Prompt prompt = toy.prompt(
        random,
        std::min<int64_t>(promptLength(random), picture ? 110 : kContext),
        picture);
    // Every fourth runs to the end of the context.
    size_t count = n % 4 == 0 ? 1000 : 8 + random() % 40;
    Ids truth = toy.generate(prompt, count, {}, plain());
    for (int64_t width : {4, 8, 16}) {
      compare(toy, prompt, truth, fixedWidth(width), "the drafter");
      int64_t step = 0;
      compare(toy, prompt, truth,
              forced(width, prompt.ids, truth, vocabulary,
                     [&step, width] { return step++ % width; }),
              "every acceptance in turn");
      compare(toy, prompt, truth,
              forced(width, prompt.ids, truth, vocabulary,
                     [&random, width] {
                       return static_cast<int64_t>(random() % width);
                     }),
              "random acceptance");
    }
    compare(toy, prompt, truth, rt::SpecOptions(), "chosen widths");
    ++figures.prompts;
    figures.pictures += !prompt.features.empty();
  }
}

// The end may fall into any slot, and a new prompt finds a clean session.
TEST_P(Greedy, EveryLengthOfAnswer) {
  Toy toy(artifactOf(kind()));
  ASSERT_TRUE(toy.ready());
  std::mt19937 random(7);
  Prompt prompt = toy.prompt(random, 11, kind().pictures);
  Ids truth = toy.generate(prompt, 40, {}, plain());
  for (size_t count = 1; count <= truth.size(); ++count) {
    Ids due(truth.begin(), truth.begin() + static_cast<int64_t>(count));
    compare(toy, prompt, due,
            forced(16, prompt.ids, truth, toy.decoder->vocabulary(),
                   [] { return 15; }),
            "all right");
    compare(toy, prompt, due, fixedWidth(8), "the drafter");
  }
}

static void expectNear(const Floats &have, const Floats &want, size_t count) {
  ASSERT_EQ(have.size(), want.size());
  ASSERT_FALSE(have.empty());
  for (size_t i = 0; i < have.size(); ++i) {
    ASSERT_NEAR(have[i], want[i], 1e-5f)
        << "value " << i << " behind " << count << " tokens";
  }
}

// The states after any step are those of a fresh prefill of the same text.
TEST_P(Greedy, StatesAreThoseOfAFreshPrefill) {
  Toy toy(artifactOf(kind())), fresh(artifactOf(kind()));
  ASSERT_TRUE(toy.ready() && fresh.ready());
  std::mt19937 random(9);
  Prompt prompt = toy.prompt(random, 13, kind().pictures);
  Ids truth = toy.generate(prompt, 48, {}, plain());
  int64_t step = 0;
  for (size_t count = 1; count <= truth.size(); ++count) {
    Ids tokens =
        toy.generate(prompt, count, {},
                     forced(8, prompt.ids, truth, toy.decoder->vocabulary(),
                            [&step] { return step++ % 8; }));
    Prompt committed = prompt;
    committed.ids.insert(committed.ids.end(), tokens.begin(), tokens.end());
    fresh.feed(committed, /*context=*/true);
    // The last token is not fed yet.
    auto fed = static_cast<int64_t>(committed.ids.size()) - 1;
    expectNear(toy.states(fed, /*draft=*/true),
               fresh.states(fed, /*draft=*/true), count);
    Floats have = toy.next(tokens.back());
    expectNear(toy.states(fed + 1, /*draft=*/false),
               fresh.states(fed + 1, /*draft=*/false), count);
    auto want = fresh.decoder->logits();
    expectNear(have, {want.begin(), want.end()}, count);
  }
}

// Too little room for what is asked: plain steps, the same tokens.
TEST_P(Greedy, NoRoomToDraft) {
  Toy toy(artifactOf(kind()));
  ASSERT_TRUE(toy.ready());
  std::mt19937 random(11);
  Prompt prompt = toy.prompt(random, 110, false);
  Ids truth = toy.generate(prompt, 1000, {}, plain());
  EXPECT_EQ(truth.size(), kContext - prompt.ids.size() + 1);
  rt::SpecOptions spec = fixedWidth(16);
  spec.draftMin = 15;
  rt::SpecStats stats;
  EXPECT_EQ(toy.generate(prompt, 1000, {}, spec, &stats), truth);
  EXPECT_GT(stats.plainSteps, 0u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Greedy,
                         testing::Range(size_t(0), std::size(kKinds)));

namespace {
struct Summary : testing::Environment {
  void TearDown() override {
    if (!figures.prompts) {
      return;
    }
    std::printf("dflash greedy: %zu prompts (%zu with pictures), %zu runs, "
                "%zu tokens; verifies by committed tokens:",
                figures.prompts, figures.pictures, figures.runs,
                figures.tokens);
    for (size_t n = 1; n < figures.lengths.size(); ++n) {
      std::printf(" %zu:%zu", n, figures.lengths[n]);
      EXPECT_GT(figures.lengths[n], 0u) << n;
    }
    std::printf("\n");
  }
};
const testing::Environment *const summary =
    testing::AddGlobalTestEnvironment(new Summary);
} // namespace
