/* bench_engine.c - scripted engines (the API of Docker 20.10) that measure the client connected to them.
 *
 *     bench_engine SOCKET CONTAINERS            one engine at a unix socket
 *     bench_engine tcp CONTAINERS ENGINES       so many engines with so many containers each, at ports of 127.0.0.1
 *     bench_engine FOLDER/ CONTAINERS ENGINES   the same over mutual TLS, with ca.pem, server.pem and server.key
 *
 * The first line on stdout is "listening" and the ports. All containers run, are healthy and carry ten labels,
 * autoheal=true among them. TLS is OpenSSL's: it computes as fast as the engine's own, so that what is measured is the
 * client. Commands come on stdin, one a line, each answered by one line on stdout; what measures heals uses the first
 * engine:
 *     ready QUIET_MS        serves until the event stream is open, the list was asked for and QUIET_MS passed in silence
 *     serve MS              serves that long
 *     latency COUNT FILE MS COUNT times, MS apart at least: a container falls sick, and the time from just before the event is written to
 *                           the moment the restart request was read goes into FILE, in nanoseconds, one a line; the
 *                           answer tells how many came on a connection that stood before the event. With TLS each
 *                           round waits until a spare connection stands.
 *     heals COUNT           COUNT containers fall sick in one write: nanoseconds until the first and the last restart
 *                           request were read, and how many came on a connection that stood before
 *     watched               serves until every engine is watched: its stream stands, and a list was asked for and taken
 *                           since; tells the moment by CLOCK_MONOTONIC, in nanoseconds
 *     cut                   cuts every connection at once and does the same; tells how many nanoseconds it took
 *     flood COUNT           writes COUNT events of 700 bytes as fast as they are taken, then one that must be answered
 *                           by a restart: when that comes, all before it have been read
 *     spare                 1 when a connection stands that was asked nothing yet (with TLS), 0 without one
 *     counts                what was asked for so far
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	CONNS = 600,
	ENGINES = 64,
	INPUT = 16384,
	EVENT = 700,      /* bytes of an event in a flood, without the chunk around it */
	BATCH = 256,      /* events a write in a flood */
	PATIENCE = 20000, /* ms until a client that does not answer is given up */
};

struct engine {
	int listener;
	struct conn *stream; /* the newest event stream */
	bool listed;         /* a list was asked for and taken since that was opened */
};

struct conn {
	int fd;
	struct engine *engine;
	SSL *ssl;       /* NULL: plain */
	int64_t stood;  /* with TLS: when the handshake was done */
	bool asked;     /* any request came */
	bool list_left; /* a list is on its way */
	char in[INPUT];
	size_t in_n;
	char *out; /* what could not be written yet */
	size_t out_n, out_at;
};

struct container {
	char id[65];
	bool sick;
	int64_t started;   /* ns since 1970 */
	int64_t fell_sick; /* CLOCK_MONOTONIC */
	int64_t asked;     /* when the restart request was read; 0: not yet */
	bool by_spare;     /* on a connection that stood before */
};

static struct conn pool[CONNS],
    *conns[CONNS]; /* the first conns_count of conns are in use, the rest are free */
static size_t conns_count;
static struct container *containers; /* those of the first engine, then those of the next */
static size_t containers_count, containers_each, next_sick;
static struct engine engines[ENGINES];
static size_t engines_count = 1;
static SSL_CTX *tls;
static int64_t last_input; /* CLOCK_MONOTONIC */
static unsigned long long asked_events, asked_list, asked_inspect, asked_restart, asked_other,
    bytes_in;

static const char labels[] =
    "\"autoheal\":\"true\",\"maintainer\":\"someone@example.org\",\"tier\":\"backend\","
    "\"team\":\"platform\",\"org.opencontainers.image.title\":\"busybox\",\"owner\":\"bench\","
    "\"org.opencontainers.image.version\":\"1.36.1\",\"traefik.enable\":\"true\","
    "\"org.opencontainers.image.licenses\":\"GPL-2.0\",\"backup\":\"daily\"";

/* ---- bytes, with and without TLS ----------------------------------------------------------------- */

