// A CUDA driver library opened at run time: the emulator or a real one.
#ifndef TOOLS_RILL_EMU_RUN_DRIVERLIBRARY_H
#define TOOLS_RILL_EMU_RUN_DRIVERLIBRARY_H

#include "runtime/formats/status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rill::emurun {

/// The entry points this tool uses; a failed call is an int error.
struct DriverLibrary {
  DriverLibrary() = default;
  DriverLibrary(const DriverLibrary &) = delete;
  ~DriverLibrary(); ///< gives the context back
  /// Opens `path`, initialises the device and makes a context.
  rt::Status open(const std::string &path);

  int (*init)(unsigned);
  int (*deviceGet)(int *, int);
  int (*deviceGetAttribute)(int *, int, int);
  int (*deviceGetName)(char *, int, int);
  int (*primaryRetain)(void **, int);
  int (*primaryRelease)(int) = nullptr;
  int (*primaryReset)(int);
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
  /// Null in drivers older than tensor maps.
  int (*tensorMapEncodeTiled)(void *, int, uint32_t, void *, const uint64_t *,
                              const uint64_t *, const uint32_t *,
                              const uint32_t *, int, int, int, int);

  void *context = nullptr;
  int major = 0, minor = 0;
  std::string name;

  std::string errorName(int error) const;
  /// A new primary context after an error that ended the old one.
  rt::Status recover();
  /// Whether PTX for this `.target` may run here.
  bool runs(const std::string &target) const;
};

} // namespace rill::emurun
#endif
