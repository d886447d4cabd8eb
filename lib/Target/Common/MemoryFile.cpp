//===- MemoryFile.cpp - Files for other programs, in memory ---------------===//
//
// memfd_create and its descriptor's name.
//
//===----------------------------------------------------------------------===//
#include "rill/Target/Common/MemoryFile.h"

#include "llvm/Support/MemoryBuffer.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace rill::target;

MemoryFile::MemoryFile(const char *name) : fd(memfd_create(name, 0)) {}

MemoryFile::~MemoryFile() {
  if (fd >= 0) {
    close(fd);
  }
}

bool MemoryFile::write(llvm::StringRef text) const {
  while (!text.empty()) {
    ssize_t count = ::write(fd, text.data(), text.size());
    if (count <= 0) {
      return false;
    }
    text = text.drop_front(static_cast<size_t>(count));
  }
  return true;
}

std::optional<std::string> MemoryFile::read() const {
  auto buffer = llvm::MemoryBuffer::getFile(path(), /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    return std::nullopt;
  }
  return (*buffer)->getBuffer().str();
}