static SSL_CTX *tls_of(const char *folder)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char ca[300], cert[300], key[300];

	snprintf(ca, sizeof(ca), "%sca.pem", folder);
	snprintf(cert, sizeof(cert), "%sserver.pem", folder);
	snprintf(key, sizeof(key), "%sserver.key", folder);
	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1) {
		fprintf(stderr, "%s: no ca.pem, server.pem and server.key that fit\n", folder);
		exit(1);
	}
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* as dockerd does it: no session is ever taken up again */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

/* What the connection took of it; 0: nothing now. */
static size_t conn_put(struct conn *c, const char *p, size_t n)
{
	ssize_t done;

	if (c->ssl != NULL)
		done = SSL_write(c->ssl, p, n < 1 << 20 ? (int)n : 1 << 20);
	else
		done = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	return done > 0 ? (size_t)done : 0;
}

/* -1: nothing now, 0: the client is gone. */
static ssize_t conn_get(struct conn *c, char *p, size_t n)
{
	ssize_t got;

	if (c->ssl != NULL) {
		int done, why;

		ERR_clear_error(); /* of another connection */
		done = SSL_read(c->ssl, p, (int)n);
		why = SSL_get_error(c->ssl, done);
		if (c->stood == 0 && SSL_is_init_finished(c->ssl))
			c->stood = last_input = now_ns(CLOCK_MONOTONIC);
		return done > 0                                                 ? done
		    : why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1
										: 0;
	}
	got = recv(c->fd, p, n, MSG_DONTWAIT);
	return got < 0 && errno != EAGAIN && errno != EINTR ? 0 : got;
}

/* ---- writing ------------------------------------------------------------------------------------- */

/* Without a word, as a machine that loses its power. */
static void conn_close(size_t i)
{
	struct conn *c = conns[i];

	if (c == c->engine->stream)
		c->engine->stream = NULL;
	SSL_free(c->ssl);
	close(c->fd);
	free(c->out);
	conns[i] = conns[--conns_count];
	conns[conns_count] = c;
}

static void conn_flush(struct conn *c)
{
	while (c->out_at < c->out_n) {
		size_t n = conn_put(c, c->out + c->out_at, c->out_n - c->out_at);

		if (n == 0)
			return;
		c->out_at += n;
	}
	free(c->out);
	c->out = NULL;
	c->out_n = c->out_at = 0;
	if (c->list_left)
		c->engine->listed = true;
	c->list_left = false;
}

static void conn_send(struct conn *c, const char *p, size_t n)
{
	char *out;

	while (c->out == NULL && n > 0) {
		size_t done = conn_put(c, p, n);

		if (done == 0)
			break;
		p += done;
		n -= done;
	}
	if (n == 0)
		return;
	out = realloc(c->out, c->out_n + n);
	if (out == NULL)
		fail("realloc");
	memcpy(out + c->out_n, p, n);
	c->out = out;
	c->out_n += n;
}

static void answer(struct conn *c, int status, const char *body, size_t n)
{
	char head[256];
	int h = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d %s\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nDocker-Experimental: false\r\n"
	    "Ostype: linux\r\nServer: Docker/20.10.24 (linux)\r\nContent-Length: %zu\r\n\r\n",
	    status, status == 200 ? "OK" : "Not Found", n);

	if (status == 204)
		h = snprintf(
		    head, sizeof(head), "HTTP/1.1 204 No Content\r\nApi-Version: 1.41\r\n\r\n");
	conn_send(c, head, (size_t)h);
	if (n > 0)
		conn_send(c, body, n);
}

static void rfc3339(char out[40], int64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 40 - n, ".%09lldZ", (long long)(ns % 1000000000));
}

