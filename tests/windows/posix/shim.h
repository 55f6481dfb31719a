/* What the NULL test uses of POSIX and mingw does not have: included before everything else. */
#ifndef AHOY_TEST_SHIM
#define AHOY_TEST_SHIM
#include <winsock2.h>
#include <ws2tcpip.h>

#include <io.h>
#include <signal.h>
#include <time.h>

/* One number space for descriptors is enough: the test reads and writes sockets alone. */
static int shim_close(int socket) { return closesocket((SOCKET)socket); }
static int shim_read(int socket, char *to, int room) { return recv((SOCKET)socket, to, room, 0); }
static int shim_write(int socket, const char *from, int count) { return send((SOCKET)socket, from, count, 0); }
#define close shim_close
#define read(socket, to, room) shim_read(socket, to, (int)(room))
#define write(socket, from, count) shim_write(socket, from, (int)(count))
#define SOCK_CLOEXEC 0
#define SHUT_WR SD_SEND
#define SIGALRM 14
#define SIGKILL SIGABRT
#define SIGBUS 10
#define SIGPIPE 13

static unsigned alarm(unsigned seconds)
{
    (void)seconds; /* tests/windows.sh limits the program. */
    return 0;
}

__attribute__((constructor)) static void shim_begin(void)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
}
#endif
