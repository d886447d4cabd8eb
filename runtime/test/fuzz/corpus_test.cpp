//===- corpus_test.cpp - Replays what the fuzzers found -------------------===//
//
// Every file of test/data/corpora/<target> goes through its target, whole, cut
// and with bits flipped.
//
//===----------------------------------------------------------------------===//
#include "runtime/test/fuzz/fuzz_targets.h"
#include "runtime/test/test_util.h"

using rill::test::FuzzTarget;

class Corpus : public testing::TestWithParam<FuzzTarget> {};

TEST_P(Corpus, Replay) {
  std::string folder =
      std::string(RILL_TEST_DATA "/corpora/") + GetParam().name;
  size_t files = 0;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    std::string bytes = rill::test::readAll(entry.path().string());
    auto run = [&](const std::string &data) {
      GetParam().run(
          {reinterpret_cast<const uint8_t *>(data.data()), data.size()});
    };
    run(bytes);
    size_t step = 1 + bytes.size() / 40;
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

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus,
                         testing::ValuesIn(rill::test::fuzzTargets().begin(),
                                           rill::test::fuzzTargets().end()),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });
