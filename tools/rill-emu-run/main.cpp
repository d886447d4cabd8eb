// rill-emu-run: launches a kernel of a .ptx file on a CUDA driver library,
// by default the emulated one.
#include "tools/rill-emu-run/Run.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace rill::emurun;

static const char kHelp[] =
    R"(usage: rill-emu-run FILE.ptx [options]
       rill-emu-run --conformance DIR [--store FILE]

Launches one kernel and prints or compares what it wrote.

  --kernel NAME        the kernel; default: the first .entry
  --grid X[,Y[,Z]]     blocks (default 1)
  --block X[,Y[,Z]]    threads per block (default 32)
  --shared BYTES       dynamic shared memory
  --arg SPEC           one per parameter, in order:
                         TYPE=VALUE            a value, e.g. u32=100
                         in:TYPE:GEN[:COUNT]   a buffer; GEN is zero, one,
                                               iota, random, or @FILE
                         out:TYPE:COUNT        a buffer that is printed
                         out:TYPE:@FILE        compared with the file's bytes
  --rel X | --abs X    tolerance of comparisons (default exact)
  --driver LIB         the driver library; default: RILL_CUDA_LIB, else
                       librill-cuda-emu.so beside this program
  --conformance DIR    runs every .ptx of DIR that carries its own results
  --store FILE         with --conformance: keeps what the driver answered
  --verbose            names skipped cases

Checks, seeds and reports: the RILL_EMU_* variables, see docs/Emulation.md.
Exit status: 0 as expected, 1 a difference or a failed launch, 2 usage.
)";

static bool parseDims(const std::string &text, unsigned (&out)[3]) {
  std::istringstream in(text);
  std::string part;
  for (int i = 0; i < 3 && std::getline(in, part, ','); ++i) {
    out[i] = static_cast<unsigned>(std::strtoul(part.c_str(), nullptr, 0));
    if (!out[i]) {
      return false;
    }
  }
  return true;
}

static void putNumber(const std::string &t, double v, char *to) {
  size_t n = elementSize(t);
  if (t == "f32") {
    float f = static_cast<float>(v);
    std::memcpy(to, &f, 4);
  } else if (t == "f64") {
    std::memcpy(to, &v, 8);
  } else if (t == "bf16") {
    float f = static_cast<float>(v);
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    std::memcpy(to, &bits, 2);
  } else if (t == "f16") {
    int e = v == 0 ? 0 : std::ilogb(v);
    double m = std::nearbyint(std::ldexp(std::fabs(v), 10 - e));
    uint16_t bits =
        v == 0 ? 0
               : static_cast<uint16_t>((v < 0 ? 0x8000 : 0) + ((e + 15) << 10) +
                                       (int(m) - 1024));
    std::memcpy(to, &bits, 2);
  } else {
    int64_t i = static_cast<int64_t>(v);
    std::memcpy(to, &i, n);
  }
}

static std::string fill(Argument &a, const std::string &gen, size_t count) {
  size_t n = elementSize(a.type);
  if (gen[0] == '@') {
    std::ifstream in(gen.substr(1), std::ios::binary);
    if (!in) {
      return "cannot read " + gen.substr(1);
    }
    a.bytes.assign(std::istreambuf_iterator<char>(in), {});
    return "";
  }
  a.bytes.resize(count * n);
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bool isFloat = a.type[0] == 'f' || a.type == "bf16";
    double r =
        isFloat ? double(state >> 40) / (1 << 23) - 1 : double(state >> 48);
    double v = gen == "one"      ? 1
               : gen == "iota"   ? double(i)
               : gen == "random" ? r
                                 : 0;
    putNumber(a.type, v, a.bytes.data() + i * n);
  }
  return gen == "zero" || gen == "one" || gen == "iota" || gen == "random"
             ? ""
             : "unknown generator " + gen;
}

