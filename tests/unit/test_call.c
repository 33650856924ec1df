/* test_call.c - what call.h promises: one request, one end, and a spare connection that never costs an answer.
 * The sockets are real, the test is the server; hours pass by a simulated clock, and a stand-in for TLS takes as
 * long as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <netinet/tcp.h>
#include <cmocka.h>

#include "call.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PEERS_MAX 16
#define TURNS_MAX 2000 /* of some ms each: a sanitized build on a busy machine */

/* ---- the clock ------------------------------------------------------------------------------- */

static uint64_t skipped; /* ms */

/* Stands in for the C library's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int result = (int)syscall(SYS_clock_gettime, id, t);

	t->tv_sec += (time_t)(skipped / 1000);
	return result;
}

/* ---- the stand-in for TLS -------------------------------------------------------------------- */

static struct {
	int peers[PEERS_MAX]; /* the servers' ends, in order */
	int peers_count;
	int open_error;     /* of tls_open, 0 none */
	int connect_result; /* of the handshake */
	int write_error;    /* of the next write, 0 none */
	unsigned connects;  /* steps of handshakes */
	const char *name;
} fake;

static int fake_connect(struct net_stream *s)
{
	(void)s;
	fake.connects++;
	return fake.connect_result;
}

static ssize_t fake_read(struct net_stream *s, void *p, size_t n)
{
	ssize_t got = recv(s->fd, p, n, 0);

	return got < 0 ? -errno : got;
}

static ssize_t fake_write(struct net_stream *s, const void *p, size_t n)
{
	ssize_t put;
	int error = fake.write_error;

	fake.write_error = 0;
	if (error)
		return error;
	put = send(s->fd, p, n, MSG_NOSIGNAL);
	return put < 0 ? -errno : put;
}

static unsigned fake_wants(const struct net_stream *s, unsigned owner)
{
	(void)s;
	return owner;
}

static bool fake_pending(const struct net_stream *s)
{
	(void)s;
	return false;
}

static const char *fake_words(const struct net_stream *s)
{
	(void)s;
	return "the words of the stand-in";
}

static const struct net_transport fake_transport = {fake_connect, fake_read, fake_write, fake_wants,
    fake_pending, fake_words, net_close_socket, true};

int tls_open(struct net_stream *s, const struct net_address *a, const struct tls_client *t,
    const char *server_name, int64_t wall)
{
	int ends[2];

	(void)a;
	(void)t;
	(void)wall;
	*s = (struct net_stream){.transport = &fake_transport, .fd = -1};
	if (fake.open_error)
		return fake.open_error;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_true(fake.peers_count < PEERS_MAX);
	fake.peers[fake.peers_count++] = ends[1];
	fake.name = server_name;
	s->fd = ends[0];
	s->connecting = true;
	return -EAGAIN;
}

/* ---- the world ------------------------------------------------------------------------------- */

static struct loop loop;
static struct call_workspace workspace;
static struct call_place place;
static struct tls_client tls;
static int listener;
static unsigned watched; /* descriptors that were open at the beginning */

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++) {
		struct pollfd p = {.fd = fd};

		count += poll(&p, 1, 0) >= 0 && !(p.revents & POLLNVAL);
	}
	return count;
}

/* What was told of one call. */
struct record {
	struct call *call; /* NULL when it is over */
	unsigned heads, batches, ends;
	enum call_end end;
	int status, error;
	char values[4096]; /* each with a line end */
	char words[CALL_WORDS_MAX];
	bool podman;
	int64_t date;
	char api_version[16];
	bool close_in_head, close_in_value, pause_in_value;
};

static void on_head(struct call *call)
{
	struct record *r = call->owner;

	r->heads++;
	r->status = call->status;
	if (r->close_in_head) {
		call_close(call);
		r->call = NULL;
	}
}

static void on_value(struct call *call, const struct json *j)
{
	struct record *r = call->owner;
	struct span raw = json_raw(j, 0);
	size_t n = strlen(r->values);

	snprintf(r->values + n, sizeof(r->values) - n, "%.*s\n", (int)raw.n, raw.p);
	if (r->pause_in_value)
		call_pause(call, true);
	if (r->close_in_value) {
		call_close(call);
		r->call = NULL;
	}
}

