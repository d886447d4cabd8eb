// A folder of .ptx files that carry their inputs and expected results in
// `//!` lines:
//   //! kernel NAME            //! grid X Y Z      //! block X Y Z
//   //! shared BYTES
//   //! in NAME TYPE HEX...    a buffer
//   //! out NAME TYPE COUNT exact|ulp N|abs X|rel X HEX...
//   //! value TYPE HEX
// HEX: one word per element. Arguments come in the order of their lines.
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

static bool readLine(const std::string &line, Case &c) {
  std::istringstream in(line.substr(3));
  std::string what;
  in >> what;
  Argument a;
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
  if (what == "value") {
    a.isValue = true;
    if (!(in >> a.type) || !elementSize(a.type) ||
        !readWords(in, a.type, a.bytes)) {
      return false;
    }
  } else if (what == "in") {
    if (!(in >> a.name >> a.type) || !elementSize(a.type) ||
        !readWords(in, a.type, a.bytes)) {
      return false;
    }
  } else if (what == "out") {
    size_t count = 0;
    if (!(in >> a.name >> a.type >> count >> a.tolerance) ||
        !elementSize(a.type) || count > 1 << 24) {
      return false;
    }
    if (a.tolerance != "exact" && !(in >> a.bound)) {
      return false;
    }
    if (!readWords(in, a.type, a.expected)) {
      return false;
    }
    a.bytes.assign(count * elementSize(a.type), 0);
  } else {
    return false;
  }
  c.arguments.push_back(std::move(a));
  return true;
}

std::string readCase(const std::string &path, Case &c) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return "cannot read " + path;
  }
  std::string line;
  std::ostringstream all;
  c.file = path;
  for (size_t number = 1; std::getline(in, line); ++number) {
    all << line << "\n";
    if (line.rfind("//!", 0) == 0 && !readLine(line, c)) {
      return path + ":" + std::to_string(number) + ": malformed //! line";
    }
    if (line.rfind(".target", 0) == 0) {
      std::istringstream words(line);
      words >> c.target >> c.target;
      c.target.erase(std::remove(c.target.begin(), c.target.end(), ','),
                     c.target.end());
    }
  }
  c.ptx = all.str();
  return c.kernel.empty() ? path + ": no //! kernel line" : "";
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

int runConformance(const DriverLibrary &d, const std::string &folder,
                   const std::string &store, bool verbose) {
  std::vector<std::string> files;
  std::error_code failed;
  for (auto &e : std::filesystem::directory_iterator(folder, failed)) {
    if (e.path().extension() == ".ptx") {
      files.push_back(e.path().string());
    }
  }
  if (failed || files.empty()) {
    std::cerr << "rill-emu-run: no .ptx files in " << folder << "\n";
    return 2;
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
    std::string error = readCase(file, c);
    if (error.empty() && !d.runs(c.target)) {
      ++skipped;
      if (verbose) {
        std::cout << "skip " << name << " (" << c.target << ")\n";
      }
      continue;
    }
    error = error.empty() ? run(d, c) : error;
    for (const Argument &a : c.arguments) {
      error = error.empty() ? compare(a) : error;
    }
    if (kept.is_open()) {
      keep(kept, name, c);
    }
    if (error.empty()) {
      ++passed;
    } else {
      ++wrong;
      std::cout << "FAIL " << name << ": " << error << "\n";
    }
  }
  std::cout << passed << " passed, " << wrong << " failed, " << skipped
            << " skipped on " << d.name << "\n";
  return wrong ? 1 : 0;
}

} // namespace rill::emurun
