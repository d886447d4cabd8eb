// What is known about every word of a block's shared memory: written bytes,
// bytes an asynchronous copy will write, and the last accesses.
#ifndef LIB_EMULATION_CHECKS_SHAREDSHADOW_H
#define LIB_EMULATION_CHECKS_SHAREDSHADOW_H

#include "Clocks.h"

namespace rill::emu {

struct SharedShadow {
  struct Readers {
    std::vector<Stamp> stamps; ///< one per thread
  };
  struct Accesses {
    Stamp write, write2; ///< the last two that touched different bytes
    Stamp read;
    uint32_t more = 0; ///< index + 1 into `readers`
  };
  std::vector<uint8_t> initialized; ///< one bit per byte
  std::vector<uint8_t> pending;     ///< bytes a copy will write
  std::vector<uint8_t> reading;     ///< bytes an asynchronous store reads
  std::vector<Accesses> words;      ///< one per 4 bytes, race checks only
  std::vector<Readers> readers;
  bool enabled = false;
  uint32_t pendingCount = 0; ///< operations that hold pending bytes
  uint32_t readingCount = 0;

  void reset(uint32_t bytes, bool memory, bool races) {
    enabled = memory;
    initialized.assign(memory ? (bytes + 7) / 8 : 0, 0);
    pending.assign(memory ? (bytes + 7) / 8 : 0, 0);
    reading.assign(memory ? (bytes + 7) / 8 : 0, 0);
    words.assign(races ? (bytes + 3) / 4 : 0, Accesses());
    readers.clear();
    pendingCount = readingCount = 0;
  }

  static bool any(const std::vector<uint8_t> &bits, uint32_t at,
                  uint32_t bytes) {
    for (uint32_t i = at; i < at + bytes; ++i) {
      if (bits[i >> 3] >> (i & 7) & 1) {
        return true;
      }
    }
    return false;
  }
  static bool all(const std::vector<uint8_t> &bits, uint32_t at,
                  uint32_t bytes) {
    for (uint32_t i = at; i < at + bytes;) {
      if ((i & 7) == 0 && at + bytes - i >= 8) {
        if (bits[i >> 3] != 0xff) {
          return false;
        }
        i += 8;
      } else {
        if (!(bits[i >> 3] >> (i & 7) & 1)) {
          return false;
        }
        ++i;
      }
    }
    return true;
  }
  static void set(std::vector<uint8_t> &bits, uint32_t at, uint32_t bytes,
                  bool value) {
    for (uint32_t i = at; i < at + bytes;) {
      if ((i & 7) == 0 && at + bytes - i >= 8) {
        bits[i >> 3] = value ? 0xff : 0;
        i += 8;
      } else {
        uint8_t bit = static_cast<uint8_t>(1u << (i & 7));
        bits[i >> 3] = static_cast<uint8_t>(value ? bits[i >> 3] | bit
                                                  : bits[i >> 3] & ~bit);
        ++i;
      }
    }
  }
};

} // namespace rill::emu
#endif
