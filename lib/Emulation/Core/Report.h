// Findings: what went wrong, where in the PTX and in the source.
#ifndef LIB_EMULATION_CORE_REPORT_H
#define LIB_EMULATION_CORE_REPORT_H

#include "Program.h"

#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace rill::emu {

/// Classes of findings; the name is what reports print.
enum class Kind : uint8_t {
  OutOfBounds,
  UseAfterFree,
  Misaligned,
  Uninitialized,
  ReadOnlyWrite,
  Race,
  StreamRace,
  PendingAccess,
  PendingAtExit,
  MissingProxyFence,
  RegisterInFlight,
  BarrierMisuse,
  MbarrierMisuse,
  BadDescriptor,
  BadTensorMap,
  InactiveLane,
  Deadlock,
  DependentLaunch,
  Trap,
  Assertion,
  Illegal,
  HostAccess,
  HostBuffer,
  LocalOverflow,
  SharedLifetime,
  Leak,
  Count
};
const char *kindName(Kind kind);

/// One thread of a grid.
struct ThreadId {
  uint32_t cta[3] = {0, 0, 0};
  uint32_t thread[3] = {0, 0, 0};
};

/// A place in a kernel. `line` counts lines of the PTX text.
struct Place {
  std::string kernel, instruction, file;
  uint32_t line = 0;
  std::string sourceFile;
  uint32_t sourceLine = 0;
  bool hasThread = false;
  ThreadId thread;
};

struct Finding {
  Kind kind = Kind::Illegal;
  std::string message;
  std::vector<Place> places; ///< first: where it was noticed
  std::vector<std::string> notes;
};

/// Collects findings; one per kind and pair of places.
class Report {
public:
  /// False when the same finding was there already (it is counted).
  bool add(Finding finding);
  size_t count() const { return findings.size(); }
  const std::vector<Finding> &all() const { return findings; }
  void clear();
  static std::string text(const Finding &finding);
  std::string json() const;
  /// Where text goes as soon as a finding arrives; empty: stderr.
  std::string file;
  bool quiet = false;

private:
  std::vector<Finding> findings;
  std::set<std::string> seen;
};

/// Thrown by handlers to end a launch; `error` is a CUresult.
struct KernelFault {
  int error;
  Finding finding;
};

Place placeOf(const Program &program, uint32_t pc);
std::string quoteJson(const std::string &text);

} // namespace rill::emu
#endif
