/* bench.h - the few helpers that the benchmark programs share. Include it first: it asks for memmem and accept4. */
#ifndef AUTOHEAL_BENCH_H
#define AUTOHEAL_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

_Noreturn static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	return a;
}

static inline int unix_connect(const char *path)
{
	struct sockaddr_un a = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		fail(path);
	return fd;
}

static inline int unix_listen(const char *path)
{
	struct sockaddr_un a = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 512) != 0)
		fail(path);
	return fd;
}

/* What the bare clients know of an engine's events. */
static const char bare_request[] =
    "GET /v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%2C%22die%22"
    "%2C%22kill%22%2C%22stop%22%2C%22restart%22%2C%22health_status%22%5D%7D HTTP/1.1\r\nHost: docker\r\n\r\n";

/* The id in a line of the stream that tells of a sick container, or NULL. A line that holds only a chunk's size says
 * nothing. */
static inline const char *sick_id(const char *p, size_t n)
{
	static const char sick[] = "health_status: unhealthy", key[] = "\"Actor\":{\"ID\":\"";
	const char *id;

	if (memmem(p, n, sick, sizeof(sick) - 1) == NULL)
		return NULL;
	id = memmem(p, n, key, sizeof(key) - 1);
	if (id == NULL || (size_t)(p + n - id) <= sizeof(key) + 64)
		return NULL;
	return id + sizeof(key) - 1;
}

static inline size_t write_restart(char *out, size_t cap, const char *id)
{
	return (size_t)snprintf(out, cap,
	    "POST /v1.41/containers/%.64s/restart HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n",
	    id);
}

/* Takes bytes of the stream that were read into buffer behind *used others: calls restart for each sick container. */
static inline void take_lines(
    char *buffer, size_t size, size_t *used, size_t n, void (*restart)(const char *id))
{
	char *start = buffer, *end;

	*used += n;
	while ((end = memchr(start, '\n', *used - (size_t)(start - buffer))) != NULL) {
		const char *id = sick_id(start, (size_t)(end - start));

		if (id != NULL)
			restart(id);
		start = end + 1;
	}
	*used -= (size_t)(start - buffer);
	memmove(buffer, start, *used);
	if (*used == size)
		*used = 0;
}

static inline void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return; /* the reader is gone; its next read tells */
		p += done;
		n -= (size_t)done;
	}
}

#endif
