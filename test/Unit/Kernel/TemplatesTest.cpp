//===- TemplatesTest.cpp - CPU templates against Reference ----------------===//
//
// Every template on sizes that are no multiple of a vector, on every level
// this processor runs.
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include "runtime/core/artifact.h"

using namespace rill;
using namespace rill::test;

namespace {

constexpr int64_t kLimit = 64; ///< max_seq_len of the modules here

/// A module of batch `batch`: `body` is what follows the attribute.
std::string module(const std::string &body, int batch = 1) {
  return "module attributes {rill.model = {batch = " + std::to_string(batch) +
         " : i64, max_seq_len = 64 : i64}} {\n" + body + "\n}\n";
}

/// `attention` on q [1,S,6,d] with keys of 2 groups, its bounds b [1,S].
std::string attention(int64_t width, const std::string &segment, bool bounds) {
  std::string d = std::to_string(width);
  std::string q = "tensor<1x?x6x" + d + "xf32>",
              k = "tensor<1x?x2x" + d + "xf32>";
  std::string head = [&] {
    std::string text;
    for (const char *name : {"q", "k", "v"}) {
      text += std::string("%") + name + ": " + (name[0] == 'q' ? q : k) +
              " {rill.name = \"" + name +
              "\", rill.dims = [\"\", \"S\", \"\", \"\"]}, ";
    }
    return text;
  }();
  return module(
      "func.func @f(" + head +
      R"(%b: tensor<1x?xi64> {rill.name = "b", rill.dims = ["", "S"], rill.limit = 65536 : i64}) -> )" +
      q + R"( attributes {rill.method = "text_decoder_rows"} {
  %y = rill.attention %q keys(%k) values(%v) )" +
      (bounds ? "bounds(%b) " : "") + "[#rill.segment<value, " + segment +
      ">] {scale = 0.3 : f64} : (" + q + ", " + k + ", " + k +
      (bounds ? ", tensor<1x?xi64>" : "") + ") -> " + q + R"(
  return %y : )" +
      q + "\n}");
}

struct Visible {
  const char *segment;
  bool bounds;
  int64_t width;
};

} // namespace

TEST(Templates, AttentionSeesWhatItsSegmentSays) {
  for (Visible v : {Visible{"all", false, 72},
                    {"causal", false, 8},
                    {"prefix", true, 5},
                    {"same_block, width = 3", false, 24},
                    {"window, width = 4", false, 5},
                    {"ancestors", true, 24}}) {
    SCOPED_TRACE(v.segment);
    Harness harness(attention(v.width, v.segment, v.bounds), {});
    std::vector<std::vector<Tensor>> calls;
    for (int64_t rows : {1, 7, 16}) {
      calls.push_back(
          {filled(Tensor::F32, {1, rows, 6, v.width}, 1),
           filled(Tensor::F32, {1, rows, 2, v.width}, 2),
           filled(Tensor::F32, {1, rows, 2, v.width}, 3),
           integers({1, rows}, [](int64_t i) { return i * 37 % 97; })});
    }
    harness.compare("f", calls, 2e-6f);
  }
}

/// More rows than the small-M family takes: "flash_attention", over more than
/// one block of keys and of rows.
TEST(Templates, AttentionOfManyRows) {
  for (Visible v : {Visible{"all", false, 72}, {"causal", false, 5}}) {
    SCOPED_TRACE(v.segment);
    std::string text = attention(v.width, v.segment, v.bounds);
    text.replace(text.find("text_decoder_rows"), 17, "text_decoder");
    text.replace(text.find("max_seq_len = 64"), 16, "max_seq_len = 200");
    Harness harness(text, {});
    std::vector<std::vector<Tensor>> calls;
    for (int64_t rows : {17, 40, 130, 200}) {
      calls.push_back({filled(Tensor::F32, {1, rows, 6, v.width}, 1),
                       filled(Tensor::F32, {1, rows, 2, v.width}, 2),
                       filled(Tensor::F32, {1, rows, 2, v.width}, 3),
                       integers({1, rows}, [](int64_t i) { return i; })});
    }
    harness.compare("f", calls, 5e-6f);
  }
}

