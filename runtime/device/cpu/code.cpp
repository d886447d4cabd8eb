//===- code.cpp - Native CPU code of an artifact --------------------------===//
//
// ELF checks (System V ABI, gABI chapter 5) and memfd + dlopen.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cpu/code.h"

#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace rill::rt;

std::vector<std::string> rill::rt::cpuTargets() {
  std::vector<std::string> targets;
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
            __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
            __builtin_cpu_supports("f16c");
  bool v4 = v3 && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") &&
            __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
  if (v4) {
    targets.push_back("x86-64-v4");
  }
  if (v3) {
    targets.push_back("x86-64-v3");
  }
#endif
  return targets;
}

namespace {
/// Reads records of an image without ever leaving it.
class ElfImage {
public:
  ElfImage(std::span<const uint8_t> bytes, const std::string &where)
      : bytes(bytes), where(where) {}

  Status check();

private:
  template <typename T>
  bool read(uint64_t offset, T &record) const {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
      return false;
    }
    std::memcpy(&record, bytes.data() + offset, sizeof(T));
    return true;
  }
  Error invalid(const char *why) const {
    return makeError(ErrorCode::CodeInvalid, where, why,
                     "the file is damaged; compile it anew");
  }
  Status checkDynamic(const Elf64_Phdr &segment) const;
  Status checkSymbols(uint64_t table, uint64_t strings, uint64_t stringBytes,
                      uint64_t count) const;
  /// The file offset of a virtual address; the image's size when there is none.
  uint64_t fileOffset(uint64_t address) const;

  std::span<const uint8_t> bytes;
  const std::string &where;
  Elf64_Ehdr header;
};
} // namespace

uint64_t ElfImage::fileOffset(uint64_t address) const {
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (read(header.e_phoff + uint64_t(i) * sizeof(segment), segment) &&
        segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz) {
      return segment.p_offset + (address - segment.p_vaddr);
    }
  }
  return bytes.size();
}

Status ElfImage::checkSymbols(uint64_t table, uint64_t strings,
                              uint64_t stringBytes, uint64_t count) const {
  for (uint64_t i = 1; i < count; ++i) {
    Elf64_Sym symbol;
    if (!read(table + i * sizeof(symbol), symbol)) {
      return invalid("its symbol table leaves the image");
    }
    if (symbol.st_shndx != SHN_UNDEF) {
      continue;
    }
    if (symbol.st_name >= stringBytes || strings > bytes.size() ||
        stringBytes > bytes.size() - strings) {
      return invalid("a symbol name leaves the image");
    }
    const char *text =
        reinterpret_cast<const char *>(bytes.data() + strings + symbol.st_name);
    std::string_view name(text, strnlen(text, stringBytes - symbol.st_name));
    if (name != "memcpy" && name != "memset" && name != "memmove") {
      return makeError(ErrorCode::CodeInvalid, where,
                       "has the undefined symbol " + std::string(name));
    }
  }
  return {};
}

Status ElfImage::checkDynamic(const Elf64_Phdr &segment) const {
  uint64_t symbols = 0, strings = 0, stringBytes = 0;
  for (uint64_t at = segment.p_offset;; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry;
    if (at - segment.p_offset >= segment.p_filesz || !read(at, entry)) {
      return invalid("its dynamic section does not end");
    }
    switch (entry.d_tag) {
    case DT_NULL:
      break;
    case DT_NEEDED:
    case DT_AUXILIARY:
    case DT_FILTER:
      return invalid("it needs another library");
    case DT_INIT:
    case DT_FINI:
    case DT_INIT_ARRAY:
    case DT_FINI_ARRAY:
    case DT_PREINIT_ARRAY:
      return invalid("it has a constructor or destructor");
    case DT_SYMTAB:
      symbols = fileOffset(entry.d_un.d_ptr);
      continue;
    case DT_STRTAB:
      strings = fileOffset(entry.d_un.d_ptr);
      continue;
    case DT_STRSZ:
      stringBytes = entry.d_un.d_val;
      continue;
    default:
      continue;
    }
    break;
  }
  // The dynamic symbol table ends where the section header says.
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    if (!read(header.e_shoff + uint64_t(i) * sizeof(section), section)) {
      return invalid("its section headers leave the image");
    }
    if (section.sh_type == SHT_DYNSYM && section.sh_offset == symbols) {
      return checkSymbols(symbols, strings, stringBytes,
                          section.sh_size / sizeof(Elf64_Sym));
    }
  }
  return invalid("it has no dynamic symbol table");
}

Status ElfImage::check() {
  if (!read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN ||
      header.e_machine != EM_X86_64 ||
      header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_shentsize != sizeof(Elf64_Shdr)) {
    return invalid("it is no x86-64 shared object");
  }
  bool dynamic = false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!read(header.e_phoff + uint64_t(i) * sizeof(segment), segment)) {
      return invalid("its program headers leave the image");
    }
    if (segment.p_type == PT_INTERP ||
        (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) &&
         (segment.p_flags & PF_X))) {
      return invalid("it has an interpreter or a writable code segment");
    }
    if (segment.p_type == PT_DYNAMIC) {
      dynamic = true;
      RILL_TRY(checkDynamic(segment));
    }
  }
  return dynamic ? Status() : Status(invalid("it has no dynamic section"));
}

Status rill::rt::checkElf(std::span<const uint8_t> image,
                          const std::string &where) {
  return ElfImage(image, where).check();
}

CpuCode &CpuCode::operator=(CpuCode &&other) noexcept {
  std::swap(handle, other.handle);
  std::swap(file, other.file);
  std::swap(functions, other.functions);
  return *this;
}

CpuCode::~CpuCode() {
  if (handle) {
    dlclose(handle);
  }
  if (file >= 0) {
    close(file);
  }
}

/// A file in memory that holds `image`; -1 when there is none.
static int memoryFile(std::span<const uint8_t> image) {
  int fd = memfd_create("rill-code", MFD_CLOEXEC);
  for (size_t done = 0; fd >= 0 && done < image.size();) {
    ssize_t count = ::write(fd, image.data() + done, image.size() - done);
    if (count <= 0) {
      close(fd);
      return -1;
    }
    done += static_cast<size_t>(count);
  }
  return fd;
}

Result<CpuCode> CpuCode::load(std::span<const uint8_t> image,
                              const std::vector<std::string> &kernels,
                              const std::string &where) {
  RILL_TRY(checkElf(image, where));
  CpuCode code;
  code.file = memoryFile(image);
  if (code.file < 0) {
    return makeError(ErrorCode::OutOfMemory, where,
                     "no memory file for the code can be made");
  }
  std::string path = format("/proc/self/fd/%d", code.file);
  code.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!code.handle) {
    return makeError(ErrorCode::CodeInvalid, where,
                     std::string("it cannot be loaded: ") + dlerror());
  }
  for (const std::string &name : kernels) {
    void *symbol = dlsym(code.handle, name.c_str());
    if (!symbol) {
      return makeError(ErrorCode::CodeInvalid, where,
                       "it lacks the kernel " + name);
    }
    code.functions.push_back(reinterpret_cast<rill_rt_cpu_kernel>(symbol));
  }
  return code;
}
