// One launch with its arguments, and the comparison of what it wrote.
#ifndef TOOLS_RILL_EMU_RUN_RUN_H
#define TOOLS_RILL_EMU_RUN_RUN_H

#include "tools/rill-emu-run/DriverLibrary.h"

namespace rill::emurun {

/// A kernel argument: a buffer, or a value.
struct Argument {
  bool isValue = false;
  std::string name, type;          ///< "f32", "u32", ...
  std::vector<char> bytes;         ///< a value, or the buffer before the launch
  std::vector<char> expected;      ///< empty: not compared
  std::string tolerance = "exact"; ///< exact | ulp | abs | rel
  double bound = 0;
};

struct Case {
  std::string file, kernel, target, ptx;
  unsigned grid[3] = {1, 1, 1}, block[3] = {32, 1, 1}, shared = 0;
  std::vector<Argument> arguments;
};

/// Bytes of one element of a type; 0 when it is unknown.
size_t elementSize(const std::string &type);
/// The element as a number, for tolerances and printing.
double elementValue(const std::string &type, const char *bytes);
/// Loads, launches, reads the buffers back into the arguments. Returns an
/// error text, empty on success.
std::string run(const DriverLibrary &driver, Case &c);
/// The first element out of tolerance, as text; empty when all agree.
std::string compare(const Argument &argument);
/// Reads a conformance case from the `//!` lines of a .ptx file.
std::string readCase(const std::string &path, Case &out);

/// Runs every .ptx of a folder. Returns the exit status.
int runConformance(const DriverLibrary &driver, const std::string &folder,
                   const std::string &store, bool verbose);

} // namespace rill::emurun
#endif