static void on_batch(struct call *call)
{
	struct record *r = call->owner;

	r->batches++;
}

static void on_done(struct call *call)
{
	struct record *r = call->owner;

	r->ends++;
	r->call = NULL;
	r->end = call->end;
	r->status = call->status;
	r->error = call->error;
	r->podman = call->podman;
	r->date = call->date;
	snprintf(r->words, sizeof(r->words), "%s", call->words);
	snprintf(r->api_version, sizeof(r->api_version), "%s", call->api_version);
}

static const struct call_handler handler = {on_head, on_value, on_batch, on_done};

static int code; /* of the last start */

static struct call *start_on(struct record *r, struct call_spare *spare, const char *method,
    enum json_split_mode mode, uint64_t timeout)
{
	*r = (struct record){.end = CALL_RUNNING};
	r->call = call_start(&loop, &workspace, &place, spare, method, "/v1.43/x?y=1", mode,
	    timeout, &handler, r, &code);
	return r->call;
}

static void start(struct record *r, enum json_split_mode mode)
{
	if (!start_on(r, NULL, "GET", mode, 30000))
		fail_msg("not begun: %s", strerror(-code));
}

static void tick(void *owner)
{
	(void)owner;
}

/* One turn of the loop, which does not wait long. */
static void turn(void)
{
	struct loop_timer soon = {.fire = tick};

	loop_after(&loop, &soon, 2);
	loop_turn(&loop);
	loop_cancel(&loop, &soon);
}

#define TURN_UNTIL(condition) \
	do { \
		int left_ = TURNS_MAX; \
		bool met_; \
		while (!(met_ = (condition)) && left_--) \
			turn(); \
		if (!met_) \
			fail_msg("waited in vain for " #condition); \
	} while (0)

static void turns(int n)
{
	while (n--)
		turn();
}

static int accept_one(void)
{
	int fd = -1;

	TURN_UNTIL((fd = net_accept(listener)) >= 0);
	return fd;
}

/* Takes what has come on fd until it is a whole head; all of it stands in request. */
static char request[CALL_REQUEST_MAX + 1];

static bool take_request(int fd)
{
	size_t n = strlen(request);
	ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, MSG_DONTWAIT);

	if (got > 0)
		request[n + (size_t)got] = 0;
	return strstr(request, "\r\n\r\n") != NULL;
}

static void await_request(int fd)
{
	request[0] = 0;
	TURN_UNTIL(take_request(fd));
}

static void say(int fd, const char *bytes)
{
	assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
}

/* Breaks a TCP connection with a reset. */
static void reset(int fd)
{
	struct linger l = {.l_onoff = 1};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close(fd);
}

static int listen_at(void)
{
	listener = net_listen(&place.address);
	assert_true(listener >= 0);
	place.address.length = sizeof(place.address.to);
	assert_int_equal(getsockname(listener, &place.address.to.any, &place.address.length), 0);
	return 0;
}

static int begin(void **state)
{
	char name[64];

	(void)state;
	memset(&loop, 0, sizeof(loop));
	loop_init(&loop);
	memset(&fake, 0, sizeof(fake));
	fake.connect_result = -EAGAIN;
	place = (struct call_place){.host = "docker", .name = "nas"};
	watched = open_descriptors();
	snprintf(name, sizeof(name), "@autoheal-call-%d", (int)getpid());
	assert_true(net_local(&place.address, span_of(name)));
	return listen_at();
}

static void on_tcp(void)
{
	close(listener);
	assert_true(net_literal(&place.address, span_of("127.0.0.1"), 0));
	listen_at();
}

static void on_fake(void)
{
	place.tls = &tls;
}

/* Nothing may be left behind: neither a descriptor nor a timer. */
static int end(void **state)
{
	(void)state;
	close(listener);
	for (int i = 0; i < fake.peers_count; i++)
		if (fake.peers[i] >= 0)
			close(fake.peers[i]);
	assert_int_equal(loop.top, -1);
	assert_int_equal(loop.timers, 0);
	assert_int_equal(open_descriptors(), watched);
	return 0;
}

