// One frame to many sockets, in one call: what a loop over them costs in Python is left out.
#include <sys/socket.h>

// Puts into `sent` how many bytes each socket took; returns how many of them took less than all.
int fan_out(const int *sockets, int count, const char *data, int length, int *sent)
{
    int behind = 0;
    for (int i = 0; i < count; i++) {
        ssize_t taken = send(sockets[i], data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent[i] = taken < 0 ? 0 : (int)taken;
        behind += sent[i] != length;
    }
    return behind;
}