/// As above in bf16: "cuda_flash" with its head widths, more than one block of
/// keys and of rows. Weights of keys are rounded to bf16 there.
TEST(Templates, Bf16AttentionOfManyRows) {
  for (Visible v : {Visible{"all", false, 8},
                    {"causal", false, 64},
                    {"all", false, 72},
                    {"causal", false, 128}}) {
    SCOPED_TRACE(v.width);
    std::string text = attention(v.width, v.segment, v.bounds);
    std::string d = std::to_string(v.width);
    for (const std::string &type :
         std::vector<std::string>{"x6x" + d + "xf32", "x2x" + d + "xf32"}) {
      for (size_t at; (at = text.find(type)) != std::string::npos;) {
        text.replace(at + type.size() - 3, 3, "bf16");
      }
    }
    // The result alone is f32.
    std::string y = "tensor<1x?x6x" + d + "xbf16>";
    for (const char *before : {"-> ", "return %y : "}) {
      for (size_t at = 0; (at = text.find(before + y, at)) != std::string::npos;
           ++at) {
        text.replace(at + std::strlen(before) + y.size() - 5, 4, "f32");
      }
    }
    text.replace(text.find("text_decoder_rows"), 17, "text_decoder");
    text.replace(text.find("max_seq_len = 64"), 16, "max_seq_len = 130");
    Harness harness(text, {});
    std::vector<std::vector<Tensor>> calls;
    for (int64_t rows : {17, 70, 130}) {
      calls.push_back({filled(Tensor::BF16, {1, rows, 6, v.width}, 1),
                       filled(Tensor::BF16, {1, rows, 2, v.width}, 2),
                       filled(Tensor::BF16, {1, rows, 2, v.width}, 3),
                       integers({1, rows}, [](int64_t i) { return i; })});
    }
    harness.compare("f", calls, 2e-3f);
  }
}

/// Rows of width 37: norms, elementwise with a broadcast, the last row.
TEST(Templates, RowsOfOddWidth) {
  Harness harness(module(R"(
rill.weight @g from "w.safetensors#g" : tensor<37xbf16>
rill.weight @b from "w.safetensors#b" : tensor<37xbf16>
func.func @f(%x: tensor<2x?x37xf32> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<2x37xf32>
    attributes {rill.method = "text_decoder"} {
  %g = rill.weight.read @g : tensor<37xbf16>
  %b = rill.weight.read @b : tensor<37xbf16>
  %0 = rill.rms_norm %x, %g {eps = 1.0e-5 : f64} : (tensor<2x?x37xf32>, tensor<37xbf16>) -> tensor<2x?x37xf32>
  %1 = rill.layer_norm %0, %g, %b {eps = 1.0e-6 : f64} : (tensor<2x?x37xf32>, tensor<37xbf16>, tensor<37xbf16>) -> tensor<2x?x37xf32>
  %2 = rill.elementwise %1, %b : (tensor<2x?x37xf32>, tensor<37xbf16>) -> tensor<2x?x37xf32> {
  ^bb0(%p: f32, %q: f32):
    %t = math.tanh %p : f32
    %e = math.erf %q : f32
    %s = arith.addf %t, %e : f32
    rill.yield %s : f32
  }
  %3 = rill.last_row %2 : (tensor<2x?x37xf32>) -> tensor<2x37xf32>
  return %3 : tensor<2x37xf32>
})",
                         2),
                  {{"g", {37}}, {"b", {37}}});
  std::vector<std::vector<Tensor>> calls;
  for (int64_t rows : {1, 3, 20}) {
    calls.push_back({filled(Tensor::F32, {2, rows, 37}, 5)});
  }
  harness.compare("f", calls, 5e-6f);
}

