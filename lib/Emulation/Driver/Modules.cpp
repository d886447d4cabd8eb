// Modules from PTX text and from fat binaries that contain PTX; functions and
// their attributes.
#include "State.h"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace rill::emu::cuda {

namespace {

uint32_t read32(const unsigned char *p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
uint64_t read64(const unsigned char *p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}
uint16_t read16(const unsigned char *p) {
  return static_cast<uint16_t>(p[0] | p[1] << 8);
}

constexpr uint32_t kFatbinMagic = 0xba55ed50, kWrapperMagic = 0x466243b1;

/// One LZ4 block, as fat binaries of older toolkits store PTX.
bool inflateLz4(const unsigned char *in, size_t n, size_t size,
                std::string &out) {
  size_t at = 0;
  auto length = [&](size_t base) {
    while (base >= 15 && at < n) {
      unsigned char b = in[at++];
      base += b;
      if (b != 255) {
        break;
      }
    }
    return base;
  };
  while (at < n) {
    unsigned token = in[at++];
    size_t literals = token >> 4;
    literals = literals == 15 ? length(15) : literals;
    if (literals > n - at || out.size() + literals > size) {
      return false;
    }
    out.append(reinterpret_cast<const char *>(in + at), literals);
    at += literals;
    if (at >= n) {
      break;
    }
    if (n - at < 2) {
      return false;
    }
    size_t back = read16(in + at);
    at += 2;
    size_t match = token & 15;
    match = (match == 15 ? length(15) : match) + 4;
    if (back == 0 || back > out.size() || out.size() + match > size) {
      return false;
    }
    for (size_t i = 0; i < match; ++i) {
      out.push_back(out[out.size() - back]);
    }
  }
  return out.size() == size;
}

/// The best PTX of a fat binary for the chip.
CUresult ptxOfFatbin(const Chip &chip, const unsigned char *p, size_t limit,
                     std::string &text, std::string &log) {
  if (limit < 16) {
    return CUDA_ERROR_INVALID_IMAGE;
  }
  uint64_t total = read64(p + 8);
  size_t at = read16(p + 6);
  if (at < 16 || at > limit || total > limit - at) {
    return CUDA_ERROR_INVALID_IMAGE;
  }
  size_t end = at + total;
  uint32_t best = 0;
  while (at + 64 <= end) {
    const unsigned char *e = p + at;
    uint32_t header = read32(e + 4), arch = read32(e + 28);
    uint64_t size = read64(e + 8), flags = read64(e + 40);
    uint32_t compressed = read32(e + 16);
    uint64_t plain = read64(e + 56);
    if (header < 64 || size > end - at - header || header > end - at) {
      return CUDA_ERROR_INVALID_IMAGE;
    }
    bool isPtx = read16(e) == 1;
    if (isPtx && arch <= uint32_t(chip.major * 10 + chip.minor) &&
        arch >= best) {
      const unsigned char *body = e + header;
      if (flags & 0x8000) {
        log = "the PTX in this fat binary is compressed with zstd; build "
              "with --compress-mode=none";
      } else if (flags & 0x2000) {
        std::string out;
        if (plain > (1u << 30) || compressed > size ||
            !inflateLz4(body, compressed, plain, out)) {
          return CUDA_ERROR_INVALID_IMAGE;
        }
        text = out;
        best = arch;
      } else {
        text.assign(reinterpret_cast<const char *>(body), size);
        best = arch;
      }
    }
    at += header + size;
  }
  return best ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

/// Whether PTX for `target` may run on the chip: sm_XXa on exactly that
/// chip, sm_XXf on its family, plain sm_XX on it and later ones.
bool targetFits(const Chip &chip, std::string_view target) {
  if (target.substr(0, 3) != "sm_") {
    return false;
  }
  std::string_view digits = target.substr(3);
  char suffix = digits.empty() ? 0 : digits.back();
  int number = 0;
  for (char c : digits) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + (c - '0');
    }
    if (number > 9999) {
      return false;
    }
  }
  int mine = chip.major * 10 + chip.minor;
  if (suffix == 'a') {
    return number == mine;
  }
  if (suffix == 'f') {
    return number / 10 == mine / 10 && number <= mine;
  }
  return number <= mine;
}

void placeVariables(Driver &d, LoadedModule &m) {
  m.variables.assign(m.ptx->vars.size(), nullptr);
  for (size_t i = 0; i < m.ptx->vars.size(); ++i) {
    const Variable &v = m.ptx->vars[i];
    if (v.space != Space::Global && v.space != Space::Const) {
      continue;
    }
    Allocation *a = d.memory->allocate(std::max<uint64_t>(v.size, 1),
                                       Allocation::Module, v.align);
    if (!a) {
      throw std::bad_alloc();
    }
    a->label = std::string(v.name);
    a->readOnly = v.space == Space::Const;
    std::memset(a->host(a->address), 0, v.size);
    std::copy_n(v.init.data(), std::min<uint64_t>(v.init.size(), v.size),
                a->host(a->address));
    std::fill(a->written.begin(), a->written.end(), uint8_t(0xff));
    m.variables[i] = a;
  }
}

void relocate(LoadedModule &m) {
  for (size_t i = 0; i < m.ptx->vars.size(); ++i) {
    const Variable &v = m.ptx->vars[i];
    if (!m.variables[i]) {
      continue;
    }
    for (const Reloc &r : v.relocs) {
      uint64_t value = 0;
      if (auto it = m.ptx->varIndex.find(r.symbol);
          it != m.ptx->varIndex.end() && m.variables[it->second]) {
        value = m.variables[it->second]->address;
      } else if (auto f = m.ptx->functionIndex.find(r.symbol);
                 f != m.ptx->functionIndex.end()) {
        value = kCodeWindow | f->second;
      } else {
        throw PtxError(m.ptx->name + ":" + std::to_string(v.line) +
                           ": the initialiser of '" + std::string(v.name) +
                           "' names '" + std::string(r.symbol) +
                           "', which has no address",
                       v.line);
      }
      value += static_cast<uint64_t>(r.addend);
      if (r.at + r.size <= v.size) {
        std::memcpy(m.variables[i]->host(m.variables[i]->address) + r.at,
                    &value, r.size);
      }
    }
  }
}

} // namespace

