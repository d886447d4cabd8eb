// One launch with its arguments, and the comparison of what it wrote.
#ifndef TOOLS_RILL_EMU_RUN_RUN_H
#define TOOLS_RILL_EMU_RUN_RUN_H

#include "tools/rill-emu-run/DriverLibrary.h"

#include "runtime/formats/status.h"

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

/// A kernel argument of 128 bytes that cuTensorMapEncodeTiled makes for one
/// of the case's buffers. Extents and boxes in elements, innermost first;
/// strides in bytes, of dimensions 1 and up.
struct TensorMapArgument {
  std::string buffer;
  int type = 0, swizzle = 0, fill = 0;
  uint64_t dims[5] = {}, strides[4] = {};
  uint32_t rank = 0, box[5] = {}, elementStrides[5] = {};
};

struct Case {
  std::string file, kernel, target, ptx;
  unsigned grid[3] = {1, 1, 1}, block[3] = {32, 1, 1}, shared = 0;
  std::vector<TensorMapArgument> maps; ///< come before the other arguments
  std::vector<Argument> arguments;
};

/// Bytes of one element of a type; 0 when it is unknown.
size_t elementSize(const std::string &type);
/// The element as a number, for tolerances and printing.
double elementValue(const std::string &type, const char *bytes);
/// Loads, launches, reads the buffers back into the arguments.
rt::Status run(const DriverLibrary &driver, Case &c);
/// The first element out of tolerance, as text; empty when all agree.
std::string compare(const Argument &argument);
/// Reads a conformance case from the `//!` lines of a .ptx file.
rt::Status readCase(const std::string &path, Case &out);
/// Parses one --arg: TYPE=VALUE, in:TYPE:GEN[:COUNT], out:TYPE:COUNT or
/// out:TYPE:@FILE.
rt::Status parseArgument(const std::string &spec, Argument &out);

/// Runs every .ptx of a folder; an error when one case differs. `store`, when
/// not empty, names the file that keeps what the driver answered.
rt::Status runConformance(DriverLibrary &driver, const std::string &folder,
                          const std::string &store, bool verbose);

} // namespace rill::emurun
#endif
