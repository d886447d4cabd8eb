//===- npy_test.cpp - NumPy arrays as files -------------------------------===//
//
// Round trips and refusals.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/npy.h"
#include "runtime/test/test_util.h"

#include <cstring>

using namespace rill::rt;
using rill::test::refusal;
using rill::test::TempDir;

TEST(Npy, ReadsWhatItWrites) {
  TempDir dir;
  float f[6] = {1, 2, 3, 4, 5, 6};
  for (auto shape : {std::vector<int64_t>{2, 3}, {6}, {1, 6, 1}}) {
    ASSERT_TRUE(writeNpy(dir.path("a.npy"), Dtype::F32, shape, f).ok());
    auto array = readNpy(dir.path("a.npy"));
    ASSERT_TRUE(array.ok()) << array.error().render();
    EXPECT_EQ(array->shape, shape);
    EXPECT_EQ(array->elements(), 6);
    EXPECT_EQ(memcmp(array->bytes.data(), f, sizeof(f)), 0);
    EXPECT_EQ(rill::test::readAll(dir.path("a.npy")).size() % 64, 24u);
  }
  int64_t scalar = -5;
  ASSERT_TRUE(writeNpy(dir.path("s.npy"), Dtype::I64, {}, &scalar).ok());
  auto array = readNpy(dir.path("s.npy"));
  ASSERT_TRUE(array.ok());
  EXPECT_EQ(array->dtype, Dtype::I64);
  EXPECT_EQ(array->elements(), 1);
}

static std::string parseError(std::string header, size_t data, ErrorCode code,
                              std::string_view part = {}) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  bytes += header + std::string(data, '\0');
  return refusal(
      parseNpy({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()},
               "t.npy"),
      code, part);
}

TEST(Npy, Refuses) {
  auto bad = [](std::string shape, size_t data, std::string_view part) {
    return parseError(
        "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }",
        data, ErrorCode::NpyInvalid, part);
  };
  EXPECT_EQ(bad("(2,)", 7, "7 bytes of data, its shape needs 8"), "");
  EXPECT_EQ(bad("(-1,)", 4, "unreadable"), "");
  EXPECT_EQ(bad("(4294967296,4294967296,4)", 4, "64 bits"), "");
  EXPECT_EQ(bad("(1 2)", 4, "expected"), "");
  EXPECT_EQ(bad("(1,), 'x': 1", 4, "unknown key 'x'"), "");
  EXPECT_EQ(parseError("{'descr': '<f4'}", 0, ErrorCode::NpyInvalid, "lacks"),
            "");
  EXPECT_EQ(parseError("{'descr': '>f4', 'fortran_order': False, 'shape': ()}",
                       4, ErrorCode::NpyDtype, ">f4"),
            "");
  EXPECT_EQ(parseError("{'descr': '<f4', 'fortran_order': True, 'shape': ()}",
                       4, ErrorCode::NpyDtype, "Fortran"),
            "");
  uint8_t junk[16] = {};
  EXPECT_EQ(refusal(parseNpy(junk, "t.npy"), ErrorCode::NpyInvalid, "mark"),
            "");
}