/* One event as a chunk; returns its length. With pad, the event itself has EVENT bytes. */
static size_t event_write(char *out, size_t cap, size_t i, const char *action, int64_t time, bool pad)
{
	char event[2048];
	int n, spaces = 0;

	for (;;) {
		n = snprintf(event, sizeof(event),
		    "{\"status\":\"%s\",\"id\":\"%s\",\"from\":\"busybox\",\"Type\":\"container\",\"Action\":\"%s\","
		    "\"Actor\":{\"ID\":\"%s\",\"Attributes\":{%s,\"image\":\"busybox%.*s\",\"name\":\"benchmark-web-%05zu\"}},"
		    "\"scope\":\"local\",\"time\":%lld,\"timeNano\":%lld}\n",
		    action, containers[i].id, action, containers[i].id, labels, spaces,
		    "------------------------------------------------------------------------------------------------"
		    "----------------------------------------------------------------",
		    i, (long long)(time / 1000000000), (long long)time);
		if (!pad || n == EVENT)
			break;
		if (n > EVENT) {
			fprintf(stderr, "an event has %d bytes, more than %d\n", n, EVENT);
			exit(1);
		}
		spaces = EVENT - n;
	}
	return (size_t)snprintf(out, cap, "%x\r\n%s\r\n", (unsigned)n, event);
}

static void event_send(size_t i, const char *action)
{
	struct conn *stream = engines[i / containers_each].stream;
	char chunk[2200];

	if (stream != NULL)
		conn_send(stream, chunk,
		    event_write(chunk, sizeof(chunk), i, action, now_ns(CLOCK_REALTIME), false));
}

/* ---- answering ----------------------------------------------------------------------------------- */

static void answer_list(struct conn *c)
{
	size_t first = (size_t)(c->engine - engines) * containers_each;
	size_t cap = containers_each * 2048 + 64, n = 0;
	char *body = malloc(cap), head[256];
	int h;

	if (body == NULL)
		fail("malloc");
	body[n++] = '[';
	for (size_t i = first; i < first + containers_each; i++)
		n += (size_t)snprintf(body + n, cap - n,
		    "%s{\"Id\":\"%s\",\"Names\":[\"/benchmark-web-%05zu\"],\"Image\":\"busybox\",\"ImageID\":\"sha256:"
		    "5629f9ee4ace27bc66b37cbb9f759bc5614559262f1712aed5694b382eaefb0a\",\"Command\":\"sh -c 'rm -f /ctl/bad; "
		    "exec sleep 3600'\",\"Created\":%lld,\"Ports\":[{\"PrivatePort\":80,\"Type\":\"tcp\"}],\"Labels\":{%s},"
		    "\"State\":\"running\",\"Status\":\"Up 5 minutes (%s)\",\"HostConfig\":{\"NetworkMode\":\"bridge\"},"
		    "\"NetworkSettings\":{\"Networks\":{\"bridge\":{\"IPAMConfig\":null,\"Links\":null,\"Aliases\":null,"
		    "\"NetworkID\":\"8f4d6c3b2a19080706050403020100ffeeddccbbaa998877665544332211000f\",\"EndpointID\":\"%s\","
		    "\"Gateway\":\"172.17.0.1\",\"IPAddress\":\"172.17.%zu.%zu\",\"IPPrefixLen\":16,\"IPv6Gateway\":\"\","
		    "\"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,\"MacAddress\":\"02:42:ac:11:00:02\","
		    "\"DriverOpts\":null}}},\"Mounts\":[]}",
		    i == first ? "" : ",", containers[i].id, i,
		    (long long)(containers[i].started / 1000000000), labels,
		    containers[i].sick ? "unhealthy" : "healthy", containers[i].id, i / 250 % 250,
		    i % 250 + 2);
	n += (size_t)snprintf(body + n, cap - n, "]\n");
	/* as Go's server does: one chunk for one large write */
	h = snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nServer: Docker/20.10.24 (linux)\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
	    n);
	conn_send(c, head, (size_t)h);
	conn_send(c, body, n);
	c->list_left = true;
	conn_send(c, "\r\n0\r\n\r\n", 7);
	conn_flush(c);
	free(body);
}

