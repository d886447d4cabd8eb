//===- plot.cpp - A plan as a picture -------------------------------------===//
//
// One panel per variant: dispatches from left to right, arena from bottom to
// top, one rectangle per buffer from its writer to its last reader.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-inspect/parts.h"

#include "runtime/core/plan.h"

#include <algorithm>
#include <map>

using namespace rill;
using rt::format;

namespace {
/// A buffer of the arena: bytes [offset, offset + bytes) at dispatches
/// first .. last.
struct Buffer {
  uint64_t offset, bytes;
  size_t first, last;
};
constexpr int kWidth = 960, kHeight = 220, kLeft = 10, kTop = 34, kGap = 16;
} // namespace

/// Text as XML character data.
static std::string escaped(const std::string &text) {
  std::string result;
  for (char c : text) {
    switch (c) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    default:
      result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return result;
}

/// The largest call: upper ends, but the tallest picture where h * w is bound.
static rt::Symbols largestCall(const rill_rt_plan &header) {
  rt::Symbols symbols;
  std::copy(header.symbol_max, header.symbol_max + 3, symbols.values);
  if (header.max_patches) {
    int64_t width = header.symbol_min[2];
    symbols.values[1] = std::min(
        header.symbol_max[1],
        std::max(header.symbol_min[1], int64_t(header.max_patches) / width));
    symbols.values[2] = width;
  }
  return symbols;
}

/// The buffers of the largest call. A write at an offset begins a buffer;
/// reads of the same offset belong to the last one there.
static std::vector<Buffer> buffersOf(const rt::Plan &plan) {
  rt::Symbols symbols = largestCall(plan.header);
  std::vector<Buffer> buffers;
  std::map<uint64_t, size_t> at; // offset -> the last buffer there
  for (size_t d = 0; d < plan.dispatches.size(); ++d) {
    const rill_rt_dispatch &dispatch = plan.dispatches[d];
    for (const rill_rt_operand &operand : plan.operands.subspan(
             dispatch.first_operand, dispatch.operand_count)) {
      if (operand.kind != RILL_RT_OPERAND_ARENA) {
        continue;
      }
      auto bytes = static_cast<uint64_t>(
          rt::runProgram(
              plan.program(operand.bytes_first, operand.bytes_length), symbols)
              .value_or(0));
      if (operand.access & RILL_RT_WRITE) {
        at[operand.offset] = buffers.size();
        buffers.push_back({operand.offset, bytes, d, d});
      } else if (auto found = at.find(operand.offset); found != at.end()) {
        buffers[found->second].last = d;
      }
    }
  }
  return buffers;
}

std::string rill::tools::rangesText(const rt::MethodVariant &variant) {
  std::string text;
  for (int i = 0; i < 3; ++i) {
    if (variant.bound[i]) {
      text += format(" %c %lld..%lld", "Shw"[i], (long long)variant.min[i],
                     (long long)variant.max[i]);
    }
  }
  for (int64_t step : variant.step) {
    if (step > 1) {
      return text + format(" in steps of %lld", (long long)step);
    }
  }
  return text;
}

static std::string panel(const rt::Artifact &artifact, const rt::Method &method,
                         const rt::MethodVariant &variant, const rt::Plan &plan,
                         int top) {
  std::string text = format(
      "<text x=\"%d\" y=\"%d\">%s %s%s: %zu dispatches, arena %llu "
      "bytes</text>\n",
      kLeft, top + 14, escaped(method.name).c_str(),
      escaped(variant.target).c_str(), tools::rangesText(variant).c_str(),
      plan.dispatches.size(), (unsigned long long)plan.header.arena_bytes);
  text += format("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
                 "class=\"arena\"/>\n",
                 kLeft, top + 20, kWidth, kHeight);
  const std::vector<std::string> *kernels = nullptr;
  for (const rt::TargetInfo &target : artifact.manifest().targets) {
    kernels = target.arch == variant.target ? &target.kernels : kernels;
  }
  double column = double(kWidth) / std::max<size_t>(plan.dispatches.size(), 1);
  double scale =
      double(kHeight) / double(std::max<uint64_t>(plan.header.arena_bytes, 1));
  for (const Buffer &buffer : buffersOf(plan)) {
    uint32_t kernel = plan.dispatches[buffer.first].kernel;
    text += format("<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                   "class=\"buffer\"><title>%s: bytes %llu..%llu, dispatches "
                   "%zu..%zu</title></rect>\n",
                   kLeft + double(buffer.first) * column,
                   top + 20 + kHeight -
                       double(buffer.offset + buffer.bytes) * scale,
                   double(buffer.last - buffer.first + 1) * column,
                   double(buffer.bytes) * scale,
                   kernels ? escaped((*kernels)[kernel]).c_str() : "",
                   (unsigned long long)buffer.offset,
                   (unsigned long long)(buffer.offset + buffer.bytes),
                   buffer.first, buffer.last);
  }
  return text;
}

rt::Result<std::string> tools::plotPlans(const rt::Artifact &artifact) {
  std::string panels;
  int top = kTop;
  for (const rt::Method &method : artifact.manifest().methods) {
    for (const rt::MethodVariant &variant : method.variants) {
      RILL_ASSIGN(rt::Plan plan, rt::readPlan(artifact, method, variant));
      panels += panel(artifact, method, variant, plan, top);
      top += kHeight + 20 + kGap;
    }
  }
  return format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
                "<style>.arena{fill:#f4f4f4;stroke:#999}"
                ".buffer{fill:#4a7fb5;fill-opacity:.7;stroke:#fff;"
                "stroke-width:.5}</style>\n"
                "<text x=\"%d\" y=\"20\" font-size=\"15\">%s: arena (bottom "
                "to top) over dispatches (left to right)</text>\n",
                kWidth + 2 * kLeft, top, kLeft,
                escaped(artifact.name()).c_str()) +
         panels + "</svg>\n";
}
