/* handshake.c - what a TLS handshake costs the client: those of tls.c, one after the other.
 *
 *     handshake PORT FOLDER COUNT    FOLDER has ca.pem, cert.pem and key.pem
 *
 * Prints microseconds of CPU: all of one handshake from tls_open to its end, the median and the mean, and the longest
 * single step, which is what holds a loop up.
 */
#include "bench.h"

#include <poll.h>

#include "loop.h"
#include "net.h"
#include "tls.h"

enum { MOST = 10000 };

static int64_t cpu(void)
{
	return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* One handshake: its CPU time, and its longest step. */
static int64_t shake(const struct net_address *a, const struct tls_client *client, int64_t *longest)
{
	struct net_stream s;
	int64_t begun = cpu(), sum;
	int error = tls_open(&s, a, client, "127.0.0.1", now_ns(CLOCK_REALTIME) / 1000000);

	sum = *longest = cpu() - begun;
	while (error == -EAGAIN) {
		unsigned wants = net_wants(&s, LOOP_READ | LOOP_WRITE);
		struct pollfd fd = {.fd = s.fd,
		    .events = (short)((wants & LOOP_READ ? POLLIN : 0) |
			(wants & LOOP_WRITE ? POLLOUT : 0))};
		int64_t took;

		if (poll(&fd, 1, 10000) <= 0)
			break;
		begun = cpu();
		error = net_connect(&s);
		took = cpu() - begun;
		sum += took;
		if (took > *longest)
			*longest = took;
	}
	if (error != 0) {
		fprintf(stderr, "no handshake: %s\n", net_words(&s, -error));
		exit(1);
	}
	net_close(&s);
	return sum;
}

int main(int argc, char **argv)
{
	static int64_t all[MOST], longest[MOST];
	struct tls_client client = {0};
	struct net_address a;
	char error[512];
	int64_t sum = 0;
	int count;

	if (argc != 4 || (count = atoi(argv[3])) < 1 || count > MOST ||
	    !net_literal(&a, span_of("127.0.0.1"), (uint16_t)atoi(argv[1])))
		return 64;
	if (tls_load(&client, argv[2], false, now_ns(CLOCK_REALTIME) / 1000000, error,
		sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	for (int i = 0; i < count; i++)
		sum += all[i] = shake(&a, &client, &longest[i]);
	qsort(all, (size_t)count, sizeof(all[0]), by_size);
	qsort(longest, (size_t)count, sizeof(longest[0]), by_size);
	/* the median of the longest steps: the longest of all is an interrupt's */
	printf("%.1f %.1f %.1f\n", (double)all[count / 2] / 1000, (double)sum / count / 1000,
	    (double)longest[count / 2] / 1000);
	return 0;
}