static void answer_inspect(struct conn *c, size_t i)
{
	struct container *k = &containers[i];
	char body[4096], started[40];
	int n;

	rfc3339(started, k->started);
	n = snprintf(body, sizeof(body),
	    "{\"Id\":\"%s\",\"Created\":\"%s\",\"Path\":\"sh\",\"Args\":[\"-c\",\"exec sleep 3600\"],\"State\":{\"Status\":"
	    "\"running\",\"Running\":true,\"Paused\":false,\"Restarting\":false,\"OOMKilled\":false,\"Dead\":false,\"Pid\":4711,"
	    "\"ExitCode\":0,\"Error\":\"\",\"StartedAt\":\"%s\",\"FinishedAt\":\"0001-01-01T00:00:00Z\",\"Health\":{\"Status\":"
	    "\"%s\",\"FailingStreak\":%d,\"Log\":[{\"Start\":\"%s\",\"End\":\"%s\",\"ExitCode\":%d,\"Output\":\"\"}]}},\"Image\":"
	    "\"sha256:5629f9ee4ace27bc66b37cbb9f759bc5614559262f1712aed5694b382eaefb0a\",\"Name\":\"/benchmark-web-%05zu\","
	    "\"RestartCount\":0,\"Driver\":\"overlay2\",\"Platform\":\"linux\",\"HostConfig\":{\"NetworkMode\":\"bridge\","
	    "\"RestartPolicy\":{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":0},\"AutoRemove\":false},\"Mounts\":[],"
	    "\"Config\":{\"Hostname\":\"%.12s\",\"Cmd\":[\"sh\"],\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":"
	    "30000000000,\"Timeout\":5000000000,\"Retries\":3},\"Image\":\"busybox\",\"Labels\":{%s}},\"NetworkSettings\":"
	    "{\"Networks\":{\"bridge\":{\"IPAddress\":\"172.17.0.2\"}}}}\n",
	    k->id, started, started, k->sick ? "unhealthy" : "healthy", k->sick ? 3 : 0, started,
	    started, k->sick ? 1 : 0, i, k->id, labels);
	answer(c, 200, body, (size_t)n);
}

static void answer_restart(struct conn *c, size_t i)
{
	static const char *const actions[] = {"kill", "die", "stop", "start", "restart"};

	containers[i].sick = false;
	containers[i].started = now_ns(CLOCK_REALTIME);
	for (size_t k = 0; k < sizeof(actions) / sizeof(actions[0]); k++)
		event_send(i, actions[k]);
	answer(c, 204, NULL, 0);
	event_send(i, "health_status: healthy");
}

static void answer_events(struct conn *c)
{
	static const char head[] =
	    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
	    "Server: Docker/20.10.24 (linux)\r\nTransfer-Encoding: chunked\r\n\r\n";

	c->engine->stream = c;
	c->engine->listed = false;
	conn_send(c, head, sizeof(head) - 1);
}

/* The container that is named at the start of path, or containers_count. */
static size_t container_of(const char *path)
{
	char digits[9];
	size_t i;

	if (strncmp(path, "/containers/", 12) != 0 || strlen(path) < 12 + 64)
		return containers_count;
	memcpy(digits, path + 12 + 56, 8);
	digits[8] = '\0';
	i = (size_t)strtoul(digits, NULL, 16);
	return i < containers_count && strncmp(path + 12, containers[i].id, 64) == 0
	    ? i
	    : containers_count;
}

