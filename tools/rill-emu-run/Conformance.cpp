// A folder of .ptx files that carry their inputs and expected results in
// `//!` lines:
//   //! kernel NAME            //! grid X Y Z      //! block X Y Z
//   //! shared BYTES
//   //! in NAME TYPE HEX...    a buffer
//   //! out NAME TYPE COUNT exact|ulp N|abs X|rel X HEX...
//   //! start NAME HEX...      what an out buffer holds before the launch
//   //! value TYPE HEX
//   //! tensormap BUFFER TYPE RANK DIMS STRIDES BOX ELEMENT-STRIDES SWIZZLE
//   FILL
// HEX: one word per element. Tensor maps are the first arguments, in order of
// their lines; then come buffers and values, in order of theirs.
#include "tools/rill-emu-run/Run.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

namespace rill::emurun {

static bool readWords(std::istringstream &in, const std::string &type,
                      std::vector<char> &out) {
  size_t n = elementSize(type);
  std::string word;
  while (in >> word) {
    char *end = nullptr;
    unsigned long long v = std::strtoull(word.c_str(), &end, 16);
    if (*end) {
      return false;
    }
    size_t at = out.size();
    out.resize(at + n);
    std::memcpy(out.data() + at, &v, n);
  }
  return true;
}

static bool readTensorMap(std::istringstream &in, Case &c) {
  TensorMapArgument m;
  if (!(in >> m.buffer >> m.type >> m.rank) || m.rank < 1 || m.rank > 5) {
    return false;
  }
  auto list = [&](auto *values, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
      in >> values[i];
    }
  };
  list(m.dims, m.rank);
  list(m.strides, m.rank - 1);
  list(m.box, m.rank);
  list(m.elementStrides, m.rank);
  if (!(in >> m.swizzle >> m.fill)) {
    return false;
  }
  c.maps.push_back(m);
  return true;
}

/// What an `out` buffer holds before the launch.
static bool readStart(std::istringstream &in, Case &c) {
  std::string name;
  in >> name;
  for (Argument &a : c.arguments) {
    if (a.name == name) {
      std::vector<char> bytes;
      bool ok = readWords(in, a.type, bytes) && bytes.size() == a.bytes.size();
      a.bytes = std::move(bytes);
      return ok;
    }
  }
  return false;
}

static bool readBuffer(std::istringstream &in, const std::string &what,
                       Case &c) {
  Argument a;
  a.isValue = what == "value";
  if (!a.isValue && !(in >> a.name)) {
    return false;
  }
  if (!(in >> a.type) || !elementSize(a.type)) {
    return false;
  }
  if (what == "out") {
    size_t count = 0;
    if (!(in >> count >> a.tolerance) || count > 1 << 24 ||
        (a.tolerance != "exact" && !(in >> a.bound)) ||
        !readWords(in, a.type, a.expected)) {
      return false;
    }
    a.bytes.assign(count * elementSize(a.type), 0);
  } else if (!readWords(in, a.type, a.bytes)) {
    return false;
  }
  c.arguments.push_back(std::move(a));
  return true;
}

static bool readLine(const std::string &line, Case &c) {
  std::istringstream in(line.substr(3));
  std::string what;
  in >> what;
  if (what == "kernel") {
    return bool(in >> c.kernel);
  }
  if (what == "grid" || what == "block") {
    auto &v = what == "grid" ? c.grid : c.block;
    return bool(in >> v[0] >> v[1] >> v[2]);
  }
  if (what == "shared") {
    return bool(in >> c.shared);
  }
  if (what == "tensormap") {
    return readTensorMap(in, c);
  }
  if (what == "start") {
    return readStart(in, c);
  }
  return (what == "in" || what == "out" || what == "value") &&
         readBuffer(in, what, c);
}

rt::Status readCase(const std::string &path, Case &c) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return rt::makeError(rt::ErrorCode::FileUnreadable, path,
                         "it cannot be opened");
  }
  std::string line;
  std::ostringstream all;
  c.file = path;
  for (size_t number = 1; std::getline(in, line); ++number) {
    all << line << "\n";
    if (line.rfind("//!", 0) == 0 && !readLine(line, c)) {
      return rt::makeError(rt::ErrorCode::PtxInvalid,
                           path + ":" + std::to_string(number),
                           "this //! line cannot be read");
    }
    if (line.rfind(".target", 0) == 0) {
      std::istringstream words(line);
      words >> c.target >> c.target;
      c.target.erase(std::remove(c.target.begin(), c.target.end(), ','),
                     c.target.end());
    }
  }
  c.ptx = all.str();
  if (c.kernel.empty()) {
    return rt::makeError(rt::ErrorCode::PtxInvalid, path,
                         "it has no //! kernel line");
  }
  return {};
}

/// Keeps what the driver answered: one line per buffer, in hexadecimal.
static void keep(std::ofstream &out, const std::string &name, const Case &c) {
  for (const Argument &a : c.arguments) {
    if (a.expected.empty()) {
      continue;
    }
    out << name << " " << a.name << " " << a.type;
    size_t n = elementSize(a.type);
    for (size_t i = 0; i + n <= a.bytes.size(); i += n) {
      uint64_t v = 0;
      std::memcpy(&v, a.bytes.data() + i, n);
      out << " " << std::hex << v << std::dec;
    }
    out << "\n";
  }
}

/// Empty when the case gives what it expects, else the first difference.
static std::string judge(DriverLibrary &d, Case &c) {
  rt::Status status = run(d, c);
  if (!status.ok()) {
    // A failed kernel leaves its context unusable for the next case.
    rt::Status again = d.recover();
    return status.get().why + (again.ok() ? "" : "; " + again.get().why);
  }
  for (const Argument &a : c.arguments) {
    std::string difference = compare(a);
    if (!difference.empty()) {
      return difference;
    }
  }
  return "";
}

rt::Status runConformance(DriverLibrary &d, const std::string &folder,
                          const std::string &store, bool verbose) {
  std::vector<std::string> files;
  std::error_code failed;
  for (auto &e : std::filesystem::directory_iterator(folder, failed)) {
    if (e.path().extension() == ".ptx") {
      files.push_back(e.path().string());
    }
  }
  if (failed || files.empty()) {
    return rt::makeError(rt::ErrorCode::FileUnreadable, folder,
                         "there is no .ptx file");
  }
  std::sort(files.begin(), files.end());
  std::ofstream kept;
  if (!store.empty()) {
    kept.open(store);
    kept << "# " << d.name << "\n";
  }
  size_t passed = 0, wrong = 0, skipped = 0;
  for (const std::string &file : files) {
    Case c;
    std::string name = std::filesystem::path(file).stem().string();
    RILL_TRY(readCase(file, c));
    if (!d.runs(c.target)) {
      ++skipped;
      if (verbose) {
        std::cout << "skip " << name << " (" << c.target << ")\n";
      }
      continue;
    }
    std::string difference = judge(d, c);
    if (kept.is_open()) {
      keep(kept, name, c);
    }
    passed += difference.empty();
    if (!difference.empty()) {
      ++wrong;
      std::cout << "FAIL " << name << ": " << difference << "\n";
    }
  }
  std::cout << passed << " passed, " << wrong << " failed, " << skipped
            << " skipped on " << d.name << "\n";
  if (kept.is_open() && !kept.flush()) {
    return rt::makeError(rt::ErrorCode::WriteFailed, store,
                         "the answers were not written whole");
  }
  if (wrong) {
    return rt::makeError(rt::ErrorCode::OutputsDiffer, folder,
                         std::to_string(wrong) + " cases differ on " + d.name);
  }
  return {};
}

} // namespace rill::emurun
