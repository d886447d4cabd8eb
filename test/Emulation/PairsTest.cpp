// Right kernels pass at every level and seed; their broken twins are reported
// with the right kind and at a marked line. See bugs/pairs.py.
#include "lib/Emulation/Core/Decoder.h"
#include "lib/Emulation/Core/Scheduler.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

using namespace rill::emu;

namespace {

struct Sample {
  std::string name, text, kind, level;
  uint32_t block = 64, grid = 1, shared = 0, cluster = 1;
  std::set<uint32_t> marked;
};

Sample readSample(const std::filesystem::path &path) {
  Sample s;
  s.name = path.stem().string();
  std::ifstream in(path);
  std::string line;
  for (uint32_t n = 1; std::getline(in, line); ++n) {
    s.text += line + "\n";
    if (line.rfind("//?", 0) == 0) {
      std::istringstream words(line.substr(3));
      std::string key, value;
      words >> key >> value;
      auto number = [&] { return static_cast<uint32_t>(std::stoul(value)); };
      if (key == "kind") {
        s.kind = value;
      } else if (key == "checks") {
        s.level = value;
      } else if (key == "block") {
        s.block = number();
      } else if (key == "grid") {
        s.grid = number();
      } else if (key == "shared") {
        s.shared = number();
      } else if (key == "cluster") {
        s.cluster = number();
      }
    } else if (size_t c = line.find("//");
               c != std::string::npos &&
               line.find('@', c) != std::string::npos) {
      s.marked.insert(n);
    }
  }
  return s;
}

std::vector<Sample> samples(const std::string &suffix) {
  std::vector<Sample> out;
  for (auto &e :
       std::filesystem::directory_iterator(EMU_TEST_DIR "/bugs/data")) {
    if (e.path().string().ends_with(suffix + ".ptx")) {
      out.push_back(readSample(e.path()));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const Sample &a, const Sample &b) { return a.name < b.name; });
  return out;
}

struct Outcome {
  int error = 0;
  Report report;
};

void runSample(const Sample &s, uint32_t checks, uint64_t seed, Outcome &out) {
  DeviceMemory memory(64 << 20);
  memory.trackWrites = checks & kCheckInit;
  auto module = parsePtx(s.text, s.name);
  std::vector<uint64_t> variables;
  for (const Variable &v : module->vars) {
    Allocation *a = memory.allocate(std::max<uint64_t>(v.size, 1),
                                    Allocation::Module, v.align);
    a->readOnly = v.space == Space::Const;
    variables.push_back(a->address);
  }
  const Function *kernel = module->find("k");
  auto program =
      decodeKernel(*module, *kernel, [&](uint32_t v) { return variables[v]; });
  Allocation *in = memory.allocate(16384, Allocation::Device);
  Allocation *to = memory.allocate(16384, Allocation::Device);
  for (uint32_t i = 0; i < 4096; ++i) {
    std::memcpy(in->host(in->address) + 4 * i, &i, 4);
  }
  std::fill(in->written.begin(), in->written.end(), uint8_t(0xff));
  std::fill(to->written.begin(), to->written.end(), uint8_t(0xff));
  out.report.quiet = true;
  RunOptions options;
  options.checks = checks;
  options.seed = seed;
  Scheduler scheduler(memory, out.report, options);
  LaunchConfig config;
  config.grid.x = s.grid;
  config.block.x = s.block;
  config.cluster.x = s.cluster;
  config.dynamicShared = s.shared;
  config.maxResident = 132 * 8;
  config.params.resize(16);
  std::memcpy(config.params.data(), &in->address, 8);
  std::memcpy(config.params.data() + 8, &to->address, 8);
  scheduler.add(program, config);
  out.error = scheduler.run();
}

constexpr uint32_t kLevels[] = {kCheckNone, kCheckMemory,
                                kCheckMemory | kCheckRace, kCheckAll};

std::string allText(const Report &r) {
  std::string text;
  for (const Finding &f : r.all()) {
    text += Report::text(f);
  }
  return text;
}

bool foundAtMark(const Sample &s, const Report &r) {
  for (const Finding &f : r.all()) {
    if (kindName(f.kind) != s.kind) {
      continue;
    }
    for (const Place &p : f.places) {
      if (s.marked.count(p.line)) {
        return true;
      }
    }
  }
  return false;
}

TEST(Pairs, RightKernelsPass) {
  auto all = samples(".right");
  ASSERT_GE(all.size(), 40u);
  for (const Sample &s : all) {
    for (uint32_t checks : kLevels) {
      for (uint64_t seed = 0; seed < 8; ++seed) {
        Outcome o;
        runSample(s, checks, seed, o);
        EXPECT_EQ(o.error, 0)
            << s.name << " checks " << checks << " seed " << seed << "\n"
            << allText(o.report);
        EXPECT_EQ(o.report.count(), 0u)
            << s.name << " checks " << checks << " seed " << seed << "\n"
            << allText(o.report);
      }
    }
  }
}

TEST(Pairs, BrokenTwinsAreReportedInPlace) {
  auto all = samples(".broken");
  ASSERT_GE(all.size(), 40u);
  size_t reported = 0;
  for (const Sample &s : all) {
    uint32_t lowest = s.level == "none" ? 0 : s.level == "memcheck" ? 1 : 2;
    bool every = true;
    for (uint32_t level = lowest; level < 4; ++level) {
      for (uint64_t seed = 0; seed < 8; ++seed) {
        Outcome o;
        runSample(s, kLevels[level], seed, o);
        bool found = foundAtMark(s, o.report);
        every = every && found;
        EXPECT_TRUE(found) << s.name << " level " << level << " seed " << seed
                           << " wants " << s.kind << "\n"
                           << allText(o.report);
      }
    }
    reported += every;
  }
  std::printf("%zu of %zu broken twins reported with kind and line at every "
              "seed\n",
              reported, all.size());
}

} // namespace
