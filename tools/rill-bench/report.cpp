//===- report.cpp - What rill-bench prints --------------------------------===//
//
// Markdown or JSON; every rate beside its share of a ceiling.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-bench/report.h"

#include <cstdio>

using namespace rill;
using namespace rill::tools;
using rt::JsonValue;

/// One line each for what drafting costs and gives.
static void printSpeculation(const rt::JsonValue &synthetic,
                             const rt::JsonValue &prompts) {
  auto number = [](const rt::JsonValue &object, const char *key) {
    const rt::JsonValue *value = object.find(key);
    return value->asInt() ? static_cast<double>(*value->asInt())
                          : *value->asDouble();
  };
  if (!synthetic.isNull()) {
    double decode = number(synthetic, "decode"),
           verify = number(synthetic, "verify"),
           token = number(synthetic, "token");
    std::printf("\ndrafting, %.0f rows, %.0f tokens a step: decode %.3f ms, "
                "draft %.3f ms, verify %.3f ms (%.2f decodes); %.3f ms a token "
                "(%.2f x plain); outside both %.1f %%\n",
                number(synthetic, "width"), number(synthetic, "length"),
                1e3 * decode, 1e3 * number(synthetic, "draft"), 1e3 * verify,
                verify / decode, 1e3 * token, decode / token,
                100 * number(synthetic, "outside"));
  }
  if (!prompts.isNull()) {
    double plain = number(prompts, "plain"),
           drafted = number(prompts, "drafted");
    std::printf("\n%.0f prompts, %.0f tokens:", number(prompts, "prompts"),
                number(prompts, "tokens"));
    if (plain > 0) {
      std::printf(" plain %.1f ms", 1e3 * plain);
    }
    if (drafted > 0) {
      std::printf(" drafted %.1f ms, mean length %.2f", 1e3 * drafted,
                  number(prompts, "mean_length"));
    }
    if (plain > 0 && drafted > 0) {
      std::printf(" (%.2f x plain), %.0f answers equal", plain / drafted,
                  number(prompts, "equal"));
    }
    std::printf("\n");
  }
}

/// The time that the nearer ceiling allows a unit.
static double floorOf(const Row &row, const Ceilings &ceilings) {
  return std::max(row.bytes / ceilings.read, row.flops / ceilings.flops);
}

/// What a launch takes beyond the ceiling, in the mean of a unit's.
static double exposed(const Row &row, const Ceilings &ceilings) {
  return row.dispatches > 0
             ? (row.median() - floorOf(row, ceilings)) / row.dispatches
             : 0;
}

static JsonValue rowObject(const Row &row, const Ceilings &ceilings) {
  double seconds = row.median();
  return JsonValue::Object{
      {"name", row.name},
      {"seconds", seconds},
      {"mean", row.mean()},
      {"deviation", row.deviation()},
      {"p50", seconds},
      {"p90", row.percentile(0.9)},
      {"p99", row.percentile(0.99)},
      {"repetitions", static_cast<int64_t>(row.seconds.size())},
      {"bytes", row.bytes},
      {"flops", row.flops},
      {"read_share", row.bytes / seconds / ceilings.read},
      {"compute_share", row.flops / seconds / ceilings.flops},
      {"dispatches", row.dispatches},
      {"dispatch_seconds", row.kernelSeconds},
      {"exposed_seconds_per_dispatch", exposed(row, ceilings)}};
}

static void printJson(const Report &report) {
  const Ceilings &ceilings = report.meter.best();
  JsonValue::Array list;
  for (const Row &row : report.rows) {
    list.push_back(rowObject(row, ceilings));
  }
  JsonValue::Object root{{"schema", "rill.bench/1"},
                         {"device", report.meter.device()},
                         {"target", report.target},
                         {"threads", report.threads},
                         {"read_bytes_per_second", ceilings.read},
                         {"compute", report.meter.compute()},
                         {"compute_flop_per_second", ceilings.flops},
                         {"remark", report.meter.remark()},
                         {"rows", list},
                         {"synthetic", report.synthetic},
                         {"prompts", report.prompts}};
  std::printf("%s\n", rt::writeJson(root, {", ", ": ", 2}).c_str());
}

static void printMarkdown(const Report &report) {
  const Ceilings &ceilings = report.meter.best();
  const char *by = report.meter.compute().c_str();
  std::printf("%s, %s; ceilings of this run: read %.1f GB/s, %s %.1f "
              "GFLOP/s\n",
              report.meter.device().c_str(), report.target.c_str(),
              ceilings.read / 1e9, by, ceilings.flops / 1e9);
  if (std::string remark = report.meter.remark(); !remark.empty()) {
    std::printf("%s\n", remark.c_str());
  }
  std::printf("\n| test | ms | p90 | MB | GB/s | %% of read | GFLOP/s | %% of "
              "%s | dispatches | ms in them alone | exposed us each |\n"
              "|---|---|---|---|---|---|---|---|---|---|---|\n",
              by);
  for (const Row &row : report.rows) {
    double seconds = row.median();
    std::printf("| %s | %.3f | %.3f | %.2f | %.1f | %.0f | %.1f | %.0f | %.0f "
                "| %.3f | %.2f |\n",
                row.name.c_str(), 1e3 * seconds, 1e3 * row.percentile(0.9),
                row.bytes / 1e6, row.bytes / seconds / 1e9,
                100 * row.bytes / seconds / ceilings.read,
                row.flops / seconds / 1e9,
                100 * row.flops / seconds / ceilings.flops, row.dispatches,
                1e3 * row.kernelSeconds, 1e6 * exposed(row, ceilings));
  }
  printSpeculation(report.synthetic, report.prompts);
}

void rill::tools::printReport(const Report &report, const Flags &flags) {
  if (flags.output == "json") {
    printJson(report);
  } else {
    printMarkdown(report);
  }
  if (flags.profileOps) {
    for (const Row &row : report.rows) {
      std::fprintf(stderr, "\n%s, one repetition\n\n%s", row.name.c_str(),
                   row.profile->table(report.meter.best()).c_str());
    }
  }
}