void unloadModule(Driver &d, LoadedModule *m) {
  for (Allocation *a : m->variables) {
    if (a) {
      d.memory->release(a->address);
    }
  }
  m->context->modules.erase(m);
  delete m;
}

CUresult loadImage(Driver &d, Context &c, const void *image, size_t limit,
                   const std::string &name, LoadedModule *&out,
                   std::string &log) {
  const auto *p = static_cast<const unsigned char *>(image);
  std::string text;
  if (limit >= 4 && read32(p) == 0x464c457f) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU; // a bare cubin
  }
  if (limit >= 24 && read32(p) == kWrapperMagic) {
    p = reinterpret_cast<const unsigned char *>(read64(p + 8));
    limit = ~size_t(0) >> 1;
  }
  if (limit >= 4 && read32(p) == kFatbinMagic) {
    RILL_TRY_CU(ptxOfFatbin(*d.chip, p, limit, text, log));
  } else {
    text.assign(reinterpret_cast<const char *>(p),
                strnlen(reinterpret_cast<const char *>(p), limit));
  }
  auto m = std::make_unique<LoadedModule>();
  m->context = &c;
  try {
    m->ptx = parsePtx(std::move(text), name);
    if (m->ptx->versionMajor > 9 ||
        (m->ptx->versionMajor == 9 && m->ptx->versionMinor > 0)) {
      log = name + ": .version " + std::to_string(m->ptx->versionMajor) + "." +
            std::to_string(m->ptx->versionMinor) + " is newer than 9.0";
      return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    }
    if (!targetFits(*d.chip, m->ptx->target)) {
      log = name + ": .target " + std::string(m->ptx->target) +
            " does not run on " + std::string(d.chip->arch);
      return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    placeVariables(d, *m);
    relocate(*m);
    for (auto &f : m->ptx->functions) {
      if (f->isKernel && f->hasBody) {
        auto h = std::make_unique<FunctionHandle>();
        h->module = m.get();
        h->ast = f.get();
        // Decode now: an unknown instruction is an error of the load.
        RILL_TRY_CU(programOf(d, *h));
        m->functions[std::string(f->name)] = std::move(h);
      }
    }
  } catch (const PtxError &e) {
    log = e.what();
    Finding f;
    f.kind = Kind::Illegal;
    f.message = e.what();
    d.report.add(std::move(f));
    for (Allocation *a : m->variables) {
      if (a) {
        d.memory->release(a->address);
      }
    }
    return CUDA_ERROR_INVALID_PTX;
  }
  out = m.release();
  c.modules.insert(out);
  return CUDA_SUCCESS;
}

