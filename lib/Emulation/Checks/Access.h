// The checks that memory accesses pass through, and address translation.
#ifndef LIB_EMULATION_CHECKS_ACCESS_H
#define LIB_EMULATION_CHECKS_ACCESS_H

#include "../Core/Machine.h"

namespace rill::emu {

/// How an access touches memory.
enum class Touch : uint8_t {
  Read,
  Write,
  Atomic,     ///< read-modify-write
  AsyncRead,  ///< by wgmma or a bulk copy, through the asynchronous proxy
  AsyncWrite, ///< issue of an asynchronous write
};

/// Host pointers are address + delta; one delta for all lanes when they lie
/// in one allocation, else `each` holds one per lane.
struct Translation {
  bool uniform = true;
  int64_t delta = 0;
  int64_t each[kLanes];
  char *host(uint64_t address, int lane) const {
    return reinterpret_cast<char *>(static_cast<int64_t>(address) +
                                    (uniform ? delta : each[lane]));
  }
};

/// Translates global addresses of active lanes; ends the launch when one is
/// outside every allocation or not aligned to `align` bytes.
void translateGlobal(Warp &w, Mask m, const uint64_t *addresses, unsigned bytes,
                     unsigned align, bool write, Translation &out);
/// One address; used by asynchronous copies.
char *translateOne(Warp &w, int lane, uint64_t address, uint64_t bytes,
                   unsigned align, bool write);

/// The block and offset that a shared or shared::cluster address names; ends
/// the launch when it is outside the window or not aligned.
Cta &locateShared(Warp &w, int lane, uint64_t address, unsigned bytes,
                  unsigned align, uint32_t &offset);

/// Initialisation, pending copies, races and proxies of a shared access.
void checkShared(Warp &w, int lane, Cta &cta, uint32_t offset, unsigned bytes,
                 Touch touch, bool strong = false);
/// Race and initialisation checks of global accesses (levels race and init).
void checkGlobal(Warp &w, Mask m, const uint64_t *addresses, unsigned bytes,
                 Touch touch, bool strong);

/// Marks bytes an asynchronous operation will write; it is an error when
/// they are pending already.
void beginAsyncWrite(Warp &w, int lane, Cta &cta, uint32_t offset,
                     uint32_t bytes);
/// Ends the above: the bytes are initialised, and ordered after `stamp`.
void endAsyncWrite(Cta &cta, uint32_t offset, uint32_t bytes,
                   const Stamp &stamp);

/// Which bytes of the 4-byte word at `word` lie in [at, at + bytes).
uint8_t wordMask(uint64_t word, uint64_t at, uint64_t bytes);

/// The stamp of an access by a lane now.
Stamp stampOf(Warp &w, int lane, bool strong);
/// Whether an earlier access is ordered before the lane's next one.
bool isOrdered(Warp &w, int lane, const Stamp &s);

} // namespace rill::emu
#endif
