// Readers of ptxas logs and cubins.
#include "lib/CubinInfo/CubinInfo.h"

#include <algorithm>
#include <cstring>

namespace rill::cubin {

namespace {

/// The integer before `what` in a line, or -1.
int numberBefore(std::string_view line, std::string_view what) {
  size_t at = line.find(what);
  if (at == std::string_view::npos) {
    return -1;
  }
  size_t end = at;
  while (end > 0 && line[end - 1] == ' ') {
    --end;
  }
  size_t start = end;
  while (start > 0 && line[start - 1] >= '0' && line[start - 1] <= '9') {
    --start;
  }
  if (start == end || end - start > 9) {
    return -1;
  }
  return std::stoi(std::string(line.substr(start, end - start)));
}

std::string quoted(std::string_view line, size_t from) {
  size_t a = line.find('\'', from);
  size_t b = a == std::string_view::npos ? a : line.find('\'', a + 1);
  return b == std::string_view::npos
             ? ""
             : std::string(line.substr(a + 1, b - a - 1));
}

struct Row {
  uint32_t opcode;
  Sass kind;
};
constexpr Row kOpcodes[] = {
    {0x23c, Sass::Hmma},        {0x9f0, Sass::Wgmma},
    {0x83b, Sass::Ldsm},        {0x981, Sass::LoadGlobal},
    {0x986, Sass::StoreGlobal}, {0x984, Sass::LoadShared},
    {0x388, Sass::StoreShared}, {0x988, Sass::StoreShared},
    {0x983, Sass::LoadLocal},   {0x387, Sass::StoreLocal},
    {0x987, Sass::StoreLocal},  {0xfae, Sass::CpAsync},
    {0xb1d, Sass::Barrier},     {0xf89, Sass::Shuffle},
    {0x223, Sass::Ffma},        {0x308, Sass::Mufu},
    {0x9a8, Sass::Atomic},      {0x98e, Sass::Atomic},
    {0x9a6, Sass::Atomic},      {0x5b4, Sass::TensorLoad},
    {0x3b5, Sass::TensorStore}, {0x918, Sass::Nop}};

template <class T>
bool read(std::string_view bytes, uint64_t at, T &out) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) {
    return false;
  }
  std::memcpy(&out, bytes.data() + at, sizeof(T));
  return true;
}

struct Section {
  uint32_t name, type;
  uint64_t flags, address, offset, size;
  uint32_t link, info;
  uint64_t align, entry;
};

void countOpcodes(std::string_view code, CubinKernel &k) {
  for (uint64_t at = 0; at + 16 <= code.size(); at += 16) {
    uint64_t word = 0;
    std::memcpy(&word, code.data() + at, 8);
    uint32_t opcode = word & 0xfff;
    ++k.opcodes[opcode];
    ++k.histogram[sassOf(opcode)];
  }
}

} // namespace

PtxasLog parsePtxasLog(std::string_view log) {
  PtxasLog out;
  while (!log.empty()) {
    size_t end = std::min(log.find('\n'), log.size());
    std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (size_t at = line.find("Compiling entry function");
        at != std::string_view::npos) {
      PtxasKernel k;
      k.name = quoted(line, at);
      size_t chip = line.find(" for ", at);
      k.chip = chip == std::string_view::npos ? "" : quoted(line, chip);
      out.kernels.push_back(std::move(k));
    }
    if (size_t c = line.find("(C7"); c != std::string_view::npos) {
      size_t close = std::min(line.find(')', c), line.size());
      out.warnings.push_back(
          {std::string(line.substr(c + 1, close - c - 1)), std::string(line)});
    }
    if (out.kernels.empty()) {
      continue;
    }
    PtxasKernel &k = out.kernels.back();
    if (line.find("bytes stack frame") != std::string_view::npos) {
      k.stack = numberBefore(line, "bytes stack frame");
      k.spillStores = numberBefore(line, "bytes spill stores");
      k.spillLoads = numberBefore(line, "bytes spill loads");
    }
    if (line.find("Used ") != std::string_view::npos &&
        line.find("registers") != std::string_view::npos) {
      k.registers = numberBefore(line, "registers");
      k.barriers = std::max(0, numberBefore(line, "barriers"));
      k.shared = std::max(0, numberBefore(line, "bytes smem"));
    }
  }
  return out;
}

const char *sassName(Sass s) {
  static const char *const names[] = {
      "HMMA", "WGMMA",   "LDSM",    "LDG", "STG",  "LDS",  "STS",
      "LDL",  "STL",     "LDGSTS",  "BAR", "SHFL", "FFMA", "MUFU",
      "ATOM", "UTMALDG", "UTMASTG", "NOP", "other"};
  return names[static_cast<size_t>(s)];
}

Sass sassOf(uint32_t opcode) {
  for (const Row &r : kOpcodes) {
    if (r.opcode == opcode) {
      return r.kind;
    }
  }
  return Sass::Other;
}

bool readCubin(std::string_view b, Cubin &out, std::string &error) {
  uint64_t table = 0;
  uint16_t entrySize = 0, count = 0, names = 0;
  if (b.size() < 64 ||
      b.substr(0, 4) != "\x7f"
                        "ELF" ||
      b[4] != 2 || !read(b, 0x28, table) || !read(b, 0x3a, entrySize) ||
      !read(b, 0x3c, count) || !read(b, 0x3e, names) || entrySize < 64) {
    error = "no ELF64 file";
    return false;
  }
  std::vector<Section> sections(count);
  for (uint64_t i = 0; i < count; ++i) {
    if (table > b.size() || !read(b, table + i * entrySize, sections[i])) {
      error = "the section table lies outside the file";
      return false;
    }
  }
  auto body = [&](const Section &s) {
    return s.type != 8 && s.offset <= b.size() && s.size <= b.size() - s.offset
               ? b.substr(s.offset, s.size)
               : std::string_view();
  };
  if (names >= count) {
    error = "the section names are missing";
    return false;
  }
  std::string_view strings = body(sections[names]);
  constexpr std::string_view kText = ".text.";
  for (const Section &s : sections) {
    if (s.name >= strings.size()) {
      continue;
    }
    std::string_view name = strings.substr(s.name);
    name = name.substr(0, name.find('\0'));
    if (name.substr(0, kText.size()) != kText) {
      continue;
    }
    CubinKernel k;
    k.name = std::string(name.substr(kText.size()));
    k.registers = static_cast<int>(s.info >> 24);
    k.codeBytes = s.size;
    countOpcodes(body(s), k);
    out.kernels.push_back(std::move(k));
  }
  return true;
}

int occupancy(const SmLimits &sm, const BlockNeeds &n) {
  if (n.threads < 1 || n.threads > 1024) {
    return 0;
  }
  int warps = (n.threads + 31) / 32;
  int registers = (std::max(n.registersPerThread, 1) + 7) / 8 * 8 * 32;
  registers = (registers + 255) / 256 * 256;
  int byThreads = sm.threads / 32 / warps;
  // Registers belong to one of four partitions.
  int byRegisters = sm.registers / 4 / registers * 4 / warps;
  int shared = (n.shared + sm.sharedReserved + 127) / 128 * 128;
  return std::max(
      0, std::min({byThreads, byRegisters, sm.shared / shared, sm.blocks}));
}

} // namespace rill::cubin