/// One --arg. Returns an error text.
static std::string parseArgument(const std::string &spec, Argument &a) {
  if (size_t eq = spec.find('=');
      eq != std::string::npos && spec.find(':') == std::string::npos) {
    a.isValue = true;
    a.type = spec.substr(0, eq);
    if (!elementSize(a.type)) {
      return "unknown type in " + spec;
    }
    a.bytes.resize(8);
    std::string v = spec.substr(eq + 1);
    bool isFloat = a.type[0] == 'f' || a.type == "bf16";
    if (isFloat) {
      putNumber(a.type, std::strtod(v.c_str(), nullptr), a.bytes.data());
    } else {
      int64_t i = std::strtoll(v.c_str(), nullptr, 0);
      std::memcpy(a.bytes.data(), &i, 8);
    }
    return "";
  }
  std::vector<std::string> p;
  std::istringstream in(spec);
  for (std::string s; std::getline(in, s, ':');) {
    p.push_back(s);
  }
  if (p.size() < 3 || (p[0] != "in" && p[0] != "out") || !elementSize(p[1])) {
    return "cannot read argument " + spec;
  }
  a.type = p[1];
  a.name = p[0];
  if (p[0] == "in") {
    size_t count = p.size() > 3 ? std::strtoull(p[3].c_str(), nullptr, 0) : 1;
    return fill(a, p[2], count);
  }
  if (p[2][0] == '@') {
    std::string e = fill(a, p[2], 0);
    a.expected = a.bytes;
    std::fill(a.bytes.begin(), a.bytes.end(), 0);
    return e;
  }
  a.bytes.resize(std::strtoull(p[2].c_str(), nullptr, 0) * elementSize(a.type));
  return a.bytes.empty() ? "empty buffer in " + spec : "";
}

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

static int runFile(const DriverLibrary &d, Case &c) {
  std::string error = run(d, c);
  if (!error.empty()) {
    std::cerr << "rill-emu-run: " << c.kernel << ": " << error << "\n";
    return 1;
  }
  int status = 0;
  for (size_t i = 0; i < c.arguments.size(); ++i) {
    Argument &a = c.arguments[i];
    if (a.isValue || a.name != "out") {
      continue;
    }
    a.name = "arg" + std::to_string(i);
    if (!a.expected.empty()) {
      std::string difference = compare(a);
      std::cout << a.name << ": "
                << (difference.empty() ? "as expected" : difference) << "\n";
      status |= !difference.empty();
      continue;
    }
    std::cout << a.name << ":";
    size_t n = elementSize(a.type);
    for (size_t k = 0; k + n <= a.bytes.size(); k += n) {
      std::cout << " " << elementValue(a.type, a.bytes.data() + k);
    }
    std::cout << "\n";
  }
  return status;
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

int main(int argc, char **argv) {
  Case c;
  std::string driverPath = defaultDriver(), folder, store, tolerance;
  double bound = 0;
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    auto next = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    std::string error;
    if (a == "--help" || a == "-h") {
      std::cout << kHelp;
      return 0;
    } else if (a == "--kernel") {
      c.kernel = next();
    } else if (a == "--grid" || a == "--block") {
      error = parseDims(next(), a == "--grid" ? c.grid : c.block)
                  ? ""
                  : "malformed " + a;
    } else if (a == "--shared") {
      c.shared = static_cast<unsigned>(std::strtoul(next().c_str(), 0, 0));
    } else if (a == "--arg") {
      Argument x;
      error = parseArgument(next(), x);
      c.arguments.push_back(std::move(x));
    } else if (a == "--rel" || a == "--abs") {
      tolerance = a.substr(2);
      bound = std::strtod(next().c_str(), nullptr);
    } else if (a == "--driver") {
      driverPath = next();
    } else if (a == "--conformance") {
      folder = next();
    } else if (a == "--store") {
      store = next();
    } else if (a == "--verbose") {
      verbose = true;
    } else if (a[0] != '-' && c.file.empty()) {
      c.file = a;
    } else {
      error = "unknown option " + a;
    }
    if (!error.empty()) {
      std::cerr << "rill-emu-run: " << error << " (see --help)\n";
      return 2;
    }
  }
  if (c.file.empty() == folder.empty()) {
    std::cerr << "rill-emu-run: give one .ptx file or --conformance DIR (see "
                 "--help)\n";
    return 2;
  }
  DriverLibrary d;
  std::string error = d.open(driverPath);
  if (error.empty() && !folder.empty()) {
    return runConformance(d, folder, store, verbose);
  }
  std::ifstream in(c.file, std::ios::binary);
  if (error.empty() && !in) {
    error = "cannot read " + c.file;
  }
  if (!error.empty()) {
    std::cerr << "rill-emu-run: " << error << "\n";
    return 1;
  }
  c.ptx.assign(std::istreambuf_iterator<char>(in), {});
  c.kernel = c.kernel.empty() ? firstEntry(c.ptx) : c.kernel;
  for (Argument &a : c.arguments) {
    if (!tolerance.empty()) {
      a.tolerance = tolerance;
      a.bound = bound;
    }
  }
  return runFile(d, c);
}