static void handle(struct conn *c, const char *method, char *path, int64_t now)
{
	static const char version[] =
	    "{\"Platform\":{\"Name\":\"\"},\"Components\":[{\"Name\":\"Engine\",\"Version\":\"20.10.24\",\"Details\":{}}],"
	    "\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\",\"GitCommit\":\"5d6db84\","
	    "\"GoVersion\":\"go1.19.8\",\"Os\":\"linux\",\"Arch\":\"amd64\",\"KernelVersion\":\"6.1.0\"}\n";
	static const char unknown[] = "{\"message\":\"page not found\"}\n";
	size_t i;

	if (path[0] == '/' && path[1] == 'v' && path[2] >= '0' && path[2] <= '9')
		path = strchr(path + 1, '/') != NULL ? strchr(path + 1, '/') : path;
	i = container_of(path);
	if (strcmp(method, "GET") == 0 && strncmp(path, "/version", 8) == 0) {
		answer(c, 200, version, sizeof(version) - 1);
	} else if (strcmp(method, "GET") == 0 && strncmp(path, "/events", 7) == 0) {
		asked_events++;
		answer_events(c);
	} else if (strcmp(method, "GET") == 0 && strncmp(path, "/containers/json", 16) == 0) {
		asked_list++;
		answer_list(c);
	} else if (i < containers_count && strcmp(method, "GET") == 0 &&
	    strncmp(path + 76, "/json", 5) == 0) {
		asked_inspect++;
		answer_inspect(c, i);
	} else if (i < containers_count && strcmp(method, "POST") == 0 &&
	    strncmp(path + 76, "/restart", 8) == 0) {
		asked_restart++;
		containers[i].asked = now;
		containers[i].by_spare = c->stood != 0 && c->stood < containers[i].fell_sick;
		answer_restart(c, i);
	} else {
		asked_other++;
		answer(c, 404, unknown, sizeof(unknown) - 1);
	}
}

/* Reads what has come and answers whole requests; false when the client is gone. */
static bool conn_read(struct conn *c)
{
	ssize_t n = conn_get(c, c->in + c->in_n, sizeof(c->in) - 1 - c->in_n);
	int64_t now = now_ns(CLOCK_MONOTONIC);
	char method[8], path[2048], *end;

	if (n <= 0)
		return n < 0;
	last_input = now;
	bytes_in += (unsigned long long)n;
	c->asked = true;
	c->in_n += (size_t)n;
	c->in[c->in_n] = '\0';
	while ((end = strstr(c->in, "\r\n\r\n")) != NULL) {
		if (sscanf(c->in, "%7s %2047s", method, path) == 2)
			handle(c, method, path, now);
		end += 4;
		c->in_n -= (size_t)(end - c->in);
		memmove(c->in, end, c->in_n + 1);
	}
	/* what OpenSSL holds already makes no descriptor readable */
	return c->in_n < sizeof(c->in) - 1 &&
	    (c->ssl == NULL || SSL_pending(c->ssl) == 0 || conn_read(c));
}

static void take(struct engine *e)
{
	int fd = accept4(e->listener, NULL, NULL, SOCK_CLOEXEC | (tls != NULL ? SOCK_NONBLOCK : 0));
	struct conn *c = conns[conns_count];
	int on = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* as Go does */
	c->fd = fd;
	c->engine = e;
	c->ssl = NULL;
	c->stood = 0;
	c->asked = c->list_left = false;
	c->in_n = c->out_n = c->out_at = 0;
	c->out = NULL;
	conns_count++;
	if (tls != NULL) {
		c->ssl = SSL_new(tls);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1)
			fail("OpenSSL");
		SSL_set_accept_state(c->ssl);
	}
	last_input = now_ns(CLOCK_MONOTONIC);
	if (!conn_read(c)) /* the request is often there already */
		conn_close(conns_count - 1);
}

