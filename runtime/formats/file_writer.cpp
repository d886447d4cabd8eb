//===- file_writer.cpp - Replace a file in one step -----------------------===//
//
// The temporary's name is fixed (`.NAME.rill-part`), so that nothing of an
// earlier, killed run stays behind; a lock keeps two writers apart.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/file_writer.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace rill::rt;

FileWriter::FileWriter(FileWriter &&other) noexcept
    : path(std::move(other.path)), temporary(std::move(other.temporary)),
      fd(std::exchange(other.fd, -1)), written(other.written) {}

FileWriter::~FileWriter() {
  if (fd >= 0) {
    unlink(temporary.c_str());
    close(fd);
  }
}

Error FileWriter::failed(const char *step) const {
  return makeError(ErrorCode::WriteFailed, path,
                   std::string(step) + ": " + strerror(errno),
                   "choose another place or free some space");
}

static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

/// Opens and locks the temporary; fd < 0 with errno set on failure.
static int openLocked(const std::string &temporary) {
  for (int attempt = 0; attempt < 16; ++attempt) {
    int fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0666);
    if (fd < 0) {
      return -1;
    }
    struct stat mine, named;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &mine) != 0) {
      int saved = errno;
      close(fd);
      errno = saved;
      return -1;
    }
    // Another writer may have renamed the file between open and lock.
    if (lstat(temporary.c_str(), &named) == 0 && named.st_ino == mine.st_ino &&
        named.st_dev == mine.st_dev && ftruncate(fd, 0) == 0) {
      return fd;
    }
    close(fd);
  }
  errno = EBUSY;
  return -1;
}

Result<FileWriter> FileWriter::create(const std::string &path) {
  FileWriter writer;
  writer.path = path;
  struct stat info;
  bool exists = stat(path.c_str(), &info) == 0;
  if (path.empty() || path.back() == '/' || (exists && S_ISDIR(info.st_mode))) {
    errno = path.empty() ? ENOENT : EISDIR;
    return writer.failed("opening");
  }
  std::string folder = folderOf(path);
  std::string name = folder == "." ? path : path.substr(folder.size());
  writer.temporary =
      (folder == "." ? std::string() : folder) + "." + name + ".rill-part";
  writer.fd = openLocked(writer.temporary);
  if (writer.fd < 0) {
    if (errno == EWOULDBLOCK) {
      return makeError(ErrorCode::WriteFailed, path,
                       "another process is writing it");
    }
    return writer.failed("opening");
  }
  return writer;
}

Status FileWriter::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return failed("writing");
    }
    written += static_cast<uint64_t>(done);
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  return {};
}

Status FileWriter::writeAt(uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t done =
        pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done <= 0) {
      return failed("writing");
    }
    offset += static_cast<uint64_t>(done);
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  return {};
}

Status FileWriter::commit() {
  if (fsync(fd) != 0) {
    return failed("syncing");
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return failed("renaming");
  }
  close(std::exchange(fd, -1));
  int folder = open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return {};
}

Status rill::rt::writeFile(const std::string &path, std::string_view content) {
  RILL_ASSIGN(FileWriter writer, FileWriter::create(path));
  RILL_TRY(writer.write(content.data(), content.size()));
  return writer.commit();
}
