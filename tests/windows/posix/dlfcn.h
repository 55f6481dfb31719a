/* Libraries at run time, as far as tests/hosts needs them. */
#include <windows.h>

enum { RTLD_NOW, RTLD_LOCAL };

static inline void *dlopen(const char *path, int how) {
    (void)how;
    return LoadLibraryA(path);
}
static inline void *dlsym(void *library, const char *name) {
    FARPROC address = GetProcAddress(library, name);
    return *(void **)&address;
}
static inline int dlclose(void *library) { return FreeLibrary(library) ? 0 : -1; }
static inline const char *dlerror(void) { return "it cannot be loaded"; }
