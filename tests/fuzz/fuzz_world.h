/* fuzz_world.h - the other end of every connection, in the same thread and under a simulated clock: who connects is answered
 * with bytes of the input. A sleep of the loop takes no time. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <errno.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "loop.h"
#include "net.h"

#define WORLD_CONNECTIONS 32
#define WORLD_BEGINS 5000000ull
#define WORLD_WALL 1700000000000ll

static struct {
	bool on;
	uint64_t now; /* ms */
	int listener;
	struct {
		int fd; /* -1: free */
		char in[2048];
		size_t length;
		bool answered;
	} connections[WORLD_CONNECTIONS];
	/* writes the answer to this request to fd; true: the connection stays open */
	bool (*answer)(int fd, const char *request);
} world;

int clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t ms = (int64_t)world.now + (id == CLOCK_REALTIME ? WORLD_WALL : 0);

	if (!world.on)
		return (int)syscall(SYS_clock_gettime, id, t);
	t->tv_sec = (time_t)(ms / 1000);
	t->tv_nsec = (long)(ms % 1000 * 1000000);
	return 0;
}

static inline void world_say(int fd, const void *bytes, size_t n)
{
	if (n && send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* the client has left, or takes no more: its business */
}

static inline void world_close(size_t i)
{
	close(world.connections[i].fd);
	world.connections[i].fd = -1;
}

static inline bool world_accept(void)
{
	int fd = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return false;
	for (size_t i = 0; i < WORLD_CONNECTIONS; i++) {
		if (world.connections[i].fd >= 0)
			continue;
		memset(&world.connections[i], 0, sizeof(world.connections[i]));
		world.connections[i].fd = fd;
		return true;
	}
	close(fd);
	return true;
}

static inline bool world_read(size_t i)
{
	char *in = world.connections[i].in;
	size_t *length = &world.connections[i].length;
	ssize_t n = recv(world.connections[i].fd, in + *length,
	    sizeof(world.connections[i].in) - 1 - *length, 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		world_close(i);
		return true;
	}
	*length += (size_t)n;
	in[*length] = 0;
	if (!world.connections[i].answered && strstr(in, "\r\n\r\n")) {
		world.connections[i].answered = true;
		if (!world.answer(world.connections[i].fd, in))
			world_close(i);
	}
	if (*length == sizeof(world.connections[i].in) - 1)
		*length = 0;
	return true;
}

static inline bool world_serves(void)
{
	bool did = world.listener >= 0 && world_accept();

	for (size_t i = 0; i < WORLD_CONNECTIONS; i++)
		if (world.connections[i].fd >= 0)
			did |= world_read(i);
	return did;
}

int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
    struct timeval *restrict timeout)
{
	fd_set wanted_r = *r, wanted_w = *w;
	struct timespec zero = {0};
	int ready;

	(void)e;
	for (unsigned i = 0; i < 100 && world_serves(); i++)
		;
	ready = (int)syscall(SYS_pselect6, n, r, w, NULL, &zero, NULL);
	if (ready)
		return ready;
	*r = wanted_r;
	*w = wanted_w;
	world.now += timeout ? (uint64_t)timeout->tv_sec * 1000 + (uint64_t)timeout->tv_usec / 1000
			     : 60000;
	FD_ZERO(r);
	FD_ZERO(w);
	return 0;
}

/* name: of an abstract socket; NULL: nobody listens. */
static inline void world_begin(const char *name, bool (*answer)(int fd, const char *request))
{
	struct net_address a;

	memset(&world, 0, sizeof(world));
	world.on = true;
	world.now = WORLD_BEGINS;
	world.answer = answer;
	world.listener = -1;
	for (size_t i = 0; i < WORLD_CONNECTIONS; i++)
		world.connections[i].fd = -1;
	if (!name)
		return;
	PROMISE(net_local(&a, span_of(name)));
	world.listener = net_listen(&a);
	PROMISE(world.listener >= 0);
}

/* Nobody listens any more, and every connection is cut. */
static inline void world_vanish(void)
{
	for (size_t i = 0; i < WORLD_CONNECTIONS; i++)
		if (world.connections[i].fd >= 0)
			world_close(i);
	if (world.listener >= 0)
		close(world.listener);
	world.listener = -1;
}

static inline void world_end(void)
{
	world_vanish();
	world.on = false;
}

#endif