/// Rows of three inputs side by side and one behind the other.
TEST(Templates, StacksRows) {
  for (const char *shape : {"2x?x111", "3x2x?x37"}) {
    std::string y = "tensor<" + std::string(shape) + "xf32>";
    Harness harness(module(R"(
func.func @f(%a: tensor<2x?x37xf32> {rill.name = "a", rill.dims = ["", "S", ""]},
             %b: tensor<2x?x37xf32> {rill.name = "b", rill.dims = ["", "S", ""]}) -> )" +
                               y + R"(
    attributes {rill.method = "text_decoder"} {
  %0 = rill.stack %a, %b, %a : (tensor<2x?x37xf32>, tensor<2x?x37xf32>, tensor<2x?x37xf32>) -> )" +
                               y + "\n  return %0 : " + y + "\n}",
                           2),
                    {});
    std::vector<std::vector<Tensor>> calls;
    for (int64_t rows : {1, 3, 20}) {
      calls.push_back({filled(Tensor::F32, {2, rows, 37}, 5),
                       filled(Tensor::F32, {2, rows, 37}, 6)});
    }
    harness.compare("f", calls, 0.0f);
  }
}

TEST(Templates, RotatesNeighboursAndHalves) {
  for (const char *layout : {"half", "interleaved"}) {
    Harness harness(module(R"(
func.func @f(%x: tensor<1x?x3x10xf32> {rill.name = "x", rill.dims = ["", "S", "", ""]},
             %p: tensor<1x?xi64> {rill.name = "p", rill.dims = ["", "S"], rill.limit = 64 : i64}) -> tensor<1x?x3x10xf32>
    attributes {rill.method = "text_decoder_rows"} {
  %y = rill.rope %x, %p {theta = 100.0 : f64, layout = #rill<rope_layout )" +
                           std::string(layout) + R"(>}
      : (tensor<1x?x3x10xf32>, tensor<1x?xi64>) -> tensor<1x?x3x10xf32>
  return %y : tensor<1x?x3x10xf32>
})"),
                    {});
    harness.compare("f",
                    {{filled(Tensor::F32, {1, 9, 3, 10}, 1),
                      integers({1, 9}, [](int64_t i) { return 63 - 5 * i; })}},
                    1e-6f);
  }
}

namespace {
/// short_conv_mix with all biases, `channels` channels and `taps` taps.
std::string mix(int64_t channels, int64_t taps, int batch) {
  std::string h = std::to_string(channels), l = std::to_string(taps);
  std::string b = std::to_string(batch);
  std::string x = "tensor<" + b + "x?x" + h + "xf32>";
  std::string weights, reads;
  for (const char *name : {"wb", "wc", "wv"}) {
    weights += std::string("rill.weight @") + name + " from \"w.safetensors#" +
               name + "\" : tensor<" + h + "x" + h + "xbf16>\n";
    reads += std::string("%") + name + " = rill.weight.read @" + name +
             " : tensor<" + h + "x" + h + "xbf16>\n";
  }
  for (const char *name : {"g", "bb", "bc", "bv", "cb"}) {
    weights += std::string("rill.weight @") + name + " from \"w.safetensors#" +
               name + "\" : tensor<" + h + "xbf16>\n";
    reads += std::string("%") + name + " = rill.weight.read @" + name +
             " : tensor<" + h + "xbf16>\n";
  }
  std::string w = "tensor<" + h + "x" + h + "xbf16>",
              v = "tensor<" + h + "xbf16>";
  std::string f = "tensor<" + h + "x" + l + "xbf16>";
  return module(weights + "rill.weight @f from \"w.safetensors#f\" : " + f +
                    "\n" + "rill.state @s rows ring row_dim = 1 history = " +
                    std::to_string(taps - 1) + " : tensor<" + b + "x32x" + h +
                    "xf32>\n" + "func.func @m(%x: " + x +
                    R"( {rill.name = "x", rill.dims = ["", "S", ""]}) -> )" +
                    x + R"( attributes {rill.method = "text_decoder_rows"} {)" +
                    "\n" + reads + "%f = rill.weight.read @f : " + f + "\n" +
                    "%y = rill.short_conv_mix %x norm(%g) weights(%wb, %wc, "
                    "%wv) biases(%bb, %bc, %bv) filter(%f) conv_bias(%cb) "
                    "state(@s) {eps = 1.0e-5 : f64} : (" +
                    x + ", " + v + ", " + w + ", " + w + ", " + w + ", " + v +
                    ", " + v + ", " + v + ", " + f + ", " + v + ") -> " + x +
                    "\nreturn %y : " + x + "\n}",
                batch);
}
} // namespace

/// One row, blocks of every size, and enough calls to wrap the ring.
TEST(Templates, ShortConvMixOverItsRing) {
  for (auto [channels, taps, batch] :
       {std::tuple<int64_t, int64_t, int>(18, 3, 1), {37, 8, 2}}) {
    SCOPED_TRACE(std::to_string(channels) + " channels");
    Harness harness(mix(channels, taps, batch), {{"wb", {channels, channels}},
                                                 {"wc", {channels, channels}},
                                                 {"wv", {channels, channels}},
                                                 {"g", {channels}},
                                                 {"bb", {channels}},
                                                 {"bc", {channels}},
                                                 {"bv", {channels}},
                                                 {"cb", {channels}},
                                                 {"f", {channels, taps}}});
    std::vector<std::vector<Tensor>> calls;
    for (int64_t rows : {1, 2, 16, 1, 7, 9, 16}) {
      calls.push_back(
          {filled(Tensor::F32, {batch, rows, channels}, calls.size())});
    }
    harness.compare("m", calls, 1e-4f);
  }
}

/// The convolution alone: more rows than a tile, channels that fill no block,
/// filters of odd and even length, two sequences.
TEST(Templates, ShortConvOfManyRows) {
  struct Case {
    const char *type;
    int64_t channels, taps;
    int batch;
    bool bias;
  };
  for (Case c : {Case{"bf16", 264, 3, 1, false}, Case{"bf16", 40, 4, 2, true},
                 Case{"f32", 37, 3, 2, true}, Case{"f32", 132, 8, 1, false}}) {
    SCOPED_TRACE(std::string(c.type) + " of " + std::to_string(c.channels));
    std::string b = "tensor<" + std::to_string(c.batch) + "x",
                h = std::to_string(c.channels), l = std::to_string(c.taps);
    std::string w = b + std::to_string(c.taps - 1) + "x" + h + "x" + c.type +
                    ">",
                x = b + "?x" + h + "x" + c.type + ">",
                f = "tensor<" + h + "x" + l + "xbf16>",
                n = "tensor<" + h + "xbf16>", y = b + "?x" + h + "xf32>";
    std::string text =
        "rill.weight @f from \"w.safetensors#f\" : " + f +
        "\nrill.weight @b from \"w.safetensors#b\" : " + n +
        "\nfunc.func @m(%w: " + w + R"( {rill.name = "w"}, %x: )" + x +
        R"( {rill.name = "x", rill.dims = ["", "S", ""]}) -> )" + y +
        R"( attributes {rill.method = "text_decoder"} {
  %f = rill.weight.read @f : )" +
        f + "\n%b = rill.weight.read @b : " + n +
        "\n%y = rill.short_conv %w, " + "%x, %f" + (c.bias ? " bias %b" : "") +
        " : (" + w + ", " + x + ", " + f + (c.bias ? ", " + n : "") + ") -> " +
        y + "\nreturn %y : " + y + "\n}";
    Harness harness(module(text, c.batch),
                    {{"f", {c.channels, c.taps}}, {"b", {c.channels}}});
    auto kind = std::string(c.type) == "bf16" ? Tensor::BF16 : Tensor::F32;
    std::vector<std::vector<Tensor>> calls;
    for (int64_t rows : {1, 2, 17, 64}) {
      calls.push_back({filled(kind, {c.batch, c.taps - 1, c.channels}, 1),
                       filled(kind, {c.batch, rows, c.channels}, 2)});
    }
    harness.compare("m", calls, 1e-6f);
  }
}

