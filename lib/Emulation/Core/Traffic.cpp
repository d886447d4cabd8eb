// Memory traffic of a launch, by instruction and by operand.
#include "Traffic.h"

#include <algorithm>
#include <cstring>
#include <sstream>

namespace rill::emu {

static constexpr uint64_t kSector = 32;

Coverage coverage(const uint64_t *addresses, Mask mask, const unsigned *bytes) {
  std::pair<uint64_t, uint64_t> ranges[kLanes];
  unsigned count = 0;
  for (Mask left = mask; left; left &= left - 1) {
    int l = __builtin_ctz(left);
    if (bytes[l]) {
      ranges[count++] = {addresses[l], addresses[l] + bytes[l]};
    }
  }
  std::sort(ranges, ranges + count);
  Coverage sum;
  uint64_t end = 0, nextSector = 0; // behind what has been counted
  for (unsigned i = 0; i < count; ++i) {
    auto [from, to] = ranges[i];
    if (to > end) {
      sum.bytes += to - std::max(from, end);
      end = to;
    }
    uint64_t first = std::max(from / kSector, nextSector),
             behind = (to + kSector - 1) / kSector;
    if (behind > first) {
      sum.sectors += behind - first;
      nextSector = behind;
    }
  }
  return sum;
}

Passes countPasses(const uint32_t *addresses, Mask mask, unsigned bytes) {
  constexpr unsigned kBanks = 32;
  int step = bytes >= 16 ? 8 : bytes == 8 ? 16 : 32;
  Passes passes;
  for (int from = 0; from < kLanes; from += step) {
    uint32_t words[kLanes * 2];
    unsigned count = 0;
    for (int l = from; l < from + step; ++l) {
      if (!(mask >> l & 1)) {
        continue;
      }
      for (uint32_t w = addresses[l] / 4;
           w <= (addresses[l] + bytes - 1) / 4 && count < kLanes * 2; ++w) {
        words[count++] = w;
      }
    }
    std::sort(words, words + count);
    count = static_cast<unsigned>(std::unique(words, words + count) - words);
    unsigned perBank[kBanks] = {}, worst = 0;
    for (unsigned i = 0; i < count; ++i) {
      worst = std::max(worst, ++perBank[words[i] % kBanks]);
    }
    passes.taken += worst;
    passes.least += count ? 1 : 0;
  }
  return passes;
}

Traffic::Traffic(const DeviceMemory &memory, const std::vector<char> &params)
    : memory(memory) {
  for (size_t i = 0; (i + 1) * 8 <= params.size(); ++i) {
    uint64_t address = 0;
    std::memcpy(&address, params.data() + i * 8, sizeof address);
    const Allocation *found = memory.find(address);
    if (!found || operands.count(address)) {
      continue;
    }
    Operand &own = operands[address];
    own = {static_cast<int>(i), address, found->address + found->size, {}, 0};
    auto at = operands.find(address);
    if (auto next = std::next(at); next != operands.end()) {
      own.high = std::min(own.high, next->first);
    }
    if (at != operands.begin()) {
      Operand &before = std::prev(at)->second;
      before.high = std::min(before.high, address);
    }
  }
}

/// The operand that holds an address. What no parameter leads to becomes one
/// without a number.
Traffic::Operand &Traffic::operandOf(uint64_t address) {
  auto next = operands.upper_bound(address);
  if (next != operands.begin()) {
    Operand &before = std::prev(next)->second;
    if (address < before.high) {
      return before;
    }
  }
  const Allocation *found = memory.find(address);
  Operand own{-1, address, address + 1, {}, 0};
  if (found) {
    own.low = found->address;
    own.high = found->address + found->size;
    if (next != operands.end()) {
      own.high = std::min(own.high, next->first);
    }
  }
  return operands[own.low] = std::move(own);
}

void Traffic::mark(Operand &operand, uint64_t address, unsigned bytes) {
  uint64_t base = operand.low / kSector;
  if (operand.read.empty()) {
    operand.read.resize((operand.high - 1) / kSector - base + 1);
  }
  uint64_t last = std::min((address + bytes - 1) / kSector - base,
                           uint64_t(operand.read.size() - 1));
  for (uint64_t s = address / kSector - base; s <= last; ++s) {
    operand.readSectors += operand.read[s] ? 0 : 1;
    operand.read[s] = true;
  }
}

Coverage Traffic::global(uint32_t pc, const uint64_t *addresses, Mask mask,
                         const unsigned *bytes, bool load) {
  Mask left = 0;
  for (Mask m = mask; m; m &= m - 1) {
    int l = __builtin_ctz(m);
    left |= bytes[l] ? Mask(1) << l : 0;
  }
  const Mask all = left;
  Coverage whole = coverage(addresses, all, bytes);
  while (left) {
    Operand &operand = operandOf(addresses[__builtin_ctz(left)]);
    Mask own = 0;
    for (Mask m = left; m; m &= m - 1) {
      int l = __builtin_ctz(m);
      if (addresses[l] >= operand.low && addresses[l] < operand.high) {
        own |= Mask(1) << l;
        if (load) {
          mark(operand, addresses[l], bytes[l]);
        }
      }
    }
    Coverage part = own == all ? whole : coverage(addresses, own, bytes);
    Requests &sum = requests[{pc, operand.low}];
    ++sum.requests;
    sum.sectors += part.sectors;
    sum.bytes += part.bytes;
    left &= ~own;
  }
  return whole;
}

Passes Traffic::shared(uint32_t pc, const uint32_t *offsets, Mask mask,
                       unsigned bytes) {
  Passes passes = countPasses(offsets, mask, bytes);
  SharedRequests &sum = sharedRequests[pc];
  ++sum.requests;
  sum.passes += passes.taken;
  sum.least += passes.least;
  return passes;
}

std::string Traffic::json(const Program &program) const {
  std::ostringstream out;
  auto begin = [&](uint32_t pc, bool &first) -> std::ostringstream & {
    out << (first ? "" : ", ") << "{\"line\": " << program.lineOf(pc)
        << ", \"op\": \"" << program.infos[program.code[pc].info].ast->opcode
        << '"';
    first = false;
    return out;
  };
  out << ", \"operands\": [";
  bool first = true;
  for (const auto &[low, operand] : operands) {
    out << (first ? "" : ", ") << "{\"parameter\": " << operand.parameter
        << ", \"bytes\": " << operand.high - operand.low
        << ", \"read_sectors\": " << operand.readSectors << "}";
    first = false;
  }
  out << "], \"global\": [";
  first = true;
  for (const auto &[key, sum] : requests) {
    begin(key.first, first)
        << ", \"parameter\": " << operands.at(key.second).parameter
        << ", \"requests\": " << sum.requests
        << ", \"sectors\": " << sum.sectors << ", \"bytes\": " << sum.bytes
        << "}";
  }
  out << "], \"shared\": [";
  first = true;
  for (const auto &[pc, sum] : sharedRequests) {
    begin(pc, first) << ", \"requests\": " << sum.requests
                     << ", \"passes\": " << sum.passes
                     << ", \"least_passes\": " << sum.least << "}";
  }
  out << "]";
  return out.str();
}

} // namespace rill::emu