/* A whole conversation in one piece; the connection is closed behind it where told. */
static struct record *converse(enum json_split_mode mode, const char *answer, bool close_after)
{
	static struct record r;
	int fd;

	start(&r, mode);
	fd = accept_one();
	await_request(fd);
	say(fd, answer);
	if (close_after)
		close(fd);
	TURN_UNTIL(r.ends);
	if (!close_after)
		close(fd);
	return &r;
}

/* ---- one request ----------------------------------------------------------------------------- */

static void test_a_request_leaves_before_its_start_returns(void **state)
{
	struct record r;
	int fd;

	(void)state;
	assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 30000));
	fd = net_accept(listener); /* without a turn of the loop */
	assert_true(fd >= 0);
	request[0] = 0;
	assert_true(take_request(fd));
	assert_string_equal(request,
	    "GET /v1.43/x?y=1 HTTP/1.1\r\nHost: docker\r\nUser-Agent: autoheal/" AUTOHEAL_VERSION
	    "\r\n\r\n");
	call_close(r.call);
	close(fd);
	assert_int_equal(r.ends, 0);
}

static void test_a_post_says_that_it_has_no_body(void **state)
{
	struct record r;
	int fd;

	(void)state;
	assert_non_null(start_on(&r, NULL, "POST", JSON_STREAM, 0));
	fd = accept_one();
	await_request(fd);
	assert_non_null(strstr(request, "\r\nContent-Length: 0\r\n"));
	say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	assert_int_equal(r.status, 204);
	close(fd);
}

static void test_an_answer_and_its_head(void **state)
{
	struct record *r = converse(JSON_STREAM,
	    "HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	    "Server: Libpod/4.3\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
	    false);

	(void)state;
	assert_int_equal(r->end, CALL_ANSWERED);
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->heads, 1);
	assert_int_equal(r->status, 200);
	assert_string_equal(r->values, "{\"a\":1}\n");
	assert_string_equal(r->api_version, "1.43");
	assert_true(r->podman);
	assert_int_equal(r->date, 784111777000);
}

static void test_an_answer_in_pieces_of_a_byte(void **state)
{
	static const char answer[] =
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "4\r\n[{\"a\r\n8\r\n\":1},{\"b\r\n6\r\n\":2} ]\r\n0\r\n\r\n";
	struct record r;
	int fd;

	(void)state;
	start(&r, JSON_ARRAY);
	fd = accept_one();
	await_request(fd);
	for (size_t i = 0; i < sizeof(answer) - 1; i++) {
		assert_int_equal(r.ends, 0);
		assert_int_equal(send(fd, answer + i, 1, MSG_NOSIGNAL), 1);
		turn();
	}
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	assert_int_equal(r.heads, 1);
	assert_string_equal(r.values, "{\"a\":1}\n{\"b\":2}\n");
	close(fd);
}

static void test_a_stream_is_handed_out_as_it_comes(void **state)
{
	struct record r;
	int fd;

	(void)state;
	assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 0));
	fd = accept_one();
	await_request(fd);
	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	TURN_UNTIL(r.heads);
	say(fd, "10\r\n{\"a\":1}\n{\"b\":2}\n\r\n");
	TURN_UNTIL(r.values[0]);
	assert_string_equal(r.values, "{\"a\":1}\n{\"b\":2}\n");
	assert_int_equal(r.batches, 2); /* the head's read, and the one with both */
	/* a stream has no deadline */
	skipped += 7 * 86400 * 1000ull;
	turns(3);
	say(fd, "8\r\n{\"c\":3}\n\r\n");
	TURN_UNTIL(strstr(r.values, "c"));
	say(fd, "0\r\n\r\n");
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	close(fd);
}

static void test_errors_come_with_the_engines_words(void **state)
{
	static const struct {
		const char *body, *words;
	} rows[] = {
	    {"{\"message\":\"No such container: x\"}", "No such container: x"},
	    {"<html><body>Bad</body></html>", "it sent an HTML page, as proxies do"},
	    {"  <html>", "it sent an HTML page, as proxies do"},
	    {"upstream is down", "upstream is down"},
	    {"", ""},
	};
	char answer[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct record *r;

		snprintf(answer, sizeof(answer),
		    "HTTP/1.1 404 Not Found\r\nContent-Length: %zu\r\n\r\n%s", strlen(rows[i].body),
		    rows[i].body);
		r = converse(JSON_STREAM, answer, false);
		assert_int_equal(r->end, CALL_ANSWERED);
		assert_int_equal(r->status, 404);
		assert_string_equal(r->words, rows[i].words);
		assert_string_equal(r->values, "");
	}
}

