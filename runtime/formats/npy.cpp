//===- npy.cpp - NumPy arrays as files ------------------------------------===//
//
// The header is a Python dict literal of three known keys; nothing else of
// Python is read.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/npy.h"

#include "runtime/formats/file_writer.h"

#include <charconv>
#include <cstring>

using namespace rill::rt;

namespace {
struct Row {
  const char *descr;
  Dtype dtype;
};

/// Reads the dict literal {'descr': '<f4', 'fortran_order': False, ...}.
class HeaderReader {
public:
  HeaderReader(std::string_view text, const std::string &name)
      : text(text), name(name) {}

  Status read(NpyArray &array) {
    RILL_TRY(expect('{'));
    while (peek() != '}') {
      RILL_ASSIGN(std::string key, quoted());
      RILL_TRY(expect(':'));
      RILL_TRY(value(key, array));
      if (peek() == ',') {
        ++at;
      }
    }
    ++at;
    if (peek() != '\0' || seen != 7) {
      return bad("its header lacks descr, fortran_order or shape, or holds "
                 "more than one dict");
    }
    return {};
  }

private:
  Error bad(std::string why) const {
    return makeError(ErrorCode::NpyInvalid, name, std::move(why));
  }
  char peek() {
    while (at < text.size() &&
           (text[at] == ' ' || text[at] == '\n' || text[at] == '\t')) {
      ++at;
    }
    return at < text.size() ? text[at] : '\0';
  }
  Status expect(char c) {
    if (peek() != c) {
      return bad(format("expected '%c' at header byte %zu", c, at));
    }
    ++at;
    return {};
  }
  Result<std::string> quoted() {
    char quote = peek();
    size_t end = quote == '\'' || quote == '"' ? text.find(quote, at + 1)
                                               : std::string_view::npos;
    if (end == std::string_view::npos) {
      return bad(format("expected a string at header byte %zu", at));
    }
    std::string found(text.substr(at + 1, end - at - 1));
    at = end + 1;
    return found;
  }
  Status value(const std::string &key, NpyArray &array) {
    if (key == "descr") {
      seen |= 1;
      RILL_ASSIGN(std::string descr, quoted());
      return setDtype(descr, array);
    }
    if (key == "fortran_order") {
      seen |= 2;
      peek();
      if (text.substr(at).starts_with("True")) {
        return makeError(ErrorCode::NpyDtype, name, "is in Fortran order",
                         "save it with numpy.ascontiguousarray");
      }
      if (!text.substr(at).starts_with("False")) {
        return bad("fortran_order is neither True nor False");
      }
      at += strlen("False");
      return {};
    }
    if (key == "shape") {
      seen |= 4;
      return shape(array);
    }
    return bad("its header has the unknown key '" + key + "'");
  }
  Status setDtype(const std::string &descr, NpyArray &array) {
    static constexpr Row kRows[] = {{"<f4", Dtype::F32},  {"<f8", Dtype::F64},
                                    {"<i8", Dtype::I64},  {"<i4", Dtype::I32},
                                    {"<u2", Dtype::BF16}, {"|u1", Dtype::U8},
                                    {"|i1", Dtype::I8},   {"|b1", Dtype::Bool}};
    for (const Row &row : kRows) {
      if (descr == row.descr) {
        array.dtype = row.dtype;
        return {};
      }
    }
    return makeError(ErrorCode::NpyDtype, name, "its dtype is " + descr);
  }
  Status shape(NpyArray &array) {
    RILL_TRY(expect('('));
    while (peek() != ')') {
      int64_t size = 0;
      auto [end, error] =
          std::from_chars(text.data() + at, text.data() + text.size(), size);
      if (error != std::errc() || size < 0 || array.shape.size() == 32) {
        return bad(format("its shape is unreadable at header byte %zu", at));
      }
      at = static_cast<size_t>(end - text.data());
      array.shape.push_back(size);
      if (peek() == ',') {
        ++at;
      } else if (peek() != ')') {
        return bad(format("expected ',' or ')' at header byte %zu", at));
      }
    }
    ++at;
    return {};
  }

