// Races on global memory between threads of one launch, synchronisation
// through memory words, and stores that stay invisible until they must not.
#ifndef LIB_EMULATION_CHECKS_GLOBALRACES_H
#define LIB_EMULATION_CHECKS_GLOBALRACES_H

#include "Access.h"

#include <unordered_map>

namespace rill::emu {

class GlobalRaces {
public:
  explicit GlobalRaces(Scheduler &scheduler) : scheduler(scheduler) {}

  void access(Warp &w, int lane, uint64_t address, unsigned bytes, Touch touch,
              bool strong);

  /// What an ordered or relaxed access does to the thread's knowledge.
  /// `key` is the address, or a shared offset tagged with its block.
  void afterLoad(Warp &w, int lane, uint64_t key, Semantics sem, Scope scope);
  void beforeStore(Warp &w, int lane, uint64_t key, Semantics sem, Scope scope,
                   bool readModifyWrite);
  void fence(Warp &w, Mask m, Scope scope);
  /// Everything the thread knows, itself included; advances its clock.
  static void release(Warp &w, int lane, View &into);
  static void acquire(Warp &w, int lane, const ViewPtr &from);

  /// Global bytes this run touched, sorted, neighbours joined.
  struct Range {
    uint64_t first = 0, end = 0;
    bool written = false;
  };
  std::vector<Range> footprint() const;

  // Delayed stores.
  /// Keeps a weak store back; it is visible to its thread at once.
  void delay(Warp &w, int lane, uint64_t address, char *host, const void *data,
             unsigned bytes);
  /// Lays bytes that the lane may see over what was loaded.
  void overlay(Warp &w, int lane, uint64_t address, void *data, unsigned bytes);
  /// Writes out what is ordered before the lane.
  void publish(Warp &w, int lane);
  /// Writes out everything a block still holds back.
  void publishAll(Cta &cta);
  void publishGrid(Grid &grid);
  bool delays = true;

private:
  static constexpr uint64_t kPage = 1024; ///< bytes a shadow page covers
  struct Word {
    Stamp write, write2, read, read2;
  };
  struct Page {
    Word words[kPage / 4];
  };
  struct Sync {
    ViewPtr view;
    Scope scope = Scope::Gpu;
    uint32_t cta = 0;
  };
  struct Held {
    uint64_t address = 0;
    char *host = nullptr;
    uint8_t bytes = 0;
    uint8_t data[16];
    Stamp stamp;
  };
  struct Buffer {
    std::vector<Held> stores;                        ///< in program order
    std::unordered_map<uint64_t, uint32_t> granules; ///< address / 16 -> count
  };
  void write(Buffer &buffer, size_t index);
  Word &word(uint64_t address);
  void checkWord(Warp &w, int lane, uint64_t address, Touch touch, bool strong,
                 uint8_t mask);
  bool reaches(const Sync &s, Warp &w) const;

  Scheduler &scheduler;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages;
  uint64_t lastKey = ~uint64_t(0);
  Page *lastPage = nullptr;
  std::unordered_map<uint64_t, Sync> syncs;
  std::unordered_map<uint32_t, Buffer> buffers; ///< by block serial
};

} // namespace rill::emu
#endif
