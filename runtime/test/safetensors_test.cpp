//===- safetensors_test.cpp - Named tensors in mapped files ---------------===//
//
// Each way a file or a checkpoint folder can be damaged, and the writer.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/file_writer.h"
#include "runtime/formats/safetensors.h"
#include "runtime/test/test_util.h"

#include <cmath>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

using namespace rill::rt;
using rill::test::refusal;
using rill::test::TempDir;

/// A file image: length, header, `dataBytes` zero bytes.
static std::string image(std::string header, size_t dataBytes) {
  std::string out(8, '\0');
  uint64_t length = header.size();
  memcpy(out.data(), &length, 8);
  return out + header + std::string(dataBytes, '\0');
}

static std::string parseError(const std::string &bytes, ErrorCode code,
                              std::string_view part = {}) {
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  return refusal(
      parseSafetensors(
          {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()},
          "t.safetensors", 0, tensors, metadata),
      code, part);
}

static std::string entry(const char *name, const char *dtype, const char *shape,
                         const char *offsets) {
  return format("\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}",
                name, dtype, shape, offsets);
}

TEST(Safetensors, ReadsWhatItWrites) {
  TempDir dir;
  float values[6] = {1, 2, 3, 4, 5, 6};
  uint8_t bits[3] = {7, 8, 9};
  for (size_t pad : {0, 1, 5}) {
    std::string path = dir.path("t.safetensors");
    ASSERT_TRUE(writeSafetensors(path,
                                 {{"b", Dtype::F32, {2, 3}, values},
                                  {"a", Dtype::U8, {3}, bits},
                                  {"none", Dtype::F32, {0, 7}, nullptr}},
                                 {{"format", "pt"}}, pad)
                    .ok());
    auto store = TensorStore::openFile(path);
    ASSERT_TRUE(store.ok()) << store.error().render();
    ASSERT_EQ(store->tensors().size(), 3u);
    EXPECT_EQ(store->tensors()[0].name, "a");
    const TensorInfo *b = store->find("b");
    ASSERT_TRUE(b);
    EXPECT_EQ(b->shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(b->offset % 8, pad % 8);
    EXPECT_EQ(memcmp(b->data, values, sizeof(values)), 0);
    EXPECT_EQ(b->data, store->files()[0].bytes().data() + b->offset);
    EXPECT_EQ(store->metadata().at("format"), "pt");
    EXPECT_FALSE(store->find("c"));
  }
}

TEST(Safetensors, RefusesShortFile) {
  EXPECT_EQ(parseError("1234567", ErrorCode::SafetensorsHeader, "7 bytes"), "");
  EXPECT_EQ(parseError("", ErrorCode::SafetensorsHeader), "");
}

TEST(Safetensors, RefusesHeaderLengths) {
  std::string good = image("{}", 0);
  for (uint64_t length : {uint64_t(3), uint64_t(100'000'001), uint64_t(1) << 40,
                          ~uint64_t(0), uint64_t(1) << 63}) {
    std::string bad = good;
    memcpy(bad.data(), &length, 8);
    EXPECT_EQ(parseError(bad, ErrorCode::SafetensorsHeader, "declares"), "")
        << length;
  }
  EXPECT_EQ(parseError(image("", 4), ErrorCode::SafetensorsHeader), "");
  EXPECT_EQ(parseError(image(" {}", 0), ErrorCode::SafetensorsHeader), "");
  // One byte too short cuts the JSON; the rest would pass for data.
  std::string odd = image("{" + entry("a", "U8", "[1]", "[0,1]") + "}", 1);
  odd[0] -= 1;
  EXPECT_EQ(parseError(odd, ErrorCode::JsonInvalid), "");
}

TEST(Safetensors, RefusesBadJson) {
  EXPECT_EQ(parseError(image("{\"a\xff\":1}", 0), ErrorCode::JsonInvalid), "");
  EXPECT_EQ(parseError(image("{\"a\":", 0), ErrorCode::JsonInvalid), "");
  EXPECT_EQ(parseError(image("{\"a\":" + std::string(100000, '['), 0),
                       ErrorCode::JsonInvalid, "nested deeper"),
            "");
  std::string one = entry("a", "U8", "[1]", "[0,1]");
  EXPECT_EQ(parseError(image("{" + one + "," + one + "}", 1),
                       ErrorCode::JsonInvalid, "occurs twice"),
            "");
  EXPECT_EQ(parseError(image("{\"a\":3}", 0), ErrorCode::JsonField), "");
  EXPECT_EQ(parseError(image("{\"__metadata__\":{\"a\":1}}", 0),
                       ErrorCode::JsonField, "__metadata__.a"),
            "");
}

TEST(Safetensors, RefusesEntries) {
  auto bad = [](const char *dtype, const char *shape, const char *offsets,
                ErrorCode code, std::string_view part = {}) {
    return parseError(image("{" + entry("a", dtype, shape, offsets) + "}", 8),
                      code, part);
  };
  EXPECT_EQ(bad("F32", "[2]", "[8,0]", ErrorCode::TensorEntry, "begin"), "");
  EXPECT_EQ(bad("F32", "[2]", "[-8,0]", ErrorCode::TensorEntry), "");
  EXPECT_EQ(bad("F32", "[2]", "[0,4,8]", ErrorCode::TensorEntry), "");
  EXPECT_EQ(bad("F32", "[2]", "[0.0,8]", ErrorCode::JsonField), "");
  EXPECT_EQ(bad("F32", "[2]", "[0,18446744073709551615]", ErrorCode::JsonField),
            "");
  EXPECT_EQ(bad("F32", "[2]", "[0,9]", ErrorCode::TensorRange, "end at 9"), "");
  EXPECT_EQ(bad("F32", "[3]", "[0,8]", ErrorCode::TensorEntry, "need 12"), "");
  EXPECT_EQ(bad("F32", "[-2]", "[0,8]", ErrorCode::TensorEntry, "-2"), "");
  EXPECT_EQ(bad("F32", "[4294967296,4294967296]", "[0,8]",
                ErrorCode::TensorEntry, "64 bits"),
            "");
  EXPECT_EQ(bad("F32", "[4611686018427387904,2]", "[0,8]",
                ErrorCode::TensorEntry, "64 bits"),
            "");
  EXPECT_EQ(bad("F6_E2M3", "[2]", "[0,8]", ErrorCode::TensorDtype, "F6_E2M3"),
            "");
  EXPECT_EQ(bad("bf16", "[4]", "[0,8]", ErrorCode::TensorDtype), "");
  EXPECT_EQ(parseError(image("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
                             "\"data_offsets\":[0,1],\"x\":1}}",
                             1),
                       ErrorCode::TensorEntry, "unknown field \"x\""),
            "");
  EXPECT_EQ(parseError(image("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1),
                       ErrorCode::JsonField, "data_offsets"),
            "");
}

TEST(Safetensors, RefusesOverlapAndHoles) {
  auto two = [](const char *first, const char *second, size_t bytes,
                std::string_view part) {
    return parseError(image("{" + entry("a", "U8", "[4]", first) + "," +
                                entry("b", "U8", "[4]", second) + "}",
                            bytes),
                      ErrorCode::TensorLayout, part);
  };
  EXPECT_EQ(two("[0,4]", "[2,6]", 6, "overlap"), "");
  EXPECT_EQ(two("[0,4]", "[0,4]", 4, "overlap"), "");
  EXPECT_EQ(two("[0,4]", "[5,9]", 9, "hole"), "");
  EXPECT_EQ(two("[1,5]", "[5,9]", 9, "hole"), "");
  EXPECT_EQ(two("[0,4]", "[4,8]", 9, "end at data byte 8"), "");
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  TempDir dir;
  EXPECT_EQ(refusal(MappedFile::open(dir.path()), ErrorCode::FileUnreadable,
                    "is a folder"),
            "");
  EXPECT_EQ(refusal(MappedFile::open(dir.path("none")),
                    ErrorCode::FileUnreadable, "No such file"),
            "");
  ASSERT_EQ(mkfifo(dir.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(refusal(MappedFile::open(dir.path("pipe")),
                    ErrorCode::FileUnreadable, "regular"),
            "");
  auto empty = MappedFile::open(dir.write("empty", ""));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->bytes().size(), 0u);
  EXPECT_EQ(refusal(readTextFile(dir.write("t", "12345"), 4),
                    ErrorCode::FileTooLarge, "5 bytes, the limit is 4"),
            "");
}

/// Writes one shard with u8 tensors of one byte.
static void writeShard(const TempDir &dir, const std::string &file,
                       const std::vector<std::string> &names) {
  static const uint8_t byte = 1;
  std::vector<TensorToWrite> tensors;
  for (const std::string &name : names) {
    tensors.push_back({name, Dtype::U8, {1}, &byte});
  }
  ASSERT_TRUE(writeSafetensors(dir.path(file), tensors).ok());
}

static std::string folderError(const TempDir &dir, ErrorCode code,
                               std::string_view part = {}) {
  return refusal(TensorStore::openFolder(dir.path()), code, part);
}

static void writeIndex(const TempDir &dir, const std::string &map) {
  dir.write("model.safetensors.index.json",
            "{\"metadata\":{\"total_size\":2},\"weight_map\":{" + map + "}}");
}

TEST(SafetensorsFolder, ReadsShards) {
  TempDir dir;
  writeShard(dir, "m-1.safetensors", {"b", "d"});
  writeShard(dir, "m-2.safetensors", {"a", "c"});
  writeIndex(dir, R"("a":"m-2.safetensors","b":"m-1.safetensors",)"
                  R"("c":"m-2.safetensors","d":"m-1.safetensors")");
  auto store = TensorStore::openFolder(dir.path());
  ASSERT_TRUE(store.ok()) << store.error().render();
  EXPECT_EQ(store->tensors().size(), 4u);
  EXPECT_EQ(store->fileNames()[store->find("c")->file], "m-2.safetensors");
}

TEST(SafetensorsFolder, RefusesDuplicateAcrossShards) {
  TempDir dir;
  writeShard(dir, "m-1.safetensors", {"a", "b"});
  writeShard(dir, "m-2.safetensors", {"a"});
  writeIndex(dir, R"("a":"m-2.safetensors","b":"m-1.safetensors")");
  EXPECT_EQ(folderError(dir, ErrorCode::TensorDuplicate, "m-1.safetensors"),
            "");
}

TEST(SafetensorsFolder, RefusesIndexThatDiffers) {
  TempDir dir;
  writeShard(dir, "m-1.safetensors", {"a"});
  writeShard(dir, "m-2.safetensors", {"b"});
  writeIndex(dir, R"("a":"m-2.safetensors","b":"m-1.safetensors")");
  EXPECT_EQ(folderError(dir, ErrorCode::IndexInvalid, "stands in"), "");
  writeIndex(dir, R"("a":"m-1.safetensors","x":"m-1.safetensors")");
  EXPECT_EQ(folderError(dir, ErrorCode::IndexInvalid, "no shard"), "");
  writeShard(dir, "m-1.safetensors", {"a", "y"});
  writeIndex(dir, R"("a":"m-1.safetensors")");
  EXPECT_EQ(folderError(dir, ErrorCode::IndexInvalid, "does not name"), "");
  writeIndex(dir, "");
  EXPECT_EQ(folderError(dir, ErrorCode::JsonField, "names no tensor"), "");
}

TEST(SafetensorsFolder, RefusesMissingShard) {
  TempDir dir;
  writeIndex(dir, R"("a":"m-1.safetensors")");
  EXPECT_EQ(folderError(dir, ErrorCode::ShardMissing, "m-1.safetensors"), "");
  TempDir none;
  EXPECT_EQ(folderError(none, ErrorCode::FileUnreadable, "holds neither"), "");
}

TEST(SafetensorsFolder, RefusesPathEscape) {
  TempDir outside, dir;
  writeShard(outside, "x.safetensors", {"a"});
  for (std::string name :
       {outside.path("x.safetensors"), std::string("../x.safetensors"),
        std::string(""), std::string("a//b"), std::string("./x")}) {
    writeIndex(dir, "\"a\":\"" + name + "\"");
    EXPECT_EQ(folderError(dir, ErrorCode::PathEscape), "") << name;
  }
  ASSERT_EQ(symlink(outside.path("x.safetensors").c_str(),
                    dir.path("m.safetensors").c_str()),
            0);
  writeIndex(dir, R"("a":"m.safetensors")");
  EXPECT_EQ(folderError(dir, ErrorCode::PathEscape, "outside"), "");
  ASSERT_EQ(symlink(outside.path("x.safetensors").c_str(),
                    dir.path("model.safetensors").c_str()),
            0);
  EXPECT_EQ(folderError(dir, ErrorCode::PathEscape, "outside"), "");
}

TEST(SafetensorsFolder, FollowsTheHubCache) {
  TempDir dir;
  namespace fs = std::filesystem;
  fs::create_directories(dir.path("snapshots/abc"));
  fs::create_directories(dir.path("blobs"));
  writeShard(dir, "blobs/1234", {"a"});
  ASSERT_EQ(symlink("../../blobs/1234",
                    dir.path("snapshots/abc/model.safetensors").c_str()),
            0);
  auto store = TensorStore::openFolder(dir.path("snapshots/abc"));
  EXPECT_TRUE(store.ok());
}

TEST(Safetensors, FindsNonFinite) {
  float f[3] = {1, NAN, 2};
  uint16_t b[3] = {0x3f80, 0xbf80, 0xff80};
  TensorInfo t{"t", Dtype::F32, {3}, 0, 0, 12, reinterpret_cast<uint8_t *>(f)};
  EXPECT_EQ(findNonFinite(t), std::optional<int64_t>(1));
  t.data = reinterpret_cast<uint8_t *>(b);
  t.dtype = Dtype::BF16;
  t.bytes = 6;
  EXPECT_EQ(findNonFinite(t), std::optional<int64_t>(2));
  t.bytes = 4;
  EXPECT_FALSE(findNonFinite(t));
}

TEST(FileWriter, LeavesNothingBehind) {
  TempDir dir;
  namespace fs = std::filesystem;
  // A killed run's temporary is taken over.
  dir.write(".out.rill-part", "rest of a killed run");
  ASSERT_TRUE(writeFile(dir.path("out"), "one").ok());
  ASSERT_TRUE(writeFile(dir.path("out"), "two").ok());
  {
    auto abandoned = FileWriter::create(dir.path("out"));
  }
  EXPECT_EQ(rill::test::readAll(dir.path("out")), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
  EXPECT_EQ(
      refusal(writeFile(dir.path(), "x"), ErrorCode::WriteFailed, "directory"),
      "");
  EXPECT_EQ(refusal(writeFile(dir.path("no/such"), "x"), ErrorCode::WriteFailed,
                    "No such"),
            "");
  auto first = FileWriter::create(dir.path("busy"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(refusal(FileWriter::create(dir.path("busy")),
                    ErrorCode::WriteFailed, "another process"),
            "");
}
