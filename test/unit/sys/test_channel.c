#include "sys/channel.h"

#include "test/test.h"

#include <unistd.h>

enum { MESSAGE_BYTES = 2000, SENDS_MAX = 100000 };

static void pair_begin(int pair[2])
{
    CHECK_NUM(channel_pair(pair), ERR_OK);
    CHECK(!channel_unread(pair[0]));
}

static void pair_end(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

TEST(channel_carries_bytes_and_descriptors)
{
    int pair[2], pipe_fd[2], got[CHANNEL_FDS_MAX];
    char text[16], byte = 0;
    size_t n = 0;
    unsigned n_fd = 9;
    pair_begin(pair);
    CHECK_NUM(pipe(pipe_fd), 0);
    CHECK_NUM(channel_send(pair[0], "words", 5, &pipe_fd[1], 1), ERR_OK);
    CHECK(channel_unread(pair[0]));
    CHECK_NUM(channel_recv(pair[1], text, sizeof text, &n, got, &n_fd), ERR_OK);
    CHECK(!channel_unread(pair[0]));
    CHECK_SPAN(span_of(text, n), SPAN("words"));
    CHECK_NUM(n_fd, 1);
    CHECK_NUM(write(got[0], "x", 1), 1);
    CHECK_NUM(read(pipe_fd[0], &byte, 1), 1);
    CHECK_NUM(byte, 'x');
    close(got[0]);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    pair_end(pair);
}

/* The supervisor must not wait for a worker that hangs. */
TEST(channel_never_waits_for_a_reader)
{
    int pair[2], got[CHANNEL_FDS_MAX];
    static char message[MESSAGE_BYTES];
    size_t n = 0;
    unsigned n_fd, sent = 0;
    pair_begin(pair);
    enum err e = ERR_OK;
    while (e == ERR_OK && sent < SENDS_MAX) {
        e = channel_send(pair[0], message, sizeof message, NULL, 0);
        sent += e == ERR_OK;
    }
    CHECK_NUM(e, ERR_AGAIN);
    CHECK(sent > 0);
    CHECK(channel_unread(pair[0]));
    while (sent-- > 0)
        CHECK_NUM(channel_recv(pair[1], message, sizeof message, &n, got, &n_fd), ERR_OK);
    CHECK(!channel_unread(pair[0]));
    CHECK_NUM(channel_send(pair[0], message, sizeof message, NULL, 0), ERR_OK);
    pair_end(pair);
}

TEST(channel_first_end_does_not_wait_for_words)
{
    int pair[2], got[CHANNEL_FDS_MAX];
    char text[16];
    size_t n = 0;
    unsigned n_fd;
    pair_begin(pair);
    CHECK_NUM(channel_recv(pair[0], text, sizeof text, &n, got, &n_fd), ERR_AGAIN);
    CHECK_NUM(channel_send(pair[1], "y", 1, NULL, 0), ERR_OK);
    CHECK_NUM(channel_recv(pair[0], text, sizeof text, &n, got, &n_fd), ERR_OK);
    pair_end(pair);
}

/* What does not fit leaves no descriptor behind. */
TEST(channel_refuses_a_message_that_is_too_long)
{
    int pair[2], pipe_fd[2], got[CHANNEL_FDS_MAX];
    char text[4];
    size_t n = 0;
    unsigned n_fd = 9;
    pair_begin(pair);
    CHECK_NUM(pipe(pipe_fd), 0);
    CHECK_NUM(channel_send(pair[0], "words", 5, &pipe_fd[1], 1), ERR_OK);
    close(pipe_fd[1]);
    CHECK_NUM(channel_recv(pair[1], text, sizeof text, &n, got, &n_fd), ERR_TOO_BIG);
    CHECK_NUM(n_fd, 0);
    CHECK_NUM(read(pipe_fd[0], text, 1), 0); /* nobody writes any more */
    close(pipe_fd[0]);
    pair_end(pair);
}

TEST(channel_tells_that_the_other_end_is_gone)
{
    int pair[2], got[CHANNEL_FDS_MAX];
    char text[16];
    size_t n = 0;
    unsigned n_fd;
    pair_begin(pair);
    CHECK_NUM(channel_send(pair[0], "z", 1, NULL, 0), ERR_OK);
    close(pair[1]);
    CHECK(!channel_unread(pair[0]));
    CHECK_NUM(channel_send(pair[0], "z", 1, NULL, 0), ERR_CLOSED);
    CHECK(channel_recv(pair[0], text, sizeof text, &n, got, &n_fd) != ERR_OK);
    close(pair[0]);
}
