// --arg: kernel arguments from the command line.
#include "tools/rill-emu-run/Run.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

namespace rill::emurun {

static rt::Error refuse(const std::string &where, const std::string &why) {
  return rt::makeError(rt::ErrorCode::BadUsage, where, why, "see --help");
}

static bool isFloat(const std::string &type) {
  return type[0] == 'f' || type == "bf16";
}

static void putNumber(const std::string &t, double v, char *to) {
  size_t n = elementSize(t);
  if (t == "f32") {
    float f = static_cast<float>(v);
    std::memcpy(to, &f, 4);
  } else if (t == "f64") {
    std::memcpy(to, &v, 8);
  } else if (t == "bf16") {
    float f = static_cast<float>(v);
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    std::memcpy(to, &bits, 2);
  } else if (t == "f16") {
    int e = v == 0 ? 0 : std::ilogb(v);
    double m = std::nearbyint(std::ldexp(std::fabs(v), 10 - e));
    uint16_t bits =
        v == 0 ? 0
               : static_cast<uint16_t>((v < 0 ? 0x8000 : 0) + ((e + 15) << 10) +
                                       (int(m) - 1024));
    std::memcpy(to, &bits, 2);
  } else {
    int64_t i = static_cast<int64_t>(v);
    std::memcpy(to, &i, n);
  }
}

static rt::Status fill(Argument &a, const std::string &gen, size_t count) {
  size_t n = elementSize(a.type);
  if (gen[0] != '@' && gen != "zero" && gen != "one" && gen != "iota" &&
      gen != "random") {
    return refuse(gen, "a generator is zero, one, iota, random or @FILE");
  }
  if (gen[0] == '@') {
    std::ifstream in(gen.substr(1), std::ios::binary);
    if (!in) {
      return rt::makeError(rt::ErrorCode::FileUnreadable, gen.substr(1),
                           "it cannot be opened");
    }
    a.bytes.assign(std::istreambuf_iterator<char>(in), {});
    return {};
  }
  a.bytes.resize(count * n);
  uint64_t state = 88172645463325252ull;
  for (size_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    double r = isFloat(a.type) ? double(state >> 40) / (1 << 23) - 1
                               : double(state >> 48);
    double v = gen == "one"      ? 1
               : gen == "iota"   ? double(i)
               : gen == "random" ? r
                                 : 0;
    putNumber(a.type, v, a.bytes.data() + i * n);
  }
  return {};
}

static rt::Status parseValue(const std::string &spec, size_t eq, Argument &a) {
  a.isValue = true;
  a.type = spec.substr(0, eq);
  if (!elementSize(a.type)) {
    return refuse(spec, "there is no type '" + a.type + "'");
  }
  a.bytes.resize(8);
  std::string v = spec.substr(eq + 1);
  char *end = nullptr;
  if (isFloat(a.type)) {
    putNumber(a.type, std::strtod(v.c_str(), &end), a.bytes.data());
  } else {
    int64_t i = std::strtoll(v.c_str(), &end, 0);
    std::memcpy(a.bytes.data(), &i, 8);
  }
  return v.empty() || *end ? refuse(spec, "'" + v + "' is no number")
                           : rt::Status();
}

/// A count of elements; 0 when the text is none or too large.
static size_t parseCount(const std::string &text) {
  char *end = nullptr;
  unsigned long long n = std::strtoull(text.c_str(), &end, 0);
  return text.empty() || *end || n > (1ull << 32) ? 0 : size_t(n);
}

rt::Status parseArgument(const std::string &spec, Argument &a) {
  if (size_t eq = spec.find('=');
      eq != std::string::npos && spec.find(':') == std::string::npos) {
    return parseValue(spec, eq, a);
  }
  std::vector<std::string> p;
  std::istringstream in(spec);
  for (std::string s; std::getline(in, s, ':');) {
    p.push_back(s);
  }
  if (p.size() < 3 || (p[0] != "in" && p[0] != "out") || !elementSize(p[1]) ||
      p[2].empty()) {
    return refuse(spec, "it is none of TYPE=VALUE, in:TYPE:GEN[:COUNT], "
                        "out:TYPE:COUNT, out:TYPE:@FILE");
  }
  a.type = p[1];
  a.name = p[0];
  if (p[0] == "in") {
    size_t count = p.size() > 3 ? parseCount(p[3]) : 1;
    return count ? fill(a, p[2], count)
                 : refuse(spec, "'" + p[3] + "' is no count of elements");
  }
  if (p[2][0] == '@') {
    RILL_TRY(fill(a, p[2], 0));
    a.expected = a.bytes;
    std::fill(a.bytes.begin(), a.bytes.end(), 0);
    return {};
  }
  size_t count = parseCount(p[2]);
  a.bytes.resize(count * elementSize(a.type));
  return count ? rt::Status()
               : refuse(spec, "'" + p[2] + "' is no count of elements");
}

} // namespace rill::emurun
