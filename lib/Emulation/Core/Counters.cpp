// Counting of memory transactions.
#include "Counters.h"

#include <algorithm>
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
  globalStoreBytes += o.globalStoreBytes;
  sharedRequests += o.sharedRequests;
  sharedPasses += o.sharedPasses;
  sharedBytes += o.sharedBytes;
  mma += o.mma;
  wgmma += o.wgmma;
  asyncBytes += o.asyncBytes;
  threads += o.threads;
}

std::string Counters::json(const std::string &kernel) const {
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
      << ", \"global_store_requests\": " << globalStoreRequests
      << ", \"global_store_sectors\": " << globalStoreSectors
      << ", \"global_store_bytes\": " << globalStoreBytes
      << ", \"shared_requests\": " << sharedRequests
      << ", \"shared_passes\": " << sharedPasses
      << ", \"shared_bytes\": " << sharedBytes << ", \"mma\": " << mma
      << ", \"wgmma\": " << wgmma << ", \"async_bytes\": " << asyncBytes << "}";
  return out.str();
}

unsigned countSectors(const uint64_t *addresses, Mask mask, unsigned bytes) {
  uint64_t sectors[kLanes * 2];
  unsigned count = 0;
  for (Mask m = mask; m; m &= m - 1) {
    uint64_t a = addresses[__builtin_ctz(m)];
    for (uint64_t s = a / 32; s <= (a + bytes - 1) / 32; ++s) {
      // Neighbours mostly share a sector: look at the last one first.
      if (count && sectors[count - 1] == s) {
        continue;
      }
      if (count < kLanes * 2) {
        sectors[count++] = s;
      }
    }
  }
  std::sort(sectors, sectors + count);
  return static_cast<unsigned>(std::unique(sectors, sectors + count) - sectors);
}

unsigned countPasses(const uint32_t *addresses, Mask mask, unsigned bytes) {
  // 16-byte accesses go 8 lanes at a time, 8-byte ones 16, others 32.
  int step = bytes >= 16 ? 8 : bytes == 8 ? 16 : 32;
  unsigned passes = 0;
  for (int from = 0; from < kLanes; from += step) {
    uint32_t words[64];
    unsigned count = 0;
    for (int l = from; l < from + step; ++l) {
      if (!(mask >> l & 1)) {
        continue;
      }
      for (uint32_t w = addresses[l] / 4;
           w <= (addresses[l] + bytes - 1) / 4 && count < 64; ++w) {
        words[count++] = w;
      }
    }
    std::sort(words, words + count);
    count = static_cast<unsigned>(std::unique(words, words + count) - words);
    unsigned perBank[32] = {}, worst = count ? 1 : 0;
    for (unsigned i = 0; i < count; ++i) {
      worst = std::max(worst, ++perBank[words[i] % 32]);
    }
    passes += worst;
  }
  return passes;
}

} // namespace rill::emu
