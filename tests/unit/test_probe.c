/* test_probe.c - what probe.h promises of the container's own address: what passes, what fails, and what says nothing.
 * The engine here is one more
 * listener in the same loop, which answers every inspect with the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "loop.h"
#include "net.h"
#include "probe.h"

static struct loop loop;
static struct call_workspace workspace;
static struct docker engine;
static struct settings settings;
static struct probes probes;
static const uint8_t id[32] = {0xAB};

/* ---- a listener that answers whoever comes with the same bytes -------------------------------- */

struct server {
	int listener;
	int clients[4];    /* -1: a free place */
	const char *bytes; /* NULL: takes them and says nothing */
	char asked[2048];
	unsigned count;
};

static void client_ready(struct server *sv, int *fd)
{
	ssize_t n = read(*fd, sv->asked, sizeof(sv->asked) - 1);

	sv->asked[n > 0 ? n : 0] = 0;
	if (n > 0 && *sv->bytes)
		assert_true(write(*fd, sv->bytes, strlen(sv->bytes)) > 0);
	loop_forget(&loop, *fd);
	close(*fd);
	*fd = -1;
}

static void clients_ready(void *owner, unsigned what)
{
	struct server *sv = owner;

	(void)what;
	for (int *fd = sv->clients; fd < sv->clients + 4; fd++)
		if (*fd >= 0 && recv(*fd, sv->asked, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			client_ready(sv, fd);
}

static void server_ready(void *owner, unsigned what)
{
	struct server *sv = owner;
	int fd = net_accept(sv->listener), *place = sv->clients;

	(void)what;
	assert_true(fd >= 0);
	sv->count++;
	if (!sv->bytes)
		return; /* left open */
	while (*place >= 0)
		place++;
	assert_true(place < sv->clients + 4);
	*place = fd;
	assert_true(loop_watch(&loop, fd, LOOP_READ, clients_ready, sv));
}

/* Listens on 127.0.0.1, on any port, which it returns. */
static uint16_t serve(struct server *sv, const char *bytes)
{
	struct net_address a;
	socklen_t n = sizeof(a.to);

	*sv = (struct server){.bytes = bytes, .clients = {-1, -1, -1, -1}};
	assert_true(net_literal(&a, span_of("127.0.0.1"), 0));
	sv->listener = net_listen(&a);
	assert_true(sv->listener >= 0);
	assert_int_equal(getsockname(sv->listener, &a.to.any, &n), 0);
	assert_true(loop_watch(&loop, sv->listener, LOOP_READ, server_ready, sv));
	return ntohs(a.to.v4.sin_port);
}

static void leave(struct server *sv)
{
	for (int *fd = sv->clients; fd < sv->clients + 4; fd++)
		if (*fd >= 0)
			client_ready(sv, fd);
	loop_forget(&loop, sv->listener);
	close(sv->listener);
}

/* ---- the engine: one answer to every inspect --------------------------------------------------- */

static struct server inspects;
static char inspected[2048];

static void container_is(const char *state, const char *more)
{
	char body[1024];

	snprintf(body, sizeof(body),
	    "{\"Id\":\"ab%062d\",\"Name\":\"/web\",\"State\":{\"Status\":\"running\",\"StartedAt\":"
	    "\"2026-01-01T00:00:00Z\"%s},\"Config\":{}%s}",
	    0, state, more);
	snprintf(inspected, sizeof(inspected),
	    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %zu\r\n\r\n%s",
	    strlen(body), body);
	inspects.bytes = inspected;
}

#define AT(address) ",\"NetworkSettings\":{\"Networks\":{\"a\":{\"IPAddress\":\"" address "\"}}}"

/* ---- a probe ---------------------------------------------------------------------------------- */

static enum probe_result result;
static char words[PROBE_WORDS_MAX];
static unsigned told_count;

static void told(
    void *owner, struct docker *d, const uint8_t who[32], enum probe_result what, const char *said)
{
	(void)owner;
	assert_ptr_equal(d, &engine);
	assert_memory_equal(who, id, 32);
	result = what;
	snprintf(words, sizeof(words), "%s", said);
	told_count++;
}

static int setup(void **state)
{
	char *none[] = {NULL};
	char error[256];
	struct net_address a;
	uint16_t port;

	(void)state;
	memset(&loop, 0, sizeof(loop));
	memset(&engine, 0, sizeof(engine));
	memset(&probes, 0, sizeof(probes));
	loop_init(&loop);
	assert_int_equal(config_read(&settings, none, error, sizeof(error), NULL), 0);
	port = serve(&inspects, "");
	assert_true(net_literal(&a, span_of("127.0.0.1"), port));
	engine.loop = &loop;
	engine.workspace = &workspace;
	engine.settings = &settings;
	engine.state = DOCKER_UP;
	engine.place = (struct call_place){.address = a, .host = "docker"};
	engine.target.local = true;
	strcpy(engine.api, "1.43");
	container_is("", AT("127.0.0.1"));
	probes_init(&probes, &loop, told, NULL);
	probes.most = 2;
	told_count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probes_close(&probes);
	leave(&inspects);
	return 0;
}

/* The container runs, and has this probe; times are as short as tests are. */
static void probe(enum watch_check_kind kind, uint16_t port, const char *path)
{
	struct watch_check check = {.kind = (uint8_t)kind,
	    .port = port,
	    .status = 200,
	    .interval = 20,
	    .timeout = 100,
	    .retries = 1};

	snprintf(check.what, sizeof(check.what), "%s", path);
	assert_null(probes_add(&probes, &engine, id, &check));
	probes_follow(&probes, &engine, id, true, true);
}

/* Turns until one more was told. */
static void until_told(void)
{
	unsigned before = told_count;

	for (int i = 0; i < 2000 && told_count == before; i++)
		loop_turn(&loop);
	assert_int_not_equal(told_count, before);
}

static void expect_told(enum probe_result what, const char *part)
{
	until_told();
	if (result != what || !strstr(words, part))
		fail_msg("told %d \"%s\", not %d \"%s\"", result, words, what, part);
}

/* ---- stories ---------------------------------------------------------------------------------- */

static void test_http_answers(void **state)
{
	static const struct {
		const char *answer;
		enum probe_result result;
		const char *words;
	} rows[] = {
	    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", PROBE_PASSED, "answered 200"},
	    {"HTTP/1.0 200 OK\r\n\r\n", PROBE_PASSED, "answered 200"},
	    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", PROBE_PASSED, "answered 200"},
	    {"HTTP/1.1 204 No Content\r\n\r\n", PROBE_FAILED, "answered 204"},
	    {"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", PROBE_FAILED, "answered 301"},
	    {"HTTP/1.1 503 No\r\n\r\n", PROBE_FAILED, "GET :%u/a?b answered 503"},
	    {"SSH-2.0-OpenSSH_9\r\n", PROBE_FAILED, "does not speak HTTP"},
	    {"", PROBE_FAILED, "closed before the answer"},
	    {NULL, PROBE_FAILED, "did not answer within 100 ms"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server sv;
		uint16_t port = serve(&sv, rows[i].answer);
		char part[128], host[64];

		snprintf(part, sizeof(part), rows[i].words, port);
		probe(CHECK_HTTP, port, "/a?b");
		expect_told(rows[i].result, part);
		snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", port);
		if (rows[i].answer) {
			assert_memory_equal(sv.asked, "GET /a?b HTTP/1.1\r\n", 19);
			assert_non_null(strstr(sv.asked, host));
		}
		leave(&sv);
		teardown(state);
		setup(state);
	}
}

static void test_a_head_without_end_is_a_failure(void **state)
{
	static char endless[20000];
	struct server sv;

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	memcpy(endless, "HTTP/1.1 200 OK\r\nA: ", 20);
	probe(CHECK_HTTP, serve(&sv, endless), "/");
	expect_told(PROBE_FAILED, "");
	leave(&sv);
}

static void test_tcp(void **state)
{
	struct server sv;
	uint16_t port = serve(&sv, NULL);

	(void)state;
	probe(CHECK_TCP, port, "");
	expect_told(PROBE_PASSED, "");
	expect_told(PROBE_PASSED, "");
	leave(&sv);
	expect_told(PROBE_FAILED, "Connection refused");
	assert_int_equal(probes_streak(&probes, &engine, id), 1);
	expect_told(PROBE_FAILED, "Connection refused");
	assert_int_equal(probes_streak(&probes, &engine, id), 2);
	/* after a failure its address is asked for anew */
	assert_true(inspects.count >= 2);
}

/* Told with the retries-th failure, not before; a pass begins anew. */
static void test_retries(void **state)
{
	struct watch_check check = {.kind = CHECK_HTTP,
	    .status = 200,
	    .interval = 10,
	    .timeout = 100,
	    .retries = 3,
	    .what = "/"};
	struct server sv;

	(void)state;
	check.port = serve(&sv, "HTTP/1.1 500 No\r\n\r\n");
	assert_null(probes_add(&probes, &engine, id, &check));
	probes_follow(&probes, &engine, id, true, true);
	expect_told(PROBE_FAILED, "500");
	assert_int_equal(sv.count, 3);
	sv.bytes = "HTTP/1.1 200 Yes\r\n\r\n";
	expect_told(PROBE_PASSED, "200");
	assert_int_equal(probes_streak(&probes, &engine, id), 0);
	leave(&sv);
}

/* Failures in the start period are none, until it has passed. */
static void test_the_start_period(void **state)
{
	struct watch_check check = {.kind = CHECK_HTTP,
	    .status = 200,
	    .interval = 10,
	    .timeout = 100,
	    .retries = 1,
	    .start_period = 200,
	    .what = "/"};
	struct server sv;

	(void)state;
	check.port = serve(&sv, "HTTP/1.1 500 No\r\n\r\n");
	assert_null(probes_add(&probes, &engine, id, &check));
	probes_follow(&probes, &engine, id, true, true);
	while (sv.count < 3)
		loop_turn(&loop);
	assert_int_equal(probes_streak(&probes, &engine, id), 0);
	sv.bytes = "HTTP/1.1 200 Yes\r\n\r\n";
	expect_told(PROBE_PASSED, "200");
	sv.bytes = "HTTP/1.1 500 No\r\n\r\n";
	expect_told(PROBE_FAILED, "500");
	leave(&sv);
}

static void test_what_says_nothing(void **state)
{
	static const struct {
		const char *state, *more;
		enum probe_result result;
		const char *words;
	} rows[] = {
	    {"", "", PROBE_CANNOT, "no address of its own"},
	    {"", AT(""), PROBE_CANNOT, "no address of its own"},
	    {"", AT("a name"), PROBE_CANNOT, "no address of its own"},
	    {"", AT("255.255.255.255"), PROBE_CANNOT, "port 9: "},
	    {",\"Health\":{\"Status\":\"starting\"}", AT("127.0.0.1"), PROBE_BESIDE, ""},
	    {",\"Health\":{\"Status\":\"unhealthy\"}", AT("127.0.0.1"), PROBE_BESIDE, ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		container_is(rows[i].state, rows[i].more);
		probe(CHECK_TCP, 9, "");
		expect_told(rows[i].result, rows[i].words);
		if (result == PROBE_CANNOT)
			expect_told(PROBE_CANNOT, ""), assert_string_equal(words, ""); /* said once */
		teardown(state);
		setup(state);
	}
	inspects.bytes = "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
	probe(CHECK_TCP, 9, "");
	expect_told(PROBE_CANNOT, "EXEC=1");
	probes_drop(&probes, &engine, id);

	/* with several engines far away, an address there may be somebody else's here */
	container_is("", AT("127.0.0.1"));
	probes.several = true;
	engine.target.local = false;
	probe(CHECK_TCP, 9, "");
	expect_told(PROBE_CANNOT, "several engines");
}

static void test_the_hosts_network(void **state)
{
	struct server sv;
	uint16_t port = serve(&sv, NULL);

	(void)state;
	container_is("", ",\"HostConfig\":{\"NetworkMode\":\"host\"}");
	probe(CHECK_TCP, port, "");
	expect_told(PROBE_CANNOT, "no address of its own");
	probes.at_home = true;
	expect_told(PROBE_PASSED, "");
	leave(&sv);
}

/* One that does not run is not probed, and nobody is woken for it. */
static void test_asleep(void **state)
{
	struct server sv;
	uint16_t port = serve(&sv, NULL);
	unsigned before;

	(void)state;
	probe(CHECK_TCP, port, "");
	expect_told(PROBE_PASSED, "");
	probes_follow(&probes, &engine, id, false, false);
	assert_int_equal(probes.timer.place, 0);
	assert_int_equal(probes.running, 0);
	before = told_count;
	probes_follow(&probes, &engine, id, true, false);
	assert_int_not_equal(probes.timer.place, 0);
	expect_told(PROBE_PASSED, "");
	assert_int_equal(told_count, before + 1);
	probes_drop(&probes, &engine, id);
	assert_int_equal(probes.timer.place, 0);
	assert_int_equal(probes.count, 0);
	leave(&sv);
}

static void test_limits(void **state)
{
	struct watch_check check = {
	    .kind = CHECK_EXEC, .interval = 1000, .timeout = 1000, .retries = 1};
	uint8_t other[32] = {0};

	(void)state;
	memset(check.what, 'x', sizeof(check.what) - 1);
	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		memcpy(other, &i, sizeof(i));
		assert_null(probes_add(&probes, &engine, other, &check));
	}
	assert_non_null(probes_add(&probes, &engine, id, &check));
	probes.most = 0;
	assert_non_null(strstr(probes_add(&probes, &engine, id, &check), "ulimit"));
}

static void nobody_listens(
    void *owner, struct docker *d, const uint8_t who[32], enum probe_result what, const char *said)
{
	(void)owner;
	(void)d;
	(void)who;
	(void)what;
	(void)said;
}

/* No more than may be are under way. */
static void test_others_wait(void **state)
{
	struct watch_check check = {
	    .kind = CHECK_HTTP, .status = 200, .interval = 10, .timeout = 60, .retries = 1, .what = "/"};
	struct server sv;
	unsigned most = 0;

	(void)state;
	check.port = serve(&sv, NULL);
	for (uint8_t i = 0; i < 5; i++) {
		assert_null(probes_add(&probes, &engine, (uint8_t[32]){0xAB, [31] = i}, &check));
		probes_follow(&probes, &engine, (uint8_t[32]){0xAB, [31] = i}, true, true);
	}
	probes.told = nobody_listens;
	for (int i = 0; i < 2000 && sv.count < 5; i++) {
		loop_turn(&loop);
		assert_true(probes.running <= 2);
		most = probes.running > most ? probes.running : most;
	}
	assert_int_equal(sv.count, 5);
	assert_int_equal(most, 2);
	leave(&sv);
}

int main(void)
{
#define PROBE(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    PROBE(http_answers),
	    PROBE(a_head_without_end_is_a_failure),
	    PROBE(tcp),
	    PROBE(retries),
	    PROBE(the_start_period),
	    PROBE(what_says_nothing),
	    PROBE(the_hosts_network),
	    PROBE(asleep),
	    PROBE(limits),
	    PROBE(others_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