uint32_t registersOf(const Driver &d, const FunctionHandle &f, bool *known) {
  const Function &a = *f.ast;
  auto it = d.knownRegisters.find(a.name);
  bool listed = it != d.knownRegisters.end();
  if (known) {
    *known = listed || a.maxnreg;
  }
  if (listed || a.maxnreg) {
    return listed ? static_cast<uint32_t>(it->second) : a.maxnreg;
  }
  uint64_t threads = uint64_t(std::max(a.maxntid[0], a.reqntid[0])) *
                     std::max({1u, a.maxntid[1], a.reqntid[1]}) *
                     std::max({1u, a.maxntid[2], a.reqntid[2]});
  uint64_t bound = threads && threads <= 1024 ? 65536 / threads / 8 * 8 : 255;
  return std::min(f.program->registerEstimate,
                  static_cast<uint32_t>(std::min<uint64_t>(bound, 255)));
}

CUresult programOf(Driver &, FunctionHandle &f) {
  if (!f.program) {
    LoadedModule *m = f.module;
    f.program = decodeKernel(*m->ptx, *f.ast, [m](uint32_t v) -> uint64_t {
      if (!m->variables[v]) {
        throw PtxError(m->ptx->name + ": variable '" +
                           std::string(m->ptx->vars[v].name) +
                           "' has no address",
                       m->ptx->vars[v].line);
      }
      return m->variables[v]->address;
    });
  }
  return CUDA_SUCCESS;
}

static CUresult load(const char *name, CUmodule *out, const void *image,
                     size_t limit, const std::string &label, char *buffer,
                     size_t bufferSize) {
  return guarded(name, true, [&](Driver &d) -> CUresult {
    Context *c = nullptr;
    RILL_TRY_CU(d.context(c));
    if (!out || !image) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::string log;
    LoadedModule *m = nullptr;
    std::string title =
        label.empty() ? "module" + std::to_string(d.nextId++) + ".ptx" : label;
    CUresult e = loadImage(d, *c, image, limit, title, m, log);
    if (buffer && bufferSize) {
      snprintf(buffer, bufferSize, "%s", log.c_str());
    }
    if (!e) {
      *out = m;
    }
    return e;
  });
}

RILL_CUDA_API CUresult cuModuleLoadDataEx(CUmodule *out, const void *image,
                                          unsigned n, int *options,
                                          void **values) {
  char *buffer = nullptr;
  size_t size = 0;
  for (unsigned i = 0; options && values && i < n; ++i) {
    if (options[i] == 5) { // error log buffer
      buffer = static_cast<char *>(values[i]);
    } else if (options[i] == 6) { // its size
      size = reinterpret_cast<size_t>(values[i]);
    }
  }
  return load("cuModuleLoadDataEx", out, image, ~size_t(0) >> 1, "", buffer,
              size);
}
RILL_CUDA_API CUresult cuModuleLoadData(CUmodule *out, const void *image) {
  return load("cuModuleLoadData", out, image, ~size_t(0) >> 1, "", nullptr, 0);
}
RILL_CUDA_API CUresult cuModuleLoadFatBinary(CUmodule *out, const void *image) {
  return load("cuModuleLoadFatBinary", out, image, ~size_t(0) >> 1, "", nullptr,
              0);
}
RILL_CUDA_API CUresult cuModuleLoad(CUmodule *out, const char *path) {
  if (!path) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return CUDA_ERROR_FILE_NOT_FOUND;
  }
  std::string bytes((std::istreambuf_iterator<char>(in)),
                    std::istreambuf_iterator<char>());
  return load("cuModuleLoad", out, bytes.c_str(), bytes.size(), path, nullptr,
              0);
}