static void test_what_is_a_success(void **state)
{
	static const struct {
		int status;
		bool success;
	} rows[] = {{199, false}, {200, true}, {204, true}, {299, true}, {300, false}, {303, false},
	    {304, true}, {305, false}, {400, false}, {500, false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct call call = {.status = rows[i].status};

		assert_int_equal(call_succeeded(&call), rows[i].success);
	}
}

static void test_nonsense(void **state)
{
	static const struct {
		const char *answer, *words;
		enum json_split_mode mode;
	} rows[] = {
	    {"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP/1.1", JSON_STREAM},
	    {"\x15\x03\x01\x00\x02\x02\x28", "does not speak HTTP/1.1", JSON_STREAM},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunks", JSON_STREAM},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "not JSON", JSON_STREAM},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"a\":", "in the middle", JSON_STREAM},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[{}", "in the middle", JSON_ARRAY},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no list", JSON_ARRAY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct record *r = converse(rows[i].mode, rows[i].answer, false);

		if (r->end != CALL_NONSENSE || !strstr(r->words, rows[i].words))
			fail_msg("%s: %d, %s", rows[i].answer, r->end, r->words);
	}
}

static void test_a_head_without_an_end_is_nonsense(void **state)
{
	char line[1026];
	struct record r;
	int fd, sent = 0;

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	memcpy(line, "X: ", 3);
	line[sizeof(line) - 3] = '\r';
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = 0;
	start(&r, JSON_STREAM);
	fd = accept_one();
	await_request(fd);
	say(fd, "HTTP/1.1 200 OK\r\n");
	while (!r.ends && sent++ < 1000) {
		send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
		turn();
	}
	assert_int_equal(r.end, CALL_NONSENSE);
	close(fd);
}

/* ---- connections that fail ------------------------------------------------------------------- */

static void test_nobody_there(void **state)
{
	struct record r;

	(void)state;
	close(listener);
	assert_null(start_on(&r, NULL, "GET", JSON_STREAM, 0));
	assert_int_equal(code, -ECONNREFUSED);
	assert_int_equal(r.ends, 0);
	listener = dup(0);
}

static void test_a_refused_port_is_unsent(void **state)
{
	struct record r;

	(void)state;
	on_tcp();
	close(listener);
	listener = dup(0);
	if (!start_on(&r, NULL, "GET", JSON_STREAM, 0)) { /* said at once, on some kernels */
		assert_int_equal(code, -ECONNREFUSED);
		return;
	}
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_UNSENT);
	assert_int_equal(r.error, ECONNREFUSED);
	assert_string_equal(r.words, strerror(ECONNREFUSED));
}

static void test_a_request_that_is_too_long_is_not_begun(void **state)
{
	char path[CALL_REQUEST_MAX + 1];
	struct record r = {0};

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_null(call_start(
	    &loop, &workspace, &place, NULL, "GET", path, JSON_STREAM, 0, &handler, &r, &code));
	assert_int_equal(code, -ENOMEM);
}

static void test_lost_once_the_request_has_left(void **state)
{
	struct record r;
	int fd;

	(void)state;
	start(&r, JSON_STREAM);
	fd = accept_one();
	await_request(fd);
	close(fd);
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_LOST);
	assert_int_equal(r.error, 0);
	assert_string_equal(r.words, "the connection was closed before the answer was complete");
	/* and in the middle of the answer */
	on_tcp();
	start(&r, JSON_STREAM);
	fd = accept_one();
	await_request(fd);
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}");
	TURN_UNTIL(r.values[0]);
	reset(fd);
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_LOST);
	assert_int_equal(r.error, ECONNRESET);
	assert_int_equal(r.ends, 1);
}