  std::string_view text;
  const std::string &name;
  size_t at = 0;
  int seen = 0;
};
} // namespace

int64_t NpyArray::elements() const {
  int64_t count = 1;
  for (int64_t size : shape) {
    count *= size;
  }
  return count;
}

Result<NpyArray> rill::rt::parseNpy(std::span<const uint8_t> bytes,
                                    const std::string &name) {
  auto bad = [&](std::string why) {
    return makeError(ErrorCode::NpyInvalid, name, std::move(why));
  };
  if (bytes.size() < 10 || memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    return bad("does not begin with the mark of a .npy file");
  }
  uint8_t major = bytes[6];
  if (major < 1 || major > 3) {
    return bad(format("has format version %u", major));
  }
  size_t lengthBytes = major == 1 ? 2 : 4;
  if (bytes.size() < 8 + lengthBytes) {
    return bad("ends inside its header");
  }
  size_t length = 0;
  for (size_t i = lengthBytes; i-- > 0;) {
    length = length << 8 | bytes[8 + i];
  }
  size_t begin = 8 + lengthBytes;
  if (length > bytes.size() - begin) {
    return bad("ends inside its header");
  }
  NpyArray array{Dtype::F32, {}, {}};
  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + begin,
                        length);
  RILL_TRY(HeaderReader(text, name).read(array));
  std::span<const uint8_t> data = bytes.subspan(begin + length);
  size_t need = dtypeBytes(array.dtype);
  for (int64_t size : array.shape) {
    if (__builtin_mul_overflow(need, static_cast<size_t>(size), &need)) {
      return bad("the product of its shape exceeds 64 bits");
    }
  }
  if (need != data.size()) {
    return bad(format("has %zu bytes of data, its shape needs %zu", data.size(),
                      need));
  }
  array.bytes.assign(data.begin(), data.end());
  return array;
}

Result<NpyArray> rill::rt::readNpy(const std::string &path) {
  RILL_ASSIGN(MappedFile file, MappedFile::open(path));
  return parseNpy(file.bytes(), path);
}

Status rill::rt::writeNpy(const std::string &path, Dtype dtype,
                          const std::vector<int64_t> &shape, const void *data) {
  const char *descr = dtype == Dtype::F32    ? "<f4"
                      : dtype == Dtype::F64  ? "<f8"
                      : dtype == Dtype::I64  ? "<i8"
                      : dtype == Dtype::I32  ? "<i4"
                      : dtype == Dtype::BF16 ? "<u2"
                      : dtype == Dtype::U8   ? "|u1"
                      : dtype == Dtype::I8   ? "|i1"
                      : dtype == Dtype::Bool ? "|b1"
                                             : nullptr;
  if (!descr) {
    return makeError(ErrorCode::NpyDtype, path,
                     std::string("cannot hold ") + dtypeName(dtype));
  }
  std::string header = std::string("{'descr': '") + descr +
                       "', 'fortran_order': False, 'shape': (";
  size_t bytes = dtypeBytes(dtype);
  for (int64_t size : shape) {
    header += std::to_string(size) + ",";
    bytes *= static_cast<size_t>(size);
  }
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  RILL_ASSIGN(FileWriter writer, FileWriter::create(path));
  const uint8_t lead[10] = {0x93,
                            'N',
                            'U',
                            'M',
                            'P',
                            'Y',
                            1,
                            0,
                            static_cast<uint8_t>(header.size() & 0xff),
                            static_cast<uint8_t>(header.size() >> 8)};
  RILL_TRY(writer.write(lead, sizeof(lead)));
  RILL_TRY(writer.write(header.data(), header.size()));
  RILL_TRY(writer.write(data, bytes));
  return writer.commit();
}
