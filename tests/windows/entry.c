// A program for MSVC's world without a C library: it has its own entry, and says by its exit code that the library answers.
#include <ahoy.h>

__declspec(dllimport) void __stdcall ExitProcess(unsigned code);

// What the compiler asks for where a program counts in floating point.
int _fltused;

void entry(void) {
    ahoy_client_builder *builder = ahoy_client_builder_new();
    ahoy_error *err = NULL;
    int status = ahoy_client_builder_set(builder, "timeout", "soon", &err);
    int right = status == AHOY_E_INVALID_ARGUMENT && ahoy_error_message(err)[0] && ahoy_version()[0];
    ahoy_error_free(err);
    ahoy_client_builder_free(builder);
    ExitProcess(right ? 42 : 1);
}
