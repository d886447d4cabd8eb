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

std::string_view bodyOf(std::string_view file, const Section &s) {
  constexpr uint32_t kNoBits = 8;
  return s.type != kNoBits && s.offset <= file.size() &&
                 s.size <= file.size() - s.offset
             ? file.substr(s.offset, s.size)
             : std::string_view();
}

struct Elf {
  std::string_view file;
  const std::vector<Section> &sections;
  std::string_view strings;

  std::string_view nameOf(const Section &s) const {
    if (s.name >= strings.size()) {
      return {};
    }
    std::string_view name = strings.substr(s.name);
    return name.substr(0, name.find('\0'));
  }
};

/// What .nv.info says of a function: records of format 4 hold a symbol's
/// index and a value.
struct FunctionFacts {
  int registers = 0, stack = 0;
};

std::map<uint32_t, FunctionFacts> readInfo(std::string_view info) {
  constexpr uint8_t kSized = 4, kFrameSize = 0x11, kRegisters = 0x2f;
  std::map<uint32_t, FunctionFacts> facts;
  for (uint64_t at = 0; at + 4 <= info.size();) {
    uint8_t format = static_cast<uint8_t>(info[at]),
            attribute = static_cast<uint8_t>(info[at + 1]);
    uint16_t size = 0;
    read(info, at + 2, size);
    uint32_t symbol = 0, value = 0;
    if (format == kSized && size >= 8 && read(info, at + 4, symbol) &&
        read(info, at + 8, value)) {
      if (attribute == kRegisters) {
        facts[symbol].registers = static_cast<int>(value & 0xffff);
      } else if (attribute == kFrameSize) {
        facts[symbol].stack = static_cast<int>(value & 0x7fffffff);
      }
    }
    at += 4u + (format == kSized ? size : 0u);
  }
  return facts;
}

void readKernels(const Elf &elf, Cubin &out) {
  constexpr std::string_view kText = ".text.", kShared = ".nv.shared.";
  std::map<uint32_t, FunctionFacts> facts;
  std::map<std::string, uint64_t, std::less<>> shared;
  // From sm_90 on, a block's first 1024 bytes are the system's.
  bool reserved = false;
  for (const Section &s : elf.sections) {
    std::string_view name = elf.nameOf(s);
    if (name == ".nv.info") {
      facts = readInfo(bodyOf(elf.file, s));
    } else if (name.substr(0, kShared.size()) == kShared) {
      reserved = reserved || name == ".nv.shared.reserved.0";
      shared[std::string(name.substr(kShared.size()))] = s.size;
    }
  }
  for (const Section &s : elf.sections) {
    std::string_view name = elf.nameOf(s);
    if (name.substr(0, kText.size()) != kText) {
      continue;
    }
    CubinKernel k;
    k.name = std::string(name.substr(kText.size()));
    // Older ABIs keep the registers in the section's info, newer ones in
    // .nv.info alone.
    auto it = facts.find(s.info & 0xffffff);
    k.registers = static_cast<int>(s.info >> 24);
    if (it != facts.end()) {
      k.registers = it->second.registers ? it->second.registers : k.registers;
      k.stack = it->second.stack;
    }
    if (auto bytes = shared.find(k.name); bytes != shared.end()) {
      uint64_t own = std::min<uint64_t>(bytes->second, 1u << 30);
      k.shared = static_cast<int>(own - (reserved && own >= 1024 ? 1024 : 0));
    }
    k.codeBytes = s.size;
    countOpcodes(bodyOf(elf.file, s), k);
    out.kernels.push_back(std::move(k));
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
  if (names >= count) {
    error = "the section names are missing";
    return false;
  }
  readKernels({b, sections, bodyOf(b, sections[names])}, out);
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