static void test_an_answer_that_ends_with_its_connection(void **state)
{
	struct record *r = converse(JSON_STREAM, "HTTP/1.1 200 OK\r\n\r\n{\"a\":1}", true);

	(void)state;
	assert_int_equal(r->end, CALL_ANSWERED);
	assert_string_equal(r->values, "{\"a\":1}\n");
}

static void test_a_failed_handshake_is_unsent_in_its_words(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	start(&r, JSON_STREAM);
	assert_string_equal(fake.name, "nas");
	turns(3);
	assert_int_equal(r.ends, 0);
	fake.connect_result = -EPROTO;
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_UNSENT);
	assert_int_equal(r.error, EPROTO);
	assert_string_equal(r.words, "the words of the stand-in");
}

static void connect_only(struct record *r)
{
	struct buf nothing;

	buf_init(&nothing, 1);
	*r = (struct record){0};
	r->call = call_send(&loop, &workspace, &place, NULL, &nothing, LOOP_CAN_WAIT, JSON_NONE, 0,
	    &handler, r, &code);
	assert_non_null(r->call);
}

static void test_an_empty_request_only_connects(void **state)
{
	struct record r;
	char byte;
	int fd;

	(void)state;
	on_tcp();
	connect_only(&r);
	fd = accept_one();
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	assert_int_equal(r.status, 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 0); /* it hung up, and has said nothing */
	close(fd);
	on_fake();
	connect_only(&r);
	turns(3);
	assert_int_equal(r.ends, 0);
	fake.connect_result = 0;
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	on_fake();
	connect_only(&r);
	fake.connect_result = -EPROTO;
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_UNSENT);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void test_an_answer_has_its_time(void **state)
{
	struct record r;
	int fd;

	(void)state;
	start(&r, JSON_STREAM);
	fd = accept_one();
	await_request(fd);
	skipped += 29000;
	turns(3);
	assert_int_equal(r.ends, 0);
	skipped += 2000;
	turns(3);
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.end, CALL_LATE);
	assert_string_equal(r.words, "no answer in time");
	close(fd);
}

static void test_a_connection_has_ten_seconds_whatever_the_request_has(void **state)
{
	static const uint64_t timeouts[] = {0, 30000, 3600000};

	(void)state;
	on_fake();
	for (size_t i = 0; i < COUNT(timeouts); i++) {
		struct record r;

		assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, timeouts[i]));
		skipped += CALL_CONNECT_MS - 1000;
		turns(3);
		assert_int_equal(r.ends, 0);
		skipped += 2000;
		turns(3);
		assert_int_equal(r.ends, 1);
		assert_int_equal(r.end, CALL_UNSENT);
		assert_int_equal(r.error, ETIMEDOUT);
	}
}

static void test_nor_longer_than_the_request(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 3000));
	skipped += 4000;
	turns(3);
	assert_int_equal(r.end, CALL_UNSENT);
	assert_int_equal(r.error, ETIMEDOUT);
}

static void test_the_time_to_connect_counts_in_the_requests(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 12000));
	skipped += 9000;
	turns(2);
	fake.connect_result = 0;
	TURN_UNTIL(r.call && !r.call->stream.connecting);
	skipped += 2000;
	turns(2);
	assert_int_equal(r.ends, 0);
	skipped += 2000;
	turns(2);
	assert_int_equal(r.end, CALL_LATE);
}

static void test_no_deadline_once_a_stream_stands(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 0));
	fake.connect_result = 0;
	TURN_UNTIL(r.call && !r.call->stream.connecting);
	skipped += 86400000;
	turns(3);
	assert_int_equal(r.ends, 0);
	assert_int_equal(loop.timers, 0);
	call_close(r.call);
}

/* A SYN that nobody answers: a listener whose queue is full drops it. */
static void test_a_port_that_is_silent(void **state)
{
	struct net_stream others[3];
	struct record r;

	(void)state;
	on_tcp();
	assert_int_equal(listen(listener, 0), 0);
	for (size_t i = 0; i < COUNT(others); i++)
		net_open(&others[i], &place.address);
	assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 0));
	skipped += CALL_CONNECT_MS + 1000;
	turns(3);
	assert_int_equal(r.ends, 1);
	assert_int_equal(r.end, CALL_UNSENT);
	assert_int_equal(r.error, ETIMEDOUT);
	for (size_t i = 0; i < COUNT(others); i++)
		net_close(&others[i]);
}

