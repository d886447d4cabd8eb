//===- mapped_file.cpp - Read-only view of a whole file -------------------===//
//
// mmap and the checks around it.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/mapped_file.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace rill::rt;

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(base, other.base);
  std::swap(size, other.size);
  std::swap(name, other.name);
  return *this;
}

MappedFile::~MappedFile() {
  if (size != 0) {
    munmap(const_cast<uint8_t *>(base), size);
  }
}

static Error unreadable(const std::string &path, std::string why) {
  return makeError(ErrorCode::FileUnreadable, path, std::move(why),
                   "check the path and its permissions");
}

Result<MappedFile> MappedFile::open(const std::string &path) {
  if (path.find('\0') != std::string::npos) {
    return unreadable(path, "the name holds a zero byte");
  }
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return unreadable(path, strerror(errno));
  }
  auto file = map(fd, path);
  close(fd);
  return file;
}

Result<MappedFile> MappedFile::map(int fd, const std::string &name) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return unreadable(name, strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return unreadable(name, S_ISDIR(info.st_mode) ? "is a folder"
                                                  : "is not a regular file");
  }
  MappedFile file;
  file.name = name;
  if (info.st_size > 0) {
    size_t length = static_cast<size_t>(info.st_size);
    void *view = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (view == MAP_FAILED) {
      if (errno == EACCES) {
        return unreadable(name, "is not open for reading");
      }
      return makeError(
          ErrorCode::OutOfMemory, name,
          format("mapping %zu bytes failed: %s", length, strerror(errno)));
    }
    file.base = static_cast<const uint8_t *>(view);
    file.size = length;
  }
  return file;
}

Result<std::string> rill::rt::readTextFile(const std::string &path,
                                           size_t maxBytes) {
  RILL_ASSIGN(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > maxBytes) {
    return makeError(ErrorCode::FileTooLarge, path,
                     format("has %zu bytes, the limit is %zu",
                            file.bytes().size(), maxBytes));
  }
  return std::string(file.text());
}

bool rill::rt::fileExists(const std::string &path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

/// realpath as a string; empty when it fails (errno tells).
static std::string realPath(const std::string &path) {
  char buffer[PATH_MAX];
  return realpath(path.c_str(), buffer) ? std::string(buffer) : std::string();
}

static bool isInside(const std::string &path, std::string folder) {
  if (folder.empty() || folder.back() != '/') {
    folder += '/';
  }
  return path.starts_with(folder);
}

/// `<repo>/blobs` when `folder` is `<repo>/snapshots/<revision>`, else "".
static std::string blobFolder(const std::string &folder) {
  size_t revision = folder.rfind('/');
  if (revision == std::string::npos || revision == 0) {
    return {};
  }
  std::string snapshots = folder.substr(0, revision);
  if (!snapshots.ends_with("/snapshots")) {
    return {};
  }
  return snapshots.substr(0, snapshots.size() - strlen("snapshots")) + "blobs";
}

static bool isPlainRelative(std::string_view name) {
  if (name.empty() || name.find('\0') != std::string_view::npos ||
      name.find('\\') != std::string_view::npos) {
    return false;
  }
  size_t begin = 0;
  while (begin <= name.size()) {
    size_t end = name.find('/', begin);
    if (end == std::string_view::npos) {
      end = name.size();
    }
    std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

Result<std::string> rill::rt::resolveInFolder(const std::string &folder,
                                              const std::string &name) {
  const char *mend = "file names in a checkpoint must stay in its folder";
  if (!isPlainRelative(name)) {
    return makeError(ErrorCode::PathEscape, folder,
                     "the name \"" + name + "\" is not a plain relative path",
                     mend);
  }
  std::string root = realPath(folder);
  if (root.empty()) {
    return unreadable(folder, strerror(errno));
  }
  std::string path = folder + "/" + name;
  std::string target = realPath(path);
  if (target.empty()) {
    return unreadable(path, strerror(errno));
  }
  std::string blobs = blobFolder(root);
  if (!isInside(target, root) && (blobs.empty() || !isInside(target, blobs))) {
    return makeError(ErrorCode::PathEscape, path,
                     "the link leads to " + target + ", outside the folder",
                     mend);
  }
  return target;
}
