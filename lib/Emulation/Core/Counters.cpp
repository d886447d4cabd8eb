// Counting of memory transactions.
#include "Counters.h"

#include <sstream>

namespace rill::emu {

const char *className(InsClass c) {
  static const char *const names[] = {
      "integer",    "float",       "half",         "double",  "convert",
      "move",       "compare",     "control",      "load",    "store",
      "atomic",     "shared_load", "shared_store", "local",   "param",
      "collective", "matrix",      "async",        "barrier", "fence",
      "special"};
  static_assert(sizeof names / sizeof *names == size_t(InsClass::Count));
  return names[static_cast<size_t>(c)];
}

void Counters::add(const Counters &o) {
  for (size_t i = 0; i < instructions.size(); ++i) {
    instructions[i] += o.instructions[i];
  }
  globalLoadRequests += o.globalLoadRequests;
  globalLoadSectors += o.globalLoadSectors;
  globalStoreRequests += o.globalStoreRequests;
  globalStoreSectors += o.globalStoreSectors;
  globalLoadBytes += o.globalLoadBytes;
  globalLoadLaneBytes += o.globalLoadLaneBytes;
  globalStoreBytes += o.globalStoreBytes;
  globalStoreLaneBytes += o.globalStoreLaneBytes;
  sharedRequests += o.sharedRequests;
  sharedPasses += o.sharedPasses;
  sharedLeastPasses += o.sharedLeastPasses;
  sharedBytes += o.sharedBytes;
  mma += o.mma;
  wgmma += o.wgmma;
  asyncBytes += o.asyncBytes;
  threads += o.threads;
}

std::string Counters::json(const std::string &kernel,
                           const std::string &more) const {
  std::ostringstream out;
  out << "{\"kernel\": \"" << kernel << "\", \"threads\": " << threads
      << ", \"instructions\": {";
  bool first = true;
  for (size_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i]) {
      out << (first ? "" : ", ") << "\"" << className(InsClass(i))
          << "\": " << instructions[i];
      first = false;
    }
  }
  out << "}, \"global_load_requests\": " << globalLoadRequests
      << ", \"global_load_sectors\": " << globalLoadSectors
      << ", \"global_load_bytes\": " << globalLoadBytes
      << ", \"global_load_lane_bytes\": " << globalLoadLaneBytes
      << ", \"global_store_requests\": " << globalStoreRequests
      << ", \"global_store_sectors\": " << globalStoreSectors
      << ", \"global_store_bytes\": " << globalStoreBytes
      << ", \"global_store_lane_bytes\": " << globalStoreLaneBytes
      << ", \"shared_requests\": " << sharedRequests
      << ", \"shared_passes\": " << sharedPasses
      << ", \"shared_least_passes\": " << sharedLeastPasses
      << ", \"shared_bytes\": " << sharedBytes << ", \"mma\": " << mma
      << ", \"wgmma\": " << wgmma << ", \"async_bytes\": " << asyncBytes << more
      << "}";
  return out.str();
}

} // namespace rill::emu
