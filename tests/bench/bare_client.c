/* bare_client.c - the yardstick: reads an engine's event stream and, at "health_status: unhealthy", writes the
 * restart request on a fresh connection at once. No table, no policy, no log: as fast as a client can be.
 *
 *     bare_client SOCKET
 */
#include "bench.h"

#include <poll.h>
#include <signal.h>

enum { ANSWERS = 256, BUFFER = 65536 };

static struct pollfd fds[1 + ANSWERS]; /* [0] is the stream, the rest wait for the answer to a restart */
static nfds_t fds_count = 1;
static const char *engine;

static void restart(const char *id)
{
	char request[256];
	int n = snprintf(request, sizeof(request),
	    "POST /v1.41/containers/%.64s/restart HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n",
	    id);
	int fd = unix_connect(engine);

	write_all(fd, request, (size_t)n);
	if (fds_count == 1 + ANSWERS) {
		close(fd);
		return;
	}
	fds[fds_count].fd = fd;
	fds[fds_count++].events = POLLIN;
}

static void line(const char *p, size_t n)
{
	static const char sick[] = "health_status: unhealthy", key[] = "\"Actor\":{\"ID\":\"";
	const char *id;

	if (memmem(p, n, sick, sizeof(sick) - 1) == NULL)
		return;
	id = memmem(p, n, key, sizeof(key) - 1);
	if (id != NULL && (size_t)(p + n - id) > sizeof(key) + 64)
		restart(id + sizeof(key) - 1);
}

/* Lines of the stream; a line that holds only a chunk's size says nothing to line(). */
static void stream(void)
{
	static char buffer[BUFFER];
	static size_t used;
	char *start = buffer, *end;
	ssize_t n = read(fds[0].fd, buffer + used, sizeof(buffer) - used);

	if (n <= 0)
		exit(0);
	used += (size_t)n;
	while ((end = memchr(start, '\n', used - (size_t)(start - buffer))) != NULL) {
		line(start, (size_t)(end - start));
		start = end + 1;
	}
	used -= (size_t)(start - buffer);
	memmove(buffer, start, used);
	if (used == sizeof(buffer))
		used = 0;
}

int main(int argc, char **argv)
{
	static const char request[] =
	    "GET /v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%2C%22die%22"
	    "%2C%22kill%22%2C%22stop%22%2C%22restart%22%2C%22health_status%22%5D%7D HTTP/1.1\r\nHost: docker\r\n\r\n";
	char sink[4096];

	if (argc != 2)
		return 64;
	engine = argv[1];
	signal(SIGPIPE, SIG_IGN);
	fds[0].fd = unix_connect(engine);
	fds[0].events = POLLIN;
	write_all(fds[0].fd, request, sizeof(request) - 1);
	while (poll(fds, fds_count, -1) > 0) {
		if (fds[0].revents != 0)
			stream();
		for (nfds_t i = 1; i < fds_count; i++)
			if (fds[i].revents != 0) { /* the answer, or the end */
				if (read(fds[i].fd, sink, sizeof(sink)) < 0)
					perror("restart");
				close(fds[i].fd);
				fds[i--] = fds[--fds_count];
			}
	}
	return 1;
}
