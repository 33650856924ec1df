/* resolve.c - the forked resolver of resolve.h. */
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child: asks, writes whole addresses, ends. It must not run any of the parent's clean-up. */
static void answer(int fd, const char *name, uint16_t port)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char service[8];

	text_print(service, sizeof(service), "%u", port);
	if (getaddrinfo(name, service, &hints, &list))
		_exit(1);
	for (size_t n = 0; list && n < RESOLVE_ADDRESSES_MAX; list = list->ai_next) {
		struct net_address a;

		memset(&a, 0, sizeof(a));
		if (list->ai_addrlen > sizeof(a.to))
			continue;
		memcpy(&a.to, list->ai_addr, list->ai_addrlen);
		a.length = list->ai_addrlen;
		if (write(fd, &a, sizeof(a)) != (ssize_t)sizeof(a))
			break;
		n++;
	}
	_exit(0);
}

static void finish(struct resolve *r)
{
	loop_cancel(r->loop, &r->timeout);
	loop_forget(r->loop, r->pipe);
	close(r->pipe);
	r->pipe = -1;
	kill(r->child, SIGKILL);
	waitpid(r->child, NULL, 0);
	r->child = 0;
}

static void timed_out(void *owner)
{
	struct resolve *r = owner;

	finish(r);
	r->count = 0;
	r->done(r->owner);
}

static void readable(void *owner, unsigned what)
{
	struct resolve *r = owner;
	ssize_t n = read(r->pipe, (char *)r->addresses + r->got, sizeof(r->addresses) - r->got);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->got += (size_t)n;
	if (n > 0 && r->got < sizeof(r->addresses))
		return;
	finish(r);
	r->count = r->got / sizeof(r->addresses[0]);
	r->done(r->owner);
}

int resolve_start(struct resolve *r, struct loop *loop, const char *name, uint16_t port,
    void (*done)(void *), void *owner)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	child = ends[0] < LOOP_FD_MAX ? fork() : -1;
	if (child == 0) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		answer(ends[1], name, port);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return -EAGAIN;
	}
	*r = (struct resolve){
	    .loop = loop, .done = done, .owner = owner, .child = child, .pipe = ends[0]};
	r->timeout = (struct loop_timer){.fire = timed_out, .owner = r};
	loop_watch(loop, r->pipe, LOOP_READ, readable, r);
	loop_after(loop, &r->timeout, RESOLVE_TIMEOUT_MS);
	return 0;
}

void resolve_cancel(struct resolve *r)
{
	if (r->child)
		finish(r);
}
