/* nvtx_tool.c - A tool that NVTX 3 programs attach to: prints the ranges.
 *
 * Takes its place in the tables as the injection interface asks: checks sizes
 * and versions, fills push and pop, wants the module of domains, too. With
 * NVTX_TOOL_DECLINES set it declines. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*function)(void);
struct callbacks {
  size_t size;
  int (*module_table)(int module, function ***table, unsigned *count);
};
struct version_info {
  size_t size;
  uint32_t version, reserved;
  void (*set_tool_version)(uint32_t);
};
enum { CALLBACKS = 1, VERSION_INFO = 3, CORE = 1, CORE2 = 5 };
enum { RANGE_PUSH_A = 9, RANGE_POP = 11, CORE_IDS = 16, CORE2_IDS = 16 };

static int depth;

static int push(const char *name) {
  fprintf(stderr, "nvtx:%*s%s\n", 1 + 2 * depth, "", name);
  return depth++;
}
static int pop(void) {
  if (--depth < 0)
    fprintf(stderr, "nvtx: a range too many ends\n");
  return depth;
}
static void at_exit(void) { fprintf(stderr, "nvtx: %d ranges open\n", depth); }

int InitializeInjectionNvtx2(const void *(*export_table)(uint32_t)) {
  const struct version_info *version = export_table(VERSION_INFO);
  const struct callbacks *callbacks = export_table(CALLBACKS);
  function **core = NULL, **domains = NULL;
  unsigned count = 0, more = 0;
  if (!version || version->size < sizeof(*version) || version->version < 2)
    return 0;
  version->set_tool_version(2);
  if (!callbacks || callbacks->size < sizeof(*callbacks) ||
      callbacks->module_table(0, &domains, &more) ||
      callbacks->module_table(7, &domains, &more) ||
      !callbacks->module_table(CORE, &core, &count) || count != CORE_IDS ||
      !callbacks->module_table(CORE2, &domains, &more) || more != CORE2_IDS)
    return 0;
  *core[RANGE_PUSH_A] = (function)push;
  *core[RANGE_POP] = (function)pop;
  for (unsigned id = 1; id < count; ++id)
    if (!core[id] || !domains[id])
      return 0;
  if (core[count] || getenv("NVTX_TOOL_DECLINES"))
    return 0;
  atexit(at_exit);
  return 1;
}
