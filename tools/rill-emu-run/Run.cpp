// Launching one case and comparing its results.
#include "tools/rill-emu-run/Run.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace rill::emurun {

size_t elementSize(const std::string &t) {
  if (t == "u8" || t == "s8" || t == "b8") {
    return 1;
  }
  if (t == "u16" || t == "s16" || t == "b16" || t == "f16" || t == "bf16") {
    return 2;
  }
  if (t == "u32" || t == "s32" || t == "b32" || t == "f32") {
    return 4;
  }
  return t == "u64" || t == "s64" || t == "b64" || t == "f64" ? 8 : 0;
}

static double halfValue(uint16_t h) {
  int e = h >> 10 & 31, f = h & 1023;
  double v = e == 31  ? (f ? NAN : INFINITY)
             : e == 0 ? std::ldexp(f, -24)
                      : std::ldexp(1024 + f, e - 25);
  return h & 0x8000 ? -v : v;
}

double elementValue(const std::string &t, const char *p) {
  uint64_t v = 0;
  size_t n = elementSize(t);
  std::memcpy(&v, p, n);
  if (t == "f32") {
    return std::bit_cast<float>(static_cast<uint32_t>(v));
  }
  if (t == "f64") {
    return std::bit_cast<double>(v);
  }
  if (t == "bf16") {
    return std::bit_cast<float>(static_cast<uint32_t>(v) << 16);
  }
  if (t == "f16") {
    return halfValue(static_cast<uint16_t>(v));
  }
  if (t[0] == 's') {
    unsigned shift = 64 - 8 * static_cast<unsigned>(n);
    return static_cast<double>(static_cast<int64_t>(v << shift) >> shift);
  }
  return static_cast<double>(v);
}

/// Distance in representable numbers of the same format.
static double ulps(const std::string &t, const char *a, const char *b) {
  uint64_t x = 0, y = 0;
  size_t n = elementSize(t);
  std::memcpy(&x, a, n);
  std::memcpy(&y, b, n);
  auto order = [n](uint64_t v) {
    int64_t sign = static_cast<int64_t>(v >> (8 * n - 1) & 1);
    int64_t m = static_cast<int64_t>(
        v & ((n == 8 ? ~uint64_t(0) : (uint64_t(1) << 8 * n) - 1) >> 1));
    return sign ? -m : m;
  };
  return std::fabs(static_cast<double>(order(x)) -
                   static_cast<double>(order(y)));
}

std::string compare(const Argument &a) {
  size_t n = elementSize(a.type);
  for (size_t i = 0; i + n <= a.expected.size(); i += n) {
    const char *got = a.bytes.data() + i, *want = a.expected.data() + i;
    if (std::memcmp(got, want, n) == 0) {
      continue;
    }
    double g = elementValue(a.type, got), w = elementValue(a.type, want);
    bool isFloat = a.type[0] == 'f' || a.type[0] == 'b';
    bool ok = isFloat && std::isnan(g) && std::isnan(w);
    if (a.tolerance == "ulp") {
      ok = ok || ulps(a.type, got, want) <= a.bound;
    } else if (a.tolerance == "abs") {
      ok = ok || std::fabs(g - w) <= a.bound;
    } else if (a.tolerance == "rel") {
      ok = ok || std::fabs(g - w) <= a.bound * std::fabs(w);
    }
    if (!ok) {
      char text[200];
      uint64_t gb = 0, wb = 0;
      std::memcpy(&gb, got, n);
      std::memcpy(&wb, want, n);
      snprintf(text, sizeof text,
               "%s[%zu]: got %.9g (0x%llx), expected %.9g (0x%llx)",
               a.name.c_str(), i / n, g, static_cast<unsigned long long>(gb), w,
               static_cast<unsigned long long>(wb));
      return text;
    }
  }
  return "";
}

/// One case on the device: what must be given back, and the first error.
class Launch {
public:
  Launch(const DriverLibrary &driver, Case &c) : d(driver), c(c) {}
  ~Launch();
  rt::Status run();

private:
  rt::Status load();
  rt::Status upload();
  rt::Status encode();
  rt::Status failed(const char *call, int error) const {
    return rt::makeError(rt::ErrorCode::KernelFailed, c.kernel,
                         std::string(call) + " answers " + d.errorName(error));
  }