namespace {
/// A product of stacked weights and attention_update on its rows.
std::string update(int64_t width, const char *layout) {
  std::string d = std::to_string(width), q = std::to_string(4 * width),
              n = std::to_string(8 * width);
  std::string x = "tensor<1x?x20xf32>", rows = "tensor<1x?x" + n + "xf32>";
  std::string y = "tensor<1x?x" + q + "xf32>", norm = "tensor<" + d + "xbf16>";
  auto weight = [&](const std::string &name, const std::string &type) {
    return "rill.weight @" + name + " from \"w.safetensors#" + name +
           "\" : " + type + "\n";
  };
  std::string wq = "tensor<" + q + "x20xbf16>",
              wk = "tensor<" + std::to_string(2 * width) + "x20xbf16>";
  std::string state = "tensor<1x2x64x" + d + "xf32>";
  return module(
      weight("wq", wq) + weight("wk", wk) + weight("wv", wk) +
      weight("g", norm) + weight("h", norm) +
      "rill.state @k rows linear row_dim = 2 history = 0 : " + state +
      "\nrill.state @v rows linear row_dim = 2 history = 0 : " + state +
      "\nfunc.func @m(%x: " + x +
      R"( {rill.name = "x", rill.dims = ["", "S", ""]}, %p: tensor<1x?xi64> {rill.name = "p", rill.dims = ["", "S"], rill.limit = 64 : i64}) -> )" +
      y + R"( attributes {rill.method = "text_decoder"} {
  %wq = rill.weight.read @wq : )" +
      wq + "\n%wk = rill.weight.read @wk : " + wk +
      "\n%wv = rill.weight.read @wv : " + wk + "\n%g = rill.weight.read @g : " +
      norm + "\n%h = rill.weight.read @h : " + norm +
      "\n%r = rill.linear %x weights(%wq, %wk, %wv) : (" + x + ", " + wq +
      ", " + wk + ", " + wk + ") -> " + rows +
      " {\n^bb0(%a: f32):\nrill.yield %a : f32\n}\n%y = rill.attention_update "
      "%r, %g, %h, %p states(@k, @v) {heads = 4 : i64, eps = 1.0e-5 : f64, "
      "theta = 100.0 : f64, scale = 0.4 : f64, layout = #rill<rope_layout " +
      layout + ">} : (" + rows + ", " + norm + ", " + norm +
      ", tensor<1x?xi64>) -> " + y + "\nreturn %y : " + y + "\n}");
}
} // namespace

