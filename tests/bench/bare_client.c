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
	size_t n = write_restart(request, sizeof(request), id);
	int fd = unix_connect(engine);

	write_all(fd, request, n);
	if (fds_count == 1 + ANSWERS) {
		close(fd);
		return;
	}
	fds[fds_count].fd = fd;
	fds[fds_count++].events = POLLIN;
}

static void stream(void)
{
	static char buffer[BUFFER];
	static size_t used;
	ssize_t n = read(fds[0].fd, buffer + used, sizeof(buffer) - used);

	if (n <= 0)
		exit(0);
	take_lines(buffer, sizeof(buffer), &used, (size_t)n, restart);
}

int main(int argc, char **argv)
{
	char sink[4096];

	if (argc != 2)
		return 64;
	engine = argv[1];
	signal(SIGPIPE, SIG_IGN);
	fds[0].fd = unix_connect(engine);
	fds[0].events = POLLIN;
	write_all(fds[0].fd, bare_request, sizeof(bare_request) - 1);
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
