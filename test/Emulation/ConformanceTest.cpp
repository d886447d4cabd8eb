// The decoder accepts every conformance file, and refuses what is unknown.
#include "lib/Emulation/Core/Decoder.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace rill::emu;

namespace {

std::vector<std::string> texts() {
  std::vector<std::string> out;
  for (const char *folder : {EMU_TEST_DIR "/conformance",
                             EMU_TEST_DIR "/bugs/data", EMU_TEST_DIR "/llvm"}) {
    for (auto &e : std::filesystem::directory_iterator(folder)) {
      if (e.path().extension() != ".ptx") {
        continue;
      }
      std::ifstream in(e.path());
      std::ostringstream all;
      all << in.rdbuf();
      out.push_back(all.str());
    }
  }
  return out;
}

void load(const std::string &text) {
  auto module = parsePtx(text, "test.ptx");
  for (auto &f : module->functions) {
    if (f->isKernel && f->hasBody) {
      decodeKernel(*module, *f, [](uint32_t) { return uint64_t(4096); });
    }
  }
}

TEST(Parse, AcceptsEveryCase) {
  for (const std::string &t : texts()) {
    EXPECT_NO_THROW(load(t));
  }
}

TEST(Parse, UnknownInstructionNamesFileAndLine) {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n"
                     ".visible .entry k() {\n  frobnicate.b32 1, 2;\n}\n";
  try {
    load(text);
    FAIL();
  } catch (const PtxError &e) {
    EXPECT_STREQ(e.what(), "test.ptx:5: unknown instruction 'frobnicate.b32'");
    EXPECT_EQ(e.line, 5u);
  }
}

/// Damaged text is refused or accepted, never a crash or another exception.
/// The fuzzers in fuzz/ look further.
TEST(Parse, DamagedTextNeverCrashes) {
  auto all = texts();
  std::mt19937 rng(1);
  size_t refused = 0;
  constexpr size_t rounds = 1500;
  for (size_t round = 0; round < rounds; ++round) {
    std::string t = all[rng() % all.size()];
    for (int k = 0; k < 3; ++k) {
      if (t.empty()) {
        break;
      }
      size_t at = rng() % t.size();
      switch (rng() % 4) {
      case 0:
        t[at] = static_cast<char>(rng());
        break;
      case 1:
        t.erase(at, rng() % 20);
        break;
      case 2:
        t.insert(at, t.substr(rng() % t.size(), rng() % 30));
        break;
      default:
        t.resize(at + 1);
      }
    }
    try {
      load(t);
    } catch (const PtxError &) {
      ++refused;
    }
  }
  std::printf("%zu damaged texts, %zu refused, none crashed\n", rounds,
              refused);
}

} // namespace