/// Few rows run fused, 20 rows split; both read the same states.
TEST(Templates, AttentionUpdateOverItsStates) {
  for (auto [width, layout] :
       {std::pair<int64_t, const char *>(6, "half"), {64, "interleaved"}}) {
    SCOPED_TRACE(std::to_string(width));
    Harness harness(update(width, layout), {{"wq", {4 * width, 20}},
                                            {"wk", {2 * width, 20}},
                                            {"wv", {2 * width, 20}},
                                            {"g", {width}},
                                            {"h", {width}}});
    std::vector<std::vector<Tensor>> calls;
    int64_t start = 0;
    for (int64_t rows : {3, 1, 20, 1, 16, 2}) {
      calls.push_back(
          {filled(Tensor::F32, {1, rows, 20}, calls.size()),
           integers({1, rows}, [&](int64_t i) { return start + i; })});
      start += rows;
    }
    ASSERT_LE(start, kLimit);
    harness.compare("m", calls, 1e-5f);
  }
}

namespace {
/// As `update`, over 300 rows of states, with a product behind it that may
/// merge what attention over parts of the keys gave.
std::string updateAndProduct(int64_t width, const std::string &state) {
  std::string text = update(width, "half");
  auto replace = [&](const std::string &from, const std::string &to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
         at += to.size()) {
      text.replace(at, from.size(), to);
    }
  };
  std::string q = std::to_string(4 * width), d = std::to_string(width),
              n = std::to_string(8 * width);
  std::string y = "tensor<1x?x" + q + "xf32>", out = "tensor<1x?x24xf32>",
              o = "tensor<24x" + q + "xbf16>";
  replace("tensor<1x2x64x" + d + "xf32>",
          "tensor<1x2x300x" + d + "x" + state + ">");
  replace("max_seq_len = 64", "max_seq_len = 300");
  replace("rill.limit = 64", "rill.limit = 300");
  // Products and attention give what the states hold.
  replace("tensor<1x?x" + n + "xf32>", "tensor<1x?x" + n + "x" + state + ">");
  std::string made = "tensor<1x?x" + q + "x" + state + ">";
  replace(" -> " + y + "\nreturn %y : " + y,
          " -> " + made + "\n%wo = rill.weight.read @wo : " + o +
              "\n%z = rill.linear %y weights(%wo) : (" + made + ", " + o +
              ") -> " + out +
              " {\n^bb0(%a: f32):\nrill.yield %a : f32\n}\nreturn %z : " + out);
  replace(") -> " + y + " attributes", ") -> " + out + " attributes");
  replace("rill.weight @g ", "rill.weight @wo from \"w.safetensors#wo\" : " +
                                 o + "\nrill.weight @g ");
  return text;
}
} // namespace

