// Device memory: a PROT_NONE range of addresses handed to the program, and
// behind it, at a constant offset, the bytes that the interpreter touches.
#ifndef LIB_EMULATION_CORE_MEMORY_H
#define LIB_EMULATION_CORE_MEMORY_H

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rill::emu {

struct Allocation {
  enum Kind : uint8_t { Device, Host, Module };
  uint64_t address = 0; ///< as the program sees it
  uint64_t size = 0;    ///< bytes
  int64_t delta = 0;    ///< add to an address to get the host pointer
  Kind kind = Device;
  bool readOnly = false; ///< constant memory
  bool freeing = false;  ///< a cuMemFreeAsync of it is queued
  uint64_t serial = 0;
  uint32_t context = 0;
  std::string label; ///< a variable's name, for reports
  /// One bit per byte that has been written; empty when not tracked.
  std::vector<uint8_t> written;

  char *host(uint64_t a) const {
    return reinterpret_cast<char *>(static_cast<int64_t>(a) + delta);
  }
  bool holds(uint64_t a, uint64_t bytes) const {
    return a >= address && bytes <= size && a - address <= size - bytes;
  }
};

/// A freed range, remembered for reports of use after free.
struct FreedRange {
  uint64_t address = 0, size = 0, serial = 0;
};

/// The address space of one emulated device. Not thread-safe: the driver's
/// lock guards it.
class DeviceMemory {
public:
  /// Reserves `capacity` bytes of addresses; ok() is false when the system
  /// refuses.
  explicit DeviceMemory(uint64_t capacity);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory &operator=(const DeviceMemory &) = delete;

  bool ok() const { return base != nullptr; }
  uint64_t capacity() const { return total; }
  uint64_t used() const { return usedBytes; }

  /// 256-byte aligned device memory (more with `align`), nullptr when full.
  Allocation *allocate(uint64_t bytes, Allocation::Kind kind,
                       uint64_t align = 256);
  /// Host memory that the device sees at its own address; `view` is another
  /// mapping of the same bytes, or the same pointer.
  Allocation *adoptHost(void *pointer, void *view, uint64_t bytes);
  /// False when no allocation begins at `address`.
  bool release(uint64_t address);
  /// The allocation that holds the byte, or nullptr.
  Allocation *find(uint64_t address) const;
  /// The nearest allocation below the address, for messages.
  const Allocation *below(uint64_t address) const;
  const FreedRange *findFreed(uint64_t address) const;
  /// Whether a host address lies in the reserved range.
  bool inRange(uint64_t address) const {
    return address >= first && address < first + total;
  }
  std::string describe(uint64_t address) const;
  /// Grows with every allocation and release: caches compare it.
  uint64_t generation() const { return changes; }
  const std::map<uint64_t, std::unique_ptr<Allocation>> &all() const {
    return allocations;
  }
  bool trackWrites = false; ///< allocate `written` bitmaps

private:
  void *reserved = nullptr; ///< PROT_NONE
  void *base = nullptr;     ///< the bytes
  uint64_t first = 0, total = 0, usedBytes = 0;
  uint64_t changes = 1, serials = 0;
  std::map<uint64_t, std::unique_ptr<Allocation>> allocations;
  std::map<uint64_t, uint64_t> free; ///< address -> bytes
  std::vector<FreedRange> freed;
};

} // namespace rill::emu
#endif