/* ---- handlers that interfere ----------------------------------------------------------------- */

static void test_closing_from_within(void **state)
{
	(void)state;
	for (int where = 0; where < 2; where++) {
		struct record r;
		int fd;

		start(&r, JSON_STREAM);
		r.close_in_head = where == 0;
		r.close_in_value = where == 1;
		fd = accept_one();
		await_request(fd);
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"a\":1}{\"b\":2}");
		TURN_UNTIL(!r.call);
		turns(2);
		assert_string_equal(r.values, where ? "{\"a\":1}\n" : "");
		assert_int_equal(r.ends, 0);
		assert_int_equal(r.batches, 0);
		close(fd);
	}
}

static void test_a_paused_call_reads_nothing(void **state)
{
	struct record r;
	int fd;

	(void)state;
	start(&r, JSON_STREAM);
	r.pause_in_value = true;
	fd = accept_one();
	await_request(fd);
	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n");
	TURN_UNTIL(r.values[0]);
	say(fd, "7\r\n{\"b\":2}\r\n0\r\n\r\n");
	turns(5);
	assert_string_equal(r.values, "{\"a\":1}\n");
	assert_int_equal(r.ends, 0);
	r.pause_in_value = false;
	call_pause(r.call, false);
	TURN_UNTIL(r.ends);
	assert_string_equal(r.values, "{\"a\":1}\n{\"b\":2}\n");
	assert_int_equal(r.end, CALL_ANSWERED);
	close(fd);
}

static void test_a_paused_call_may_be_closed(void **state)
{
	struct record r;

	(void)state;
	start(&r, JSON_STREAM);
	call_pause(r.call, true);
	turns(2);
	call_close(r.call);
	assert_int_equal(r.ends, 0);
}

/* ---- handshakes, one a turn ------------------------------------------------------------------ */

static void test_one_handshake_computes_in_a_turn(void **state)
{
	struct record r[3];

	(void)state;
	on_fake();
	for (size_t i = 0; i < COUNT(r); i++)
		start(&r[i], JSON_STREAM);
	turn();
	assert_int_equal(fake.connects, 1);
	turn();
	assert_int_equal(fake.connects, 2);
	fake.connect_result = 0;
	for (size_t i = 0; i < COUNT(r); i++)
		TURN_UNTIL(!r[i].call->stream.connecting);
	for (size_t i = 0; i < COUNT(r); i++) {
		await_request(fake.peers[i]);
		call_close(r[i].call);
	}
}

/* ---- the spare ------------------------------------------------------------------------------- */

static struct call_spare spare;
static unsigned broken;

static void on_broken(void *owner)
{
	assert_ptr_equal(owner, &spare);
	broken++;
}

static bool open_spare(void)
{
	memset(&spare, 0, sizeof(spare));
	broken = 0;
	return call_spare_open(&spare, &loop, &place, on_broken, &spare);
}

/* A spare that stands, and the server's end of it. */
static int standing_spare(void)
{
	int fd;

	assert_true(open_spare());
	fd = accept_one();
	turns(3);
	assert_true(call_spare_is_open(&spare));
	assert_false(spare.stream.connecting);
	return fd;
}

static void test_no_spare_is_none(void **state)
{
	struct call_spare none = {0};
	struct record r;

	(void)state;
	assert_false(call_spare_is_open(&none));
	call_spare_close(&none);
	assert_non_null(start_on(&r, &none, "GET", JSON_STREAM, 0));
	call_close(r.call);
}

static void test_a_request_leaves_on_the_spare(void **state)
{
	struct record r, second;
	int fd, other;

	(void)state;
	on_tcp();
	fd = standing_spare();
	assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
	assert_false(call_spare_is_open(&spare));
	request[0] = 0;
	assert_true(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000) == 1);
	assert_true(take_request(fd)); /* before any turn of the loop */
	assert_int_equal(net_accept(listener), -EAGAIN);
	/* the next has none, and makes a connection of its own */
	assert_non_null(start_on(&second, &spare, "POST", JSON_STREAM, 0));
	other = accept_one();
	await_request(other);
	say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	call_close(second.call);
	assert_int_equal(broken, 0);
	close(fd);
	close(other);
}

