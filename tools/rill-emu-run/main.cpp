// rill-emu-run: launches a kernel of a .ptx file on a CUDA driver library,
// by default the emulated one.
#include "tools/common/tool.h"
#include "tools/rill-emu-run/Run.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace rill;
using namespace rill::emurun;

namespace {
struct Flags {
  std::string file, kernel, driver, folder, store;
  std::vector<unsigned> grid = {1}, block = {32};
  unsigned shared = 0;
  std::vector<std::string> arguments;
  double rel = -1, abs = -1;
};
} // namespace

static std::string firstEntry(const std::string &ptx) {
  size_t at = ptx.find(".entry");
  if (at == std::string::npos) {
    return "";
  }
  std::istringstream in(ptx.substr(at + 6, 1000));
  std::string name;
  in >> name;
  return name.substr(0, name.find('('));
}

static void print(const Argument &a, size_t index) {
  std::cout << "arg" << index << ":";
  size_t n = elementSize(a.type);
  for (size_t k = 0; k + n <= a.bytes.size(); k += n) {
    std::cout << " " << elementValue(a.type, a.bytes.data() + k);
  }
  std::cout << "\n";
}

/// Launches one kernel; prints its `out` buffers or compares them.
static rt::Status runFile(const DriverLibrary &d, Case &c) {
  RILL_TRY(run(d, c));
  for (size_t i = 0; i < c.arguments.size(); ++i) {
    Argument &a = c.arguments[i];
    if (a.isValue || a.name != "out") {
      continue;
    }
    if (a.expected.empty()) {
      print(a, i);
      continue;
    }
    a.name = "arg" + std::to_string(i);
    std::string difference = compare(a);
    if (!difference.empty()) {
      return rt::makeError(rt::ErrorCode::OutputsDiffer, c.kernel, difference);
    }
    std::cout << a.name << ": as expected\n";
  }
  return {};
}

static std::string defaultDriver() {
  if (const char *v = std::getenv("RILL_CUDA_LIB")) {
    return v;
  }
  std::error_code failed;
  auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  auto beside = self.parent_path() / ".." / "lib" / "librill-cuda-emu.so";
  return std::filesystem::exists(beside) ? beside.string()
                                         : "librill-cuda-emu.so";
}

static void addFlags(tools::Tool &tool, Flags &f) {
  tool.option("file", f.file, "the .ptx file");
  tool.option("--kernel", f.kernel, "the kernel (default: the first .entry)");
  tool.option("--grid", f.grid, "blocks: X[,Y[,Z]]")
      ->delimiter(',')
      ->expected(1, 3)
      ->check(CLI::Range(1u, 0x7fffffffu));
  tool.option("--block", f.block, "threads per block: X[,Y[,Z]]")
      ->delimiter(',')
      ->expected(1, 3)
      ->check(CLI::Range(1u, 1024u));
  tool.option("--shared", f.shared, "bytes of dynamic shared memory");
  tool.option("--arg", f.arguments,
              "one per parameter, in order: TYPE=VALUE (u32=100); "
              "in:TYPE:GEN[:COUNT], GEN being zero, one, iota, random or "
              "@FILE; out:TYPE:COUNT, printed; out:TYPE:@FILE, compared")
      ->allow_extra_args(false);
  CLI::Option *rel =
      tool.option("--rel", f.rel, "relative tolerance (default: exact)");
  tool.option("--abs", f.abs, "absolute tolerance")->excludes(rel);
  tool.option("--driver", f.driver,
              "the driver library (default: RILL_CUDA_LIB, else "
              "librill-cuda-emu.so beside this program)");
  tool.option("--conformance", f.folder,
              "run every .ptx of this folder that carries its own results");
  tool.option("--store", f.store,
              "with --conformance: keep what the driver answered");
}

static rt::Status makeCase(const Flags &f, Case &c) {
  std::ifstream in(f.file, std::ios::binary);
  if (!in) {
    return rt::makeError(rt::ErrorCode::FileUnreadable, f.file,
                         "it cannot be opened");
  }
  c.file = f.file;
  c.ptx.assign(std::istreambuf_iterator<char>(in), {});
  c.kernel = f.kernel.empty() ? firstEntry(c.ptx) : f.kernel;
  std::copy(f.grid.begin(), f.grid.end(), c.grid);
  c.block[0] = 1;
  std::copy(f.block.begin(), f.block.end(), c.block);
  c.shared = f.shared;
  for (const std::string &spec : f.arguments) {
    Argument a;
    RILL_TRY(parseArgument(spec, a));
    if (f.rel >= 0 || f.abs >= 0) {
      a.tolerance = f.rel >= 0 ? "rel" : "abs";
      a.bound = f.rel >= 0 ? f.rel : f.abs;
    }
    c.arguments.push_back(std::move(a));
  }
  return {};
}

static rt::Status runAll(const Flags &f, bool verbose) {
  DriverLibrary d;
  Case c;
  if (!f.file.empty()) {
    RILL_TRY(makeCase(f, c));
  }
  RILL_TRY(d.open(f.driver.empty() ? defaultDriver() : f.driver));
  return f.file.empty() ? runConformance(d, f.folder, f.store, verbose)
                        : runFile(d, c);
}

int main(int argc, char **argv) {
  tools::Tool tool(
      "rill-emu-run",
      "launch a kernel of a .ptx file on a CUDA driver library, by default "
      "the emulated one",
      "  rill-emu-run scale.ptx --block 64 --arg in:f32:iota:64 --arg "
      "out:f32:64\n"
      "  rill-emu-run --conformance test/Emulation/conformance\n\n"
      "Checks, seeds and reports: the RILL_EMU_* variables, docs/Emulation.md");
  Flags flags;
  addFlags(tool, flags);
  int code;
  if (!tool.parse(argc, argv, code)) {
    return code;
  }
  if (flags.file.empty() == flags.folder.empty()) {
    return tool.usage("give one .ptx file or --conformance FOLDER");
  }
  rt::Status status = runAll(flags, tool.verbose());
  return status.ok() ? 0 : tool.fail(status.get());
}
