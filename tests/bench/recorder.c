/* recorder.c - stands between a client and an engine, passes every byte on, and says when it saw
 *     event NANOSECONDS ID             a "health_status: unhealthy" come from the engine
 *     request NANOSECONDS METHOD PATH  a request come from the client
 * on stdout, by CLOCK_MONOTONIC, at the moment the bytes were read and before they are passed on.
 *
 *     recorder SOCKET_TO_MAKE SOCKET_OF_THE_ENGINE
 */
#include "bench.h"

#include <poll.h>
#include <signal.h>

enum { PAIRS = 500, CARRY = 512 };

struct pair {
	int client, engine;
	char tail[CARRY]; /* the end of what the engine said, for an event cut in two */
	size_t tail_n;
};

static struct pair *pairs[PAIRS];
static size_t pairs_count;

static void say_requests(const char *p, size_t n, int64_t now)
{
	static const char *const methods[] = {"GET ", "POST ", "PUT ", "DELETE ", "HEAD "};
	const char *end = memchr(p, '\r', n);

	if (end == NULL)
		return;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strncmp(p, methods[i], strlen(methods[i])) == 0) {
			const char *last = memmem(p, (size_t)(end - p), " HTTP/", 6);

			printf("request %lld %.*s\n", (long long)now,
			    (int)((last ? last : end) - p), p);
			return;
		}
}

static void say_events(struct pair *pair, const char *p, size_t n, int64_t now)
{
	static const char sick[] = "\"Action\":\"health_status: unhealthy\",\"Actor\":{\"ID\":\"";
	static char all[CARRY + 65536];
	size_t used = pair->tail_n;
	const char *at = all, *hit;

	memcpy(all, pair->tail, used);
	memcpy(all + used, p, n);
	used += n;
	while ((hit = memmem(at, used - (size_t)(at - all), sick, sizeof(sick) - 1)) != NULL) {
		hit += sizeof(sick) - 1;
		if (used - (size_t)(hit - all) < 64)
			break;
		printf("event %lld %.64s\n", (long long)now, hit);
		at = hit + 64;
	}
	used -= (size_t)(at - all);
	pair->tail_n = used < CARRY ? used : CARRY;
	memcpy(pair->tail, at + used - pair->tail_n, pair->tail_n);
}

/* Passes what has come on; 0 when this pair is over. */
static int pass(struct pair *pair, int from, int to)
{
	static char buffer[65536];
	ssize_t n = read(from, buffer, sizeof(buffer));
	int64_t now = now_ns(CLOCK_MONOTONIC);

	if (n <= 0)
		return 0;
	write_all(to, buffer, (size_t)n); /* saying takes longer than passing on */
	if (from == pair->client)
		say_requests(buffer, (size_t)n, now);
	else
		say_events(pair, buffer, (size_t)n, now);
	return 1;
}

static void take(int listener, const char *engine)
{
	struct sockaddr_un a = unix_address(engine);
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int up = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pair *pair = calloc(1, sizeof(*pair));

	if (client < 0 || up < 0 || pair == NULL || pairs_count == PAIRS ||
	    connect(up, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(client);
		close(up);
		free(pair);
		return;
	}
	pair->client = client;
	pair->engine = up;
	pairs[pairs_count++] = pair;
}

int main(int argc, char **argv)
{
	static struct pollfd fds[1 + 2 * PAIRS];
	int listener;

	if (argc != 3)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	listener = unix_listen(argv[1]);
	printf("ready\n");
	for (;;) {
		size_t known = pairs_count;

		fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (size_t i = 0; i < known; i++) {
			fds[1 + 2 * i] = (struct pollfd){.fd = pairs[i]->client, .events = POLLIN};
			fds[2 + 2 * i] = (struct pollfd){.fd = pairs[i]->engine, .events = POLLIN};
		}
		if (poll(fds, (nfds_t)(1 + 2 * known), -1) < 0 && errno != EINTR)
			fail("poll");
		for (size_t i = known; i-- > 0;) {
			struct pair *pair = pairs[i];
			int open = 1;

			if (fds[2 + 2 * i].revents != 0)
				open = pass(pair, pair->engine, pair->client);
			if (open && fds[1 + 2 * i].revents != 0)
				open = pass(pair, pair->client, pair->engine);
			if (!open) {
				close(pair->client);
				close(pair->engine);
				free(pair);
				pairs[i] = pairs[--pairs_count];
			}
		}
		if (fds[0].revents != 0)
			take(listener, argv[2]);
	}
}