static void test_a_spare_waits_for_hours(void **state)
{
	int fd;

	(void)state;
	fd = standing_spare();
	assert_int_equal(loop.timers, 0);
	skipped += 86400000;
	turns(3);
	assert_true(call_spare_is_open(&spare));
	call_spare_close(&spare);
	assert_false(call_spare_is_open(&spare));
	call_spare_close(&spare); /* harmless */
	assert_int_equal(broken, 0);
	close(fd);
}

static void test_a_spare_that_the_server_closes_is_told(void **state)
{
	struct record r;
	int fd;

	(void)state;
	fd = standing_spare();
	close(fd);
	TURN_UNTIL(broken);
	assert_false(call_spare_is_open(&spare));
	turns(2);
	assert_int_equal(broken, 1);
	assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
	fd = accept_one();
	await_request(fd);
	call_close(r.call);
	close(fd);
}

static void test_a_spare_that_says_something_unasked_is_none(void **state)
{
	int fd;

	(void)state;
	fd = standing_spare();
	say(fd, "HTTP/1.1 408 Request Timeout\r\n\r\n");
	TURN_UNTIL(broken);
	assert_false(call_spare_is_open(&spare));
	close(fd);
}

/* The end has come, and the loop has not seen it yet: the request must not be lost on it. */
static void test_a_spare_closed_in_this_very_turn(void **state)
{
	(void)state;
	on_tcp();
	for (int how = 0; how < 3; how++) {
		struct record r;
		int fd = standing_spare();

		if (how == 1)
			say(fd, "HTTP/1.1 408 Request Timeout\r\n\r\n");
		if (how == 2)
			reset(fd);
		else
			close(fd);
		poll(&(struct pollfd){.fd = spare.stream.fd, .events = POLLIN}, 1, 5000);
		assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
		assert_false(call_spare_is_open(&spare));
		fd = accept_one();
		await_request(fd);
		say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
		TURN_UNTIL(r.ends);
		assert_int_equal(r.end, CALL_ANSWERED);
		close(fd);
	}
}

static void test_a_spare_that_takes_no_byte_is_replaced(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	assert_true(open_spare());
	fake.connect_result = 0;
	TURN_UNTIL(!spare.stream.connecting);
	turns(2);
	fake.write_error = -EPIPE;
	/* the new connection is not there at once: nothing is wrong with that */
	fake.connect_result = -EAGAIN;
	assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
	assert_int_equal(fake.peers_count, 2);
	turns(2);
	assert_int_equal(r.ends, 0);
	fake.connect_result = 0;
	await_request(fake.peers[1]);
	assert_true(recv(fake.peers[0], request, 1, MSG_DONTWAIT) == 0); /* closed, nothing came */
	say(fake.peers[1], "HTTP/1.1 204 No Content\r\n\r\n");
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
}

static void test_a_spare_in_its_handshake_is_as_good(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	assert_true(open_spare());
	turns(2);
	assert_true(spare.stream.connecting);
	assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
	assert_int_equal(fake.peers_count, 1);
	turns(2);
	fake.connect_result = 0;
	await_request(fake.peers[0]);
	say(fake.peers[0], "HTTP/1.1 204 No Content\r\n\r\n");
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_ANSWERED);
	assert_int_equal(broken, 0);
}

static void test_a_request_on_a_handshake_that_fails_is_unsent(void **state)
{
	struct record r;

	(void)state;
	on_fake();
	assert_true(open_spare());
	assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
	fake.connect_result = -EPROTO;
	TURN_UNTIL(r.ends);
	assert_int_equal(r.end, CALL_UNSENT);
	assert_string_equal(r.words, "the words of the stand-in");
	/* the same for one whose time is over: it begins with the request */
	fake.connect_result = -EAGAIN;
	assert_true(open_spare());
	skipped += CALL_CONNECT_MS - 1000;
	turns(2);
	assert_non_null(start_on(&r, &spare, "POST", JSON_STREAM, 0));
	skipped += 2000;
	turns(2);
	assert_int_equal(r.ends, 0);
	skipped += CALL_CONNECT_MS;
	turns(2);
	assert_int_equal(r.end, CALL_UNSENT);
	assert_int_equal(r.error, ETIMEDOUT);
	assert_int_equal(broken, 0);
}