/// Contexts that end in several parts of the keys and go round them.
TEST(Templates, AttentionOverPartsOfTheKeys) {
  for (auto [width, state, tolerance] :
       {std::tuple<int64_t, const char *, float>(6, "f32", 1e-5f),
        {64, "bf16", 1e-2f}}) {
    SCOPED_TRACE(std::to_string(width) + state);
    Harness harness(updateAndProduct(width, state), {{"wq", {4 * width, 20}},
                                                     {"wk", {2 * width, 20}},
                                                     {"wv", {2 * width, 20}},
                                                     {"wo", {24, 4 * width}},
                                                     {"g", {width}},
                                                     {"h", {width}}});
    std::vector<std::vector<Tensor>> calls;
    int64_t start = 0;
    for (int64_t rows : {1, 16, 46, 1, 1, 8, 60, 130, 16, 1}) {
      calls.push_back(
          {filled(Tensor::F32, {1, rows, 20}, calls.size()),
           integers({1, rows}, [&](int64_t i) { return start + i; })});
      start += rows;
    }
    ASSERT_LE(start, 300);
    harness.compare("m", calls, tolerance);
  }
}

namespace {
/// f32 values between `got` and the correctly rounded `exact`.
int64_t ulps(float got, double exact) {
  auto ordered = [](float f) {
    int32_t bits;
    std::memcpy(&bits, &f, 4);
    return bits < 0 ? int64_t(INT32_MIN) - bits : int64_t(bits);
  };
  return std::abs(ordered(got) - ordered(static_cast<float>(exact)));
}
} // namespace