  const DriverLibrary &d;
  Case &c;
  void *module = nullptr, *function = nullptr;
  std::vector<unsigned long long> addresses;
  struct alignas(64) EncodedMap {
    char bytes[128];
  };
  std::vector<EncodedMap> encoded;
  std::vector<void *> params;
};

Launch::~Launch() {
  for (unsigned long long a : addresses) {
    if (a) {
      d.memFree(a);
    }
  }
  if (module) {
    d.moduleUnload(module);
  }
}

rt::Status Launch::load() {
  char log[4096] = "";
  int options[2] = {5, 6};
  void *values[2] = {log, reinterpret_cast<void *>(sizeof log)};
  int e = d.moduleLoadDataEx(&module, c.ptx.c_str(), 2, options, values);
  if (e) {
    return rt::makeError(rt::ErrorCode::PtxInvalid, c.file,
                         d.errorName(e) + (*log ? ": " : "") + log);
  }
  e = d.moduleGetFunction(&function, module, c.kernel.c_str());
  if (e) {
    return rt::makeError(rt::ErrorCode::PtxInvalid, c.file,
                         "no kernel named '" + c.kernel +
                             "': " + d.errorName(e));
  }
  e = c.shared > 48 * 1024
          ? d.funcSetAttribute(function, 8, static_cast<int>(c.shared))
          : 0;
  return e ? failed("cuFuncSetAttribute", e) : rt::Status();
}

rt::Status Launch::upload() {
  addresses.resize(c.arguments.size());
  for (size_t i = 0; i < c.arguments.size(); ++i) {
    Argument &a = c.arguments[i];
    if (a.isValue) {
      params.push_back(a.bytes.data());
      continue;
    }
    params.push_back(&addresses[i]);
    int e = d.memAlloc(&addresses[i], a.bytes.size());
    e = e ? e : d.memcpyHtoD(addresses[i], a.bytes.data(), a.bytes.size());
    if (e) {
      return failed("the copy to the device", e);
    }
  }
  return {};
}

rt::Status Launch::encode() {
  encoded.resize(c.maps.size());
  for (size_t i = 0; i < c.maps.size(); ++i) {
    const TensorMapArgument &m = c.maps[i];
    unsigned long long base = 0;
    for (size_t k = 0; k < c.arguments.size(); ++k) {
      base = c.arguments[k].name == m.buffer ? addresses[k] : base;
    }
    if (!d.tensorMapEncodeTiled) {
      return rt::makeError(rt::ErrorCode::NoDevice, d.name,
                           "the driver has no cuTensorMapEncodeTiled");
    }
    int e = d.tensorMapEncodeTiled(
        encoded[i].bytes, m.type, m.rank, reinterpret_cast<void *>(base),
        m.dims, m.strides, m.box, m.elementStrides, 0, m.swizzle, 0, m.fill);
    if (e) {
      return failed("cuTensorMapEncodeTiled", e);
    }
    params.insert(params.begin() + static_cast<long>(i), encoded[i].bytes);
  }
  return {};
}

rt::Status Launch::run() {
  RILL_TRY(load());
  RILL_TRY(upload());
  RILL_TRY(encode());
  int e = d.launchKernel(function, c.grid[0], c.grid[1], c.grid[2], c.block[0],
                         c.block[1], c.block[2], c.shared, nullptr,
                         params.data(), nullptr);
  if (e) {
    return failed("cuLaunchKernel", e);
  }
  if ((e = d.ctxSynchronize())) {
    return failed("the kernel", e);
  }
  for (size_t i = 0; i < c.arguments.size(); ++i) {
    Argument &a = c.arguments[i];
    e = a.isValue ? 0
                  : d.memcpyDtoH(a.bytes.data(), addresses[i], a.bytes.size());
    if (e) {
      return failed("the copy from the device", e);
    }
  }
  return {};
}

rt::Status run(const DriverLibrary &d, Case &c) { return Launch(d, c).run(); }

} // namespace rill::emurun