static void test_a_spare_that_cannot_be_made(void **state)
{
	(void)state;
	close(listener);
	listener = dup(0);
	assert_false(open_spare());
	assert_false(call_spare_is_open(&spare));
	on_fake();
	fake.open_error = -ENOKEY;
	assert_false(open_spare());
	assert_false(call_spare_is_open(&spare));
	fake.open_error = 0;
	assert_true(open_spare());
	fake.connect_result = -EPROTO;
	TURN_UNTIL(broken);
	assert_false(call_spare_is_open(&spare));
	fake.connect_result = -EAGAIN;
	assert_true(open_spare());
	skipped += CALL_CONNECT_MS + 1000;
	turns(2);
	assert_int_equal(broken, 1);
	assert_false(call_spare_is_open(&spare));
}

static void test_a_tcp_peer_that_vanishes_is_noticed_where_wanted(void **state)
{
	(void)state;
	on_tcp();
	for (int wanted = 0; wanted < 2; wanted++) {
		struct record r;
		int on = 7;
		socklen_t n = sizeof(on);

		place.patience_ms = wanted ? 25000 : 0;
		assert_non_null(start_on(&r, NULL, "GET", JSON_STREAM, 0));
		assert_int_equal(getsockopt(r.call->stream.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n), 0);
		assert_int_equal(on, wanted);
		call_close(r.call);
		assert_true(open_spare());
		assert_int_equal(getsockopt(spare.stream.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n), 0);
		assert_int_equal(on, wanted);
		call_spare_close(&spare);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_request_leaves_before_its_start_returns),
	    TEST(test_a_post_says_that_it_has_no_body),
	    TEST(test_an_answer_and_its_head),
	    TEST(test_an_answer_in_pieces_of_a_byte),
	    TEST(test_a_stream_is_handed_out_as_it_comes),
	    TEST(test_errors_come_with_the_engines_words),
	    TEST(test_what_is_a_success),
	    TEST(test_nonsense),
	    TEST(test_a_head_without_an_end_is_nonsense),
	    TEST(test_nobody_there),
	    TEST(test_a_refused_port_is_unsent),
	    TEST(test_a_request_that_is_too_long_is_not_begun),
	    TEST(test_lost_once_the_request_has_left),
	    TEST(test_an_answer_that_ends_with_its_connection),
	    TEST(test_a_failed_handshake_is_unsent_in_its_words),
	    TEST(test_an_empty_request_only_connects),
	    TEST(test_an_answer_has_its_time),
	    TEST(test_a_connection_has_ten_seconds_whatever_the_request_has),
	    TEST(test_nor_longer_than_the_request),
	    TEST(test_the_time_to_connect_counts_in_the_requests),
	    TEST(test_no_deadline_once_a_stream_stands),
	    TEST(test_a_port_that_is_silent),
	    TEST(test_closing_from_within),
	    TEST(test_a_paused_call_reads_nothing),
	    TEST(test_a_paused_call_may_be_closed),
	    TEST(test_one_handshake_computes_in_a_turn),
	    TEST(test_no_spare_is_none),
	    TEST(test_a_request_leaves_on_the_spare),
	    TEST(test_a_spare_waits_for_hours),
	    TEST(test_a_spare_that_the_server_closes_is_told),
	    TEST(test_a_spare_that_says_something_unasked_is_none),
	    TEST(test_a_spare_closed_in_this_very_turn),
	    TEST(test_a_spare_that_takes_no_byte_is_replaced),
	    TEST(test_a_spare_in_its_handshake_is_as_good),
	    TEST(test_a_request_on_a_handshake_that_fails_is_unsent),
	    TEST(test_a_spare_that_cannot_be_made),
	    TEST(test_a_tcp_peer_that_vanishes_is_noticed_where_wanted),
	};

	return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
