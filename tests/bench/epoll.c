// About as little as can be done: epoll, one read for each wake-up, payloads appended to a file. No TLS.
//
//     epoll PORT STREAMS FOLDER
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RTP_HEADER = 12, LARGEST = 65536, FILE_BUFFER = 8192 };  // the last as Python's files have it

struct stream {
    int socket;
    FILE *file;
    size_t have;          // bytes of `rest`
    unsigned char *rest;  // of a frame that has not come whole; none as a rule
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

// Reads the response's head byte by byte, so that no frame is taken with it.
static void shake_hands(int socket, int number)
{
    char request[512], byte;
    int length = snprintf(request, sizeof request,
        "GET /v1.0/conferences/1ed12456-eb4b-11ee-bba8-%012x/media_stream?encapsulation=rtp HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", number);
    if (write(socket, request, length) != length)
        fail("handshake");
    for (int matched = 0; matched < 4;) {
        if (read(socket, &byte, 1) != 1)
            fail("handshake");
        matched = byte == "\r\n\r\n"[matched] ? matched + 1 : byte == '\r';
    }
}

// Takes the whole frames of `data`; returns how many bytes they were, or -1 after a close frame.
static long take(struct stream *stream, const unsigned char *data, size_t size)
{
    size_t at = 0;
    while (size - at >= 2) {
        size_t length = data[at + 1], head = 2;
        if (length == 126) {
            if (size - at < 4)
                break;
            length = data[at + 2] << 8 | data[at + 3];
            head = 4;
        }
        if (size - at < head + length)
            break;
        if (data[at] == 0x88)
            return -1;
        if (data[at] == 0x82 && length > RTP_HEADER)
            fwrite(data + at + head + RTP_HEADER, 1, length - RTP_HEADER, stream->file);
        at += head + length;
    }
    return at;
}

// Reads once; returns whether the stream goes on.
static int serve(struct stream *stream, unsigned char *buffer)
{
    if (stream->have)
        memcpy(buffer, stream->rest, stream->have);
    ssize_t got = read(stream->socket, buffer + stream->have, LARGEST);
    if (got <= 0)
        return 0;
    size_t size = stream->have + got;
    long taken = take(stream, buffer, size);
    if (taken < 0)
        return 0;
    stream->have = size - taken;
    if (stream->have) {
        stream->rest = realloc(stream->rest, stream->have);
        memcpy(stream->rest, buffer + taken, stream->have);
    }
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    int port = atoi(arguments[1]), streams = atoi(arguments[2]), epoll = epoll_create1(0), one = 1;
    static unsigned char buffer[2 * LARGEST + 16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct stream *all = calloc(streams, sizeof *all);
    struct epoll_event events[256];
    for (int open = 0, ended = 0; ended < streams;) {
        if (open < streams) {
            struct stream *stream = &all[open++];
            char name[4096];
            snprintf(name, sizeof name, "%s/%d", arguments[3], open);
            stream->socket = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(stream->socket, (struct sockaddr *)&address, sizeof address))
                fail("connect");
            setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            shake_hands(stream->socket, open);
            if (!(stream->file = fopen(name, "wb")))
                fail(name);
            setvbuf(stream->file, NULL, _IOFBF, FILE_BUFFER);
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
            if (epoll_ctl(epoll, EPOLL_CTL_ADD, stream->socket, &event))
                fail("epoll");
        }
        int ready = epoll_wait(epoll, events, 256, open < streams ? 2 : -1);
        for (int i = 0; i < ready; i++) {
            struct stream *stream = events[i].data.ptr;
            if (!serve(stream, buffer)) {
                fclose(stream->file);
                close(stream->socket);
                ended++;
            }
        }
    }
    return 0;
}
