// A CUDA driver library opened at run time: the emulator or a real one.
#ifndef TOOLS_RILL_EMU_RUN_DRIVERLIBRARY_H
#define TOOLS_RILL_EMU_RUN_DRIVERLIBRARY_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rill::emurun {

/// The entry points this tool uses; a failed call is an int error.
struct DriverLibrary {
  /// Opens `path`, initialises the device and makes a context. Returns an
  /// error text, empty on success.
  std::string open(const std::string &path);

  int (*init)(unsigned);
  int (*deviceGet)(int *, int);
  int (*deviceGetAttribute)(int *, int, int);
  int (*deviceGetName)(char *, int, int);
  int (*primaryRetain)(void **, int);
  int (*ctxSetCurrent)(void *);
  int (*ctxSynchronize)();
  int (*moduleLoadDataEx)(void **, const void *, unsigned, int *, void **);
  int (*moduleUnload)(void *);
  int (*moduleGetFunction)(void **, void *, const char *);
  int (*funcSetAttribute)(void *, int, int);
  int (*memAlloc)(unsigned long long *, size_t);
  int (*memFree)(unsigned long long);
  int (*memcpyHtoD)(unsigned long long, const void *, size_t);
  int (*memcpyDtoH)(void *, unsigned long long, size_t);
  int (*launchKernel)(void *, unsigned, unsigned, unsigned, unsigned, unsigned,
                      unsigned, unsigned, void *, void **, void **);
  int (*getErrorName)(int, const char **);

  int major = 0, minor = 0;
  std::string name;

  std::string errorName(int error) const;
  /// Whether PTX for this `.target` may run here.
  bool runs(const std::string &target) const;
};

} // namespace rill::emurun
#endif