/* One turn: waits at most wait ms (0: only looks). */
static void turn(int wait)
{
	static struct pollfd fds[ENGINES + CONNS], *of_conns = fds + ENGINES;
	size_t known = conns_count;

	for (size_t i = 0; i < ENGINES; i++)
		fds[i] = (struct pollfd){
		    .fd = i < engines_count ? engines[i].listener : -1, .events = POLLIN};
	for (size_t i = 0; i < known; i++)
		of_conns[i] = (struct pollfd){
		    .fd = conns[i]->fd, .events = conns[i]->out ? POLLIN | POLLOUT : POLLIN};
	if (poll(fds, (nfds_t)(ENGINES + known), wait) <= 0)
		return;
	for (size_t i = known; i-- > 0;) {
		if ((of_conns[i].revents & POLLOUT) != 0)
			conn_flush(conns[i]);
		if ((of_conns[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !conn_read(conns[i]))
			conn_close(i);
	}
	for (size_t i = 0; i < engines_count; i++)
		if (fds[i].revents != 0 && conns_count < CONNS)
			take(&engines[i]);
}

static void serve(int ms)
{
	int64_t end = now_ns(CLOCK_MONOTONIC) + (int64_t)ms * 1000000, left;

	while ((left = end - now_ns(CLOCK_MONOTONIC)) > 0)
		turn((int)(left / 1000000) + 1);
}

/* ---- commands ------------------------------------------------------------------------------------ */

static bool list_pending(void)
{
	for (size_t i = 0; i < conns_count; i++)
		if (conns[i]->out != NULL)
			return true;
	return false;
}

static void command_ready(int quiet, bool want_list)
{
	int64_t give_up = now_ns(CLOCK_MONOTONIC) + (int64_t)PATIENCE * 1000000;

	for (;;) {
		int64_t now = now_ns(CLOCK_MONOTONIC);

		if (engines[0].stream != NULL && (asked_list > 0 || !want_list) &&
		    !list_pending() && now - last_input > (int64_t)quiet * 1000000) {
			printf("ready\n");
			return;
		}
		if (now > give_up) {
			printf("error no stream, no list, or no quiet in %d ms\n", PATIENCE);
			return;
		}
		turn(1);
	}
}

/* The next container falls sick: which. Its event is written into chunk. */
static size_t make_sick(char *chunk, size_t cap, size_t *n)
{
	size_t i = next_sick++ % containers_each;

	containers[i].sick = true;
	containers[i].asked = 0;
	*n = event_write(chunk, cap, i, "health_status: unhealthy", now_ns(CLOCK_REALTIME), false);
	return i;
}

/* Makes the next container sick and waits for its restart, spinning. Nanoseconds, or -1. */
static int64_t sick_round(bool *by_spare)
{
	char chunk[2200];
	size_t n, i = make_sick(chunk, sizeof(chunk), &n);
	struct container *k = &containers[i];
	int64_t begun = now_ns(CLOCK_MONOTONIC), give_up = begun + (int64_t)PATIENCE * 1000000;

	k->fell_sick = begun;
	if (engines[0].stream == NULL)
		return -1;
	conn_send(engines[0].stream, chunk, n);
	while (k->asked == 0)
		if (turn(0), k->asked == 0 && now_ns(CLOCK_MONOTONIC) > give_up)
			return -1;
	*by_spare = k->by_spare;
	return k->asked - begun;
}

static bool spare_stands(void)
{
	for (size_t i = 0; i < conns_count; i++)
		if (conns[i]->stood != 0 && !conns[i]->asked)
			return true;
	return false;
}

/* Until the client sleeps and, with TLS, has its spare again. */
static void let_rest(int ms)
{
	int64_t begun = now_ns(CLOCK_MONOTONIC), give_up = begun + (int64_t)2000 * 1000000;

	for (int64_t now = begun; now < give_up; now = now_ns(CLOCK_MONOTONIC)) {
		if (now - begun > (int64_t)ms * 1000000 && now - last_input > 1000000 &&
		    (tls == NULL || spare_stands()))
			return;
		turn(1);
	}
}

static void command_latency(int count, const char *path, int pause)
{
	FILE *f = fopen(path, "w");
	int i, spares = 0;

	if (f == NULL)
		fail(path);
	for (i = 0; i < count; i++) {
		bool by_spare = false;
		int64_t took;

		let_rest(pause);
		took = sick_round(&by_spare);
		if (took < 0)
			break;
		fprintf(f, "%lld\n", (long long)took);
		spares += by_spare;
	}
	fclose(f);
	if (i == count)
		printf("latency %d %d\n", i, spares);
	else
		printf("error no restart asked for in round %d\n", i);
}

static void command_heals(size_t count)
{
	static char chunks[ENGINES * 2200];
	size_t sick[ENGINES], used = 0, n, left = count;
	int64_t begun, first = INT64_MAX, last = 0, give_up;
	int spares = 0;

	if (count == 0 || count > ENGINES || count > containers_each || engines[0].stream == NULL) {
		printf("error no stream, or 1 to %d containers\n", ENGINES);
		return;
	}
	let_rest(1);
	for (size_t k = 0; k < count; k++) {
		sick[k] = make_sick(chunks + used, sizeof(chunks) - used, &n);
		used += n;
	}
	begun = now_ns(CLOCK_MONOTONIC);
	give_up = begun + (int64_t)PATIENCE * 1000000;
	for (size_t k = 0; k < count; k++)
		containers[sick[k]].fell_sick = begun;
	conn_send(engines[0].stream, chunks, used);
	while (left > 0 && now_ns(CLOCK_MONOTONIC) < give_up) {
		turn(0);
		left = 0;
		for (size_t k = 0; k < count; k++)
			left += containers[sick[k]].asked == 0;
	}
	for (size_t k = 0; k < count; k++) {
		int64_t took = containers[sick[k]].asked - begun;

		first = took < first ? took : first;
		last = took > last ? took : last;
		spares += containers[sick[k]].by_spare;
	}
	if (left > 0)
		printf("error %zu of %zu restarts were not asked for\n", left, count);
	else
		printf("heals %lld %lld %d\n", (long long)first, (long long)last, spares);
}

/* The moment at which every engine was watched, or -1. */
static int64_t until_watched(void)
{
	int64_t give_up = now_ns(CLOCK_MONOTONIC) + (int64_t)PATIENCE * 1000000, now;

	for (;;) {
		size_t watched = 0;

		for (size_t i = 0; i < engines_count; i++)
			watched += engines[i].stream != NULL && engines[i].listed;
		now = now_ns(CLOCK_MONOTONIC);
		if (watched == engines_count)
			return now;
		if (now > give_up) {
			printf("error only %zu of %zu engines are watched after %d ms\n", watched,
			    engines_count, PATIENCE);
			return -1;
		}
		turn(1);
	}
}

static void command_watched(bool cut)
{
	int64_t begun = 0, now;

	if (cut) {
		begun = now_ns(CLOCK_MONOTONIC);
		while (conns_count > 0)
			conn_close(0);
		for (size_t i = 0; i < engines_count; i++)
			engines[i].listed = false;
	}
	now = until_watched();
	if (now >= 0)
		printf("watched %lld\n", (long long)(now - begun));
}

static void number(char *out, int64_t value, int digits)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

static void command_flood(long count)
{
	static char one[4096], batch[BATCH * 1024];
	size_t size = event_write(
	    one, sizeof(one), 0, "health_status: healthy", now_ns(CLOCK_REALTIME), true);
	size_t name = (size_t)(strstr(one, "-web-") - one) + 5,
	       time = (size_t)(strstr(one, "\"time\":") - one) + 7;
	size_t nano = (size_t)(strstr(one, "\"timeNano\":") - one) + 11;
	size_t id1 = (size_t)(strstr(one, "\"id\":\"") - one) + 6,
	       id2 = (size_t)(strstr(one, "{\"ID\":\"") - one) + 7;
	int64_t now = now_ns(CLOCK_REALTIME), begun = now_ns(CLOCK_MONOTONIC);
	struct conn *stream = engines[0].stream;
	long written = 0;
	bool by_spare;
	int64_t took;

	for (size_t i = 0; i < BATCH; i++)
		memcpy(batch + i * size, one, size);
	while (written < count && stream != NULL && stream == engines[0].stream) {
		size_t n = count - written < BATCH ? (size_t)(count - written) : BATCH;

		for (size_t i = 0; i < n; i++) {
			char *e = batch + i * size;
			size_t k = (size_t)(written + (long)i) % containers_each;

			memcpy(e + id1, containers[k].id, 64);
			memcpy(e + id2, containers[k].id, 64);
			number(e + name, (int64_t)k, 5);
			number(e + time, now / 1000000000, 10);
			number(e + nano, now, 19);
			now += 100;
		}
		conn_send(stream, batch, n * size);
		written += (long)n;
		while (stream == engines[0].stream && stream->out != NULL)
			turn(1000);
	}
	took = sick_round(&by_spare);
	if (took < 0)
		printf("error the restart after the flood was not asked for\n");
	else
		printf("flood %ld %.3f\n", written, (double)(now_ns(CLOCK_MONOTONIC) - begun) / 1e9);
}

static void command(char *line)
{
	char path[256];
	long n, ms;

	if (sscanf(line, "ready %ld", &n) == 1)
		command_ready((int)n, true);
	else if (sscanf(line, "stream %ld", &n) == 1)
		command_ready((int)n, false);
	else if (sscanf(line, "serve %ld", &n) == 1)
		serve((int)n), printf("served\n");
	else if (sscanf(line, "latency %ld %255s %ld", &n, path, &ms) == 3)
		command_latency((int)n, path, (int)ms);
	else if (sscanf(line, "flood %ld", &n) == 1)
		command_flood(n);
	else if (sscanf(line, "heals %ld", &n) == 1)
		command_heals((size_t)n);
	else if (strncmp(line, "spare", 5) == 0)
		printf("spare %d\n", spare_stands());
	else if (strncmp(line, "watched", 7) == 0)
		command_watched(false);
	else if (strncmp(line, "cut", 3) == 0)
		command_watched(true);
	else if (strncmp(line, "counts", 6) == 0)
		printf(
		    "counts events=%llu list=%llu inspect=%llu restart=%llu other=%llu bytes=%llu\n",
		    asked_events, asked_list, asked_inspect, asked_restart, asked_other, bytes_in);
	else
		printf("error unknown command\n");
	fflush(stdout);
}

static void make_containers(void)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;

	containers = calloc(containers_count ? containers_count : 1, sizeof(*containers));
	if (containers == NULL)
		fail("calloc");
	for (size_t i = 0; i < containers_count; i++) {
		int at = 0;

		for (int k = 0; k < 4; k++) { /* splitmix64 */
			uint64_t z = seed += 0x9e3779b97f4a7c15u;

			z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
			z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
			at += snprintf(containers[i].id + at, sizeof(containers[i].id) - (size_t)at,
			    "%016llx", (unsigned long long)(z ^ (z >> 31)));
		}
		for (size_t k = 0; k < 8; k++) /* its end is its number */
			containers[i].id[56 + k] = "0123456789abcdef"[i >> (28 - 4 * k) & 15];
		containers[i].started = now_ns(CLOCK_REALTIME) - (int64_t)300 * 1000000000;
	}
}

/* A listener at a free port of 127.0.0.1, and the port. */
static int tcp_listen(int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 512) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		fail("127.0.0.1");
	*port = ntohs(a.sin_port);
	return fd;
}