static LoadedModule *moduleOf(Driver &d, CUmodule m) {
  for (Context *c : d.contexts) {
    if (c->modules.count(m)) {
      return m;
    }
  }
  return nullptr;
}

static FunctionHandle *functionOf(Driver &d, CUfunction f) {
  for (Context *c : d.contexts) {
    for (LoadedModule *m : c->modules) {
      for (auto &[name, h] : m->functions) {
        if (h.get() == f) {
          return f;
        }
      }
    }
  }
  return nullptr;
}

RILL_CUDA_API CUresult cuModuleUnload(CUmodule handle) {
  return guarded("cuModuleUnload", true, [&](Driver &d) -> CUresult {
    LoadedModule *m = moduleOf(d, handle);
    if (!m) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    d.finishAll(*m->context);
    unloadModule(d, m);
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle,
                                           const char *name) {
  return guarded("cuModuleGetFunction", true, [&](Driver &d) -> CUresult {
    if (!out || !name) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    LoadedModule *m = moduleOf(d, handle);
    if (!m) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    auto it = m->functions.find(std::string_view(name));
    if (it == m->functions.end()) {
      return CUDA_ERROR_NOT_FOUND;
    }
    *out = it->second.get();
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuModuleGetFunctionCount(unsigned *count, CUmodule m) {
  return guarded("cuModuleGetFunctionCount", true, [&](Driver &d) -> CUresult {
    if (!count || !moduleOf(d, m)) {
      return count ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
    }
    *count = static_cast<unsigned>(m->functions.size());
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuModuleEnumerateFunctions(CUfunction *out, unsigned n,
                                                  CUmodule m) {
  return guarded("cuModuleEnumerateFunctions", true,
                 [&](Driver &d) -> CUresult {
                   if (!moduleOf(d, m) || (!out && n)) {
                     return CUDA_ERROR_INVALID_HANDLE;
                   }
                   unsigned i = 0;
                   for (auto &[name, f] : m->functions) {
                     if (i < n) {
                       out[i++] = f.get();
                     }
                   }
                   return CUDA_SUCCESS;
                 });
}

RILL_CUDA_API CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes,
                                            CUmodule handle, const char *name) {
  return guarded("cuModuleGetGlobal_v2", true, [&](Driver &d) -> CUresult {
    LoadedModule *m = moduleOf(d, handle);
    if (!m) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!name) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto it = m->ptx->varIndex.find(std::string_view(name));
    if (it == m->ptx->varIndex.end() || !m->variables[it->second]) {
      return CUDA_ERROR_NOT_FOUND;
    }
    if (address) {
      *address = m->variables[it->second]->address;
    }
    if (bytes) {
      *bytes = m->ptx->vars[it->second].size;
    }
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuLibraryLoadData(CUlibrary *out, const void *code,
                                         int *, void **, unsigned, int *,
                                         void **, unsigned) {
  CUmodule m = nullptr;
  CUresult e =
      load("cuLibraryLoadData", &m, code, ~size_t(0) >> 1, "", nullptr, 0);
  if (e || !out) {
    return e ? e : CUDA_ERROR_INVALID_VALUE;
  }
  std::lock_guard lock(driver().mutex);
  *out = new Library{m};
  driver().libraries.insert(*out);
  return CUDA_SUCCESS;
}
RILL_CUDA_API CUresult cuLibraryUnload(CUlibrary library) {
  return guarded("cuLibraryUnload", true, [&](Driver &d) -> CUresult {
    if (!d.libraries.erase(library)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (LoadedModule *m = moduleOf(d, library->module)) {
      d.finishAll(*m->context);
      unloadModule(d, m);
    }
    delete library;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuLibraryGetModule(CUmodule *out, CUlibrary library) {
  return guarded("cuLibraryGetModule", true, [&](Driver &d) -> CUresult {
    if (!out || !d.libraries.count(library)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    *out = library->module;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary library,
                                          const char *name) {
  {
    std::lock_guard lock(driver().mutex);
    if (!driver().libraries.count(library)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
  }
  return cuModuleGetFunction(out, library->module, name);
}
RILL_CUDA_API CUresult cuKernelGetFunction(CUfunction *out, CUkernel k) {
  return guarded("cuKernelGetFunction", true, [&](Driver &d) -> CUresult {
    if (!out || !functionOf(d, k)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    *out = k;
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuFuncGetAttribute(int *value, int attribute,
                                          CUfunction handle) {
  return guarded("cuFuncGetAttribute", true, [&](Driver &d) -> CUresult {
    FunctionHandle *f = functionOf(d, handle);
    if (!f) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!value) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const Function &ast = *f->ast;
    uint64_t block = uint64_t(std::max(ast.maxntid[0], ast.reqntid[0])) *
                     std::max({1u, ast.maxntid[1], ast.reqntid[1]}) *
                     std::max({1u, ast.maxntid[2], ast.reqntid[2]});
    switch (attribute) {
    case 0: // threads per block
      *value = block ? static_cast<int>(std::min<uint64_t>(block, 1024)) : 1024;
      break;
    case 1: // static shared
      *value = static_cast<int>(f->program->staticShared);
      break;
    case 2: // constant
      *value = 0;
      break;
    case 3: // local
      *value = static_cast<int>(f->program->maxFrame);
      break;
    case 4:
      *value = static_cast<int>(registersOf(d, *f, nullptr));
      break;
    case 5: // PTX version
    case 6: // binary version
      *value = d.chip->major * 10 + d.chip->minor;
      break;
    case 8:
      *value = f->maxDynamicShared;
      break;
    case 9:
      *value = f->carveout;
      break;
    case 10: // cluster size must be set
      *value = ast.reqCluster[0] != 0;
      break;
    case 11:
    case 12:
    case 13:
      *value = ast.reqCluster[0]
                   ? static_cast<int>(ast.reqCluster[attribute - 11])
                   : f->requiredCluster[attribute - 11];
      break;
    case 14:
      *value = f->nonPortableCluster;
      break;
    default:
      if (attribute < 0 || attribute > 16) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      *value = 0;
    }
    return CUDA_SUCCESS;
  });
}

RILL_CUDA_API CUresult cuFuncSetAttribute(CUfunction handle, int attribute,
                                          int value) {
  return guarded("cuFuncSetAttribute", true, [&](Driver &d) -> CUresult {
    FunctionHandle *f = functionOf(d, handle);
    if (!f) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    switch (attribute) {
    case 8:
      if (value < 0 || value + static_cast<int>(f->program->staticShared) >
                           d.chip->sharedPerBlockOptin) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      f->maxDynamicShared = value;
      return CUDA_SUCCESS;
    case 9:
      if (value < -1 || value > 100) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      f->carveout = value;
      return CUDA_SUCCESS;
    case 11:
    case 12:
    case 13:
      f->requiredCluster[attribute - 11] = value;
      return CUDA_SUCCESS;
    case 14:
      f->nonPortableCluster = value;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

RILL_CUDA_API CUresult cuFuncSetCacheConfig(CUfunction, int) {
  return CUDA_SUCCESS;
}
RILL_CUDA_API CUresult cuFuncLoad(CUfunction f) {
  return guarded("cuFuncLoad", true, [&](Driver &d) {
    return functionOf(d, f) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  });
}
RILL_CUDA_API CUresult cuFuncGetModule(CUmodule *out, CUfunction f) {
  return guarded("cuFuncGetModule", true, [&](Driver &d) -> CUresult {
    if (!out || !functionOf(d, f)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    *out = f->module;
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuFuncGetName(const char **out, CUfunction f) {
  return guarded("cuFuncGetName", true, [&](Driver &d) -> CUresult {
    if (!out || !functionOf(d, f)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    for (auto &[name, h] : f->module->functions) {
      if (h.get() == f) {
        *out = name.c_str();
      }
    }
    return CUDA_SUCCESS;
  });
}
RILL_CUDA_API CUresult cuFuncGetParamInfo(CUfunction f, size_t index,
                                          size_t *offset, size_t *size) {
  return guarded("cuFuncGetParamInfo", true, [&](Driver &d) -> CUresult {
    if (!functionOf(d, f)) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!offset || index >= f->program->paramOffset.size()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *offset = f->program->paramOffset[index];
    if (size) {
      *size = f->ast->params[index].size;
    }
    return CUDA_SUCCESS;
  });
}

} // namespace rill::emu::cuda
