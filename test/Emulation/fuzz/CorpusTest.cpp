// Replays what the fuzzers found: every file of corpora/<target> goes through
// its target, whole, cut and with bits flipped.
#include "FuzzTargets.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

using rill::emu::FuzzTarget;

namespace {

class EmulationCorpus : public testing::TestWithParam<FuzzTarget> {};

TEST_P(EmulationCorpus, Replay) {
  std::string folder =
      std::string(EMU_TEST_DIR "/fuzz/corpora/") + GetParam().name;
  size_t files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    auto run = [&](const std::string &data) {
      GetParam().run(
          {reinterpret_cast<const uint8_t *>(data.data()), data.size()});
    };
    run(bytes);
    size_t step = 1 + bytes.size() / 20;
    for (size_t at = 0; at < bytes.size(); at += step) {
      run(bytes.substr(0, at));
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
      run(flipped);
    }
    ++files;
  }
  EXPECT_GT(files, 0u) << folder;
}

INSTANTIATE_TEST_SUITE_P(Fuzz, EmulationCorpus,
                         testing::ValuesIn(rill::emu::fuzzTargets().begin(),
                                           rill::emu::fuzzTargets().end()),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

} // namespace
