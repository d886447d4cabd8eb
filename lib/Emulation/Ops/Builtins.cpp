// vprintf, __assertfail, malloc, free, cudaGraphSetConditional.
#include "Builtins.h"

#include "../Checks/Access.h"
#include "../Core/Scheduler.h"

namespace rill::emu {

Builtin builtinOf(std::string_view name) {
  static constexpr std::pair<std::string_view, Builtin> kNames[] = {
      {"vprintf", Builtin::Vprintf},
      {"__assertfail", Builtin::AssertFail},
      {"malloc", Builtin::Malloc},
      {"free", Builtin::Free},
      {"cudaGraphSetConditional", Builtin::GraphSetConditional}};
  for (auto &[n, b] : kNames) {
    if (n == name) {
      return b;
    }
  }
  return Builtin::None;
}

namespace {

/// The lane's byte at a generic address.
const char *readable(Warp &w, int lane, uint64_t a, unsigned bytes) {
  if (spaceOf(a) == Space::Local) {
    uint64_t at = a & ~kWindowMask;
    size_t stride = static_cast<size_t>(w.localMemory(1) - w.localMemory(0));
    if (at + bytes > stride) {
      w.grid->scheduler->fault(w, lane, 700, Kind::OutOfBounds,
                               "local address outside the frame");
    }
    return w.localMemory(lane) + at;
  }
  if (spaceOf(a) == Space::Shared) {
    uint32_t offset = 0;
    Cta &c = locateShared(w, lane, a & ~kWindowMask, bytes, 1, offset);
    return c.shared.data() + offset;
  }
  return translateOne(w, lane, a, bytes, 1, false);
}

std::string readString(Warp &w, int lane, uint64_t a) {
  std::string out;
  for (; out.size() < 65536; ++a) {
    char c = *readable(w, lane, a, 1);
    if (!c) {
      break;
    }
    out += c;
  }
  return out;
}

/// printf with arguments packed as in C varargs on the device: 4-byte values
/// aligned to 4, 8-byte ones to 8.
std::string format(Warp &w, int lane, const std::string &f, uint64_t args) {
  std::string out;
  uint64_t at = args;
  auto take = [&](unsigned bytes) {
    at = (at + bytes - 1) / bytes * bytes;
    uint64_t v = 0;
    std::memcpy(&v, readable(w, lane, at, bytes), bytes);
    at += bytes;
    return v;
  };
  for (size_t i = 0; i < f.size(); ++i) {
    if (f[i] != '%') {
      out += f[i];
      continue;
    }
    std::string spec = "%";
    bool wide = false;
    for (++i; i < f.size() && std::strchr("-+ #0123456789.*lhzjt", f[i]); ++i) {
      if (f[i] == '*') {
        spec += std::to_string(static_cast<int32_t>(take(4)));
      } else if (std::strchr("lzjt", f[i])) {
        wide = true;
      } else if (f[i] != 'h' && spec.size() < 24) {
        spec += f[i];
      }
    }
    char kind = i < f.size() ? f[i] : '%', text[512];
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (std::strchr("diuxXoc", kind)) {
      uint64_t v = take(wide ? 8 : 4);
      bool s = kind == 'd' || kind == 'i';
      long long value = wide ? static_cast<long long>(v)
                        : s  ? static_cast<int32_t>(v)
                             : static_cast<long long>(v);
      spec += kind == 'c' ? "c" : std::string("ll") + kind;
      if (kind == 'c') {
        snprintf(text, sizeof text, spec.c_str(), static_cast<int>(value));
      } else {
        snprintf(text, sizeof text, spec.c_str(), value);
      }
      out += text;
    } else if (std::strchr("feEgGaA", kind)) {
      spec += kind;
      snprintf(text, sizeof text, spec.c_str(), std::bit_cast<double>(take(8)));
      out += text;
    } else if (kind == 's') {
      out += readString(w, lane, take(8));
    } else if (kind == 'p') {
      snprintf(text, sizeof text, "0x%llx",
               static_cast<unsigned long long>(take(8)));
      out += text;
    }
  }
  return out;
}

} // namespace

/// Prints finished text where the launch wants it; returns its length.
static uint32_t printText(Scheduler &s, const std::string &text) {
  if (s.print) {
    s.print(text);
  } else {
    fputs(text.c_str(), stdout);
  }
  return static_cast<uint32_t>(text.size());
}

void runBuiltin(Warp &w, int lane, Builtin what, const int64_t *ints) {
  Scheduler &s = *w.grid->scheduler;
  char *frame = w.localMemory(lane) + w.frame[lane];
  int64_t count = ints[0];
  auto argument = [&](int64_t i) {
    uint64_t v = 0;
    if (i < count) {
      std::memcpy(&v, frame + ints[1 + 2 * i],
                  std::min<size_t>(8, static_cast<size_t>(ints[2 + 2 * i])));
    }
    return v;
  };
  auto result = [&](uint64_t v, unsigned bytes) {
    std::memcpy(frame + ints[1 + 2 * count], &v, bytes);
  };
  switch (what) {
  case Builtin::Vprintf:
    result(printText(s, format(w, lane, readString(w, lane, argument(0)),
                               argument(1))),
           4);
    break;
  case Builtin::AssertFail:
    s.fault(w, lane, 710, Kind::Assertion,
            readString(w, lane, argument(1)) + ":" +
                std::to_string(static_cast<uint32_t>(argument(2))) + ": " +
                readString(w, lane, argument(3)) + ": assertion '" +
                readString(w, lane, argument(0)) + "' failed");
  case Builtin::Malloc: {
    uint64_t bytes = argument(0);
    Allocation *a = bytes && bytes < (uint64_t(8) << 20)
                        ? s.memory.allocate(bytes, Allocation::Device)
                        : nullptr;
    if (a) {
      a->label = "(device malloc)";
    }
    result(a ? a->address : 0, 8);
    break;
  }
  case Builtin::Free:
    if (argument(0) && !s.memory.release(argument(0))) {
      s.fault(w, lane, 700, Kind::UseAfterFree,
              "free of an address that malloc did not return");
    }
    for (Grid::Window &window : w.grid->windows) {
      window = Grid::Window();
    }
    break;
  case Builtin::GraphSetConditional:
    if (s.setConditional) {
      s.setConditional(argument(0), static_cast<uint32_t>(argument(1)));
    }
    break;
  case Builtin::None:
    break;
  }
}

} // namespace rill::emu