int main(int argc, char **argv)
{
	char line[512];
	size_t used = 0;
	int port;

	if (argc != 3 && argc != 4)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	containers_each = (size_t)strtoul(argv[2], NULL, 10);
	if (argc == 4)
		engines_count = (size_t)strtoul(argv[3], NULL, 10);
	if (engines_count < 1 || engines_count > ENGINES || containers_each < 1)
		return 64;
	containers_count = containers_each * engines_count;
	make_containers();
	for (size_t i = 0; i < CONNS; i++)
		conns[i] = &pool[i];
	if (argc == 4 && strcmp(argv[1], "tcp") != 0)
		tls = tls_of(argv[1]);
	printf("listening");
	for (size_t i = 0; i < engines_count; i++) {
		if (argc == 3) {
			engines[i].listener = unix_listen(argv[1]);
			continue;
		}
		engines[i].listener = tcp_listen(&port);
		printf(" %d", port);
	}
	printf("\n");
	fflush(stdout);
	/* stdin is read without stdio, so that poll() tells the truth about it */
	for (;;) {
		struct pollfd in = {.fd = 0, .events = POLLIN};
		ssize_t n;
		char *end;

		turn(1);
		if (poll(&in, 1, 0) <= 0)
			continue;
		n = read(0, line + used, sizeof(line) - 1 - used);
		if (n <= 0)
			return 0;
		used += (size_t)n;
		line[used] = '\0';
		while ((end = strchr(line, '\n')) != NULL) {
			*end = '\0';
			command(line);
			used -= (size_t)(end + 1 - line);
			memmove(line, end + 1, used + 1);
		}
	}
}