/// What LLVM would call libm for, on a million arguments each: the largest
/// error of the polynomials in units of the last place.
TEST(Templates, PolynomialsStayNearTheirFunctions) {
  struct Function {
    const char *op;
    double (*exact)(double);
    float low, high;
    int64_t bound;
  };
  for (Function f : {Function{"exp", std::exp, -87.0f, 88.0f, 2},
                     {"tanh", std::tanh, -10.0f, 10.0f, 2},
                     {"erf", std::erf, -4.0f, 4.0f, 2}}) {
    Harness harness(module(std::string(R"(
func.func @f(%x: tensor<1x?x1000xf32> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x?x1000xf32>
    attributes {rill.method = "text_decoder"} {
  %y = rill.elementwise %x : (tensor<1x?x1000xf32>) -> tensor<1x?x1000xf32> {
  ^bb0(%p: f32):
    %e = math.)") + f.op + R"( %p : f32
    rill.yield %e : f32
  }
  return %y : tensor<1x?x1000xf32>
})"),
                    {});
    for (const std::string &target : Harness::targets()) {
      auto session = harness.compiled(target);
      int64_t worst = 0;
      for (int64_t call = 0; call < 20; ++call) {
        Tensor x(Tensor::F32, {1, 50, 1000});
        for (size_t i = 0; i < x.f.size(); ++i) {
          auto step = static_cast<double>(call * 50000 + i) / 1e6;
          x.f[i] = static_cast<float>(f.low + step * (f.high - f.low));
        }
        auto got = session->call("f", {x}, x.f.size());
        for (size_t i = 0; i < got.size(); ++i) {
          worst = std::max(worst, ulps(got[i], f.exact(x.f[i])));
        }
      }
      // Small arguments down to 2^-120, and what no range holds.
      Tensor x(Tensor::F32, {1, 1, 1000});
      for (size_t i = 0; i < x.f.size(); ++i) {
        x.f[i] = std::ldexp(i % 2 ? 1.3f : -1.7f, -static_cast<int>(i / 8));
      }
      constexpr float kRare[] = {INFINITY, -INFINITY, 0.0f, -0.0f, NAN};
      std::copy(std::begin(kRare), std::end(kRare), x.f.begin());
      auto got = session->call("f", {x}, x.f.size());
      EXPECT_TRUE(std::isnan(got[4])) << f.op;
      for (size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, i == 4 ? 0 : ulps(got[i], f.exact(x.f[i])));
      }
      EXPECT_LE(worst, f.bound) << f.op << " on " << target;
      RecordProperty(std::string(f.op) + " " + target, static_cast<int>(worst));
      std::printf("%s %s: %lld ulp\n", f.op, target.c_str(), (long long)worst);
    }
  }
}

/// More rows than a ring holds, their tiles run from the last to the first, as
/// threads may.
TEST(Templates, RingsKeepTheLastRowsInAnyOrderOfTiles) {
  constexpr int64_t kRing = 32, kRows = 50, kWidth = 8;
  Harness harness(module(R"(
rill.state @s rows ring row_dim = 1 history = 2 : tensor<1x32x8xf32>
func.func @m(%x: tensor<1x?x8xf32> {rill.name = "x", rill.dims = ["", "S", ""]}) -> tensor<1x2x8xf32>
    attributes {rill.method = "text_decoder"} {
  %w = rill.state.window @s : tensor<1x2x8xf32>
  rill.state.append @s, %x : tensor<1x?x8xf32>
  return %w : tensor<1x2x8xf32>
})"),
                  {});
  Tensor x = filled(Tensor::F32, {1, kRows, kWidth}, 1);
  for (const std::string &arch : rt::cpuTargets()) {
    harness.compiled(arch);
    auto artifact = rt::Artifact::open(harness.file(arch + ".rill"), false);
    ASSERT_TRUE(artifact.ok());
    const rt::TargetInfo &target = artifact->manifest().targets.at(0);
    auto code = rt::CpuCode::load(artifact->bytes(*target.elf), target.kernels,
                                  "the code");
    ASSERT_TRUE(code.ok());
    size_t append = target.kernels.size();
    for (size_t i = 0; i < target.kernels.size(); ++i) {
      // The last is the one for any number of rows.
      append = target.kernels[i].find("state_append") != std::string::npos
                   ? i
                   : append;
    }
    ASSERT_LT(append, target.kernels.size());
    std::vector<float> ring(kRing * kWidth, NAN);
    std::vector<int64_t> control(RILL_RT_CONTROL_HEAD_WORDS + 3, 0);
    control[RILL_RT_CONTROL_BATCH] = 1;
    control[RILL_RT_CONTROL_S] = kRows;
    void *operands[] = {x.f.data(), ring.data()};
    for (int64_t tile = kRows; tile-- > 0;) {
      code->kernel(append)(
          operands, reinterpret_cast<const rill_rt_control *>(control.data()),
          tile, tile + 1, nullptr);
    }
    for (int64_t row = kRows - kRing; row < kRows; ++row) {
      EXPECT_EQ(ring[row % kRing * kWidth], x.f[row * kWidth])
          << arch << ", row " << row;
    }
  }
}
