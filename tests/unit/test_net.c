/* test_net.c - what net.h promises: addresses out of text, streams that never wait, and listeners
 * that take over what is left, and only that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "loop.h"
#include "net.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- helpers --------------------------------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/autoheal-net-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails where a test left something behind */
}

static char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct net_address local(const char *path)
{
	struct net_address a;

	assert_true(net_local(&a, span_of(path)));
	return a;
}

/* The address at which a listener of ours listens. */
static struct net_address address_of(int listener)
{
	struct net_address a = {.length = sizeof(a.to)};

	assert_int_equal(getsockname(listener, &a.to.any, &a.length), 0);
	return a;
}

/* A listener on a port of this machine that is free, and its address. */
static int listen_here(struct net_address *a)
{
	int listener;

	assert_true(net_literal(a, span_of("127.0.0.1"), 0));
	listener = net_listen(a);
	assert_true(listener >= 0);
	*a = address_of(listener);
	return listener;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 5000) == 1;
}

/* Opens a stream and brings it to its end: 0, or the error. */
static int open_whole(struct net_stream *s, const struct net_address *a)
{
	int result = net_open(s, a);

	if (result == -EAGAIN) {
		assert_true(s->connecting);
		assert_true(wait_for(s->fd, POLLOUT));
		result = net_connect(s);
		assert_false(s->connecting);
	}
	return result;
}

static int accept_whole(int listener)
{
	assert_true(wait_for(listener, POLLIN));
	return net_accept(listener);
}

static void assert_never_waits(int fd)
{
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void test_host_and_port_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} rows[] = {
	    {"127.0.0.1:8080", "127.0.0.1", 8080},
	    {"localhost:1", "localhost", 1},
	    {"docker.example.org:65535", "docker.example.org", 65535},
	    {"localhost", "localhost", 0},
	    {"127.0.0.1", "127.0.0.1", 0},
	    {"a:0", "a", 0},
	    {"a:00080", "a", 80},
	    {"[::1]:8080", "::1", 8080},
	    {"[::]:2376", "::", 2376},
	    {"[2001:db8::7]:443", "2001:db8::7", 443},
	    {"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
	    {"[::1]", "::1", 0},
	    {"[2001:db8::7]", "2001:db8::7", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = strlen(rows[i].text);
		char *copy = malloc(n);
		uint16_t port = 77;
		struct span host;

		assert_non_null(copy);
		memcpy(copy, rows[i].text, n);
		if (!net_split_host((struct span){copy, n}, &host, &port))
			fail_msg("'%s' was refused", rows[i].text);
		if (!span_is(host, rows[i].host) || port != rows[i].port)
			fail_msg("'%s' gave '%.*s', %u", rows[i].text, (int)host.n, host.p, port);
		free(copy);
	}
}

static void test_what_is_no_host_and_port(void **state)
{
	static const char *const rows[] = {"", ":", ":8080", "host:", "host:x", "host:80x",
	    "host:x80", "host: 80", "host:80 ", "host:-1", "host:+1", "host:65536",
	    "host:99999999999999999999", "host:8080:1", "::1", "fe80::1", "::", "1:2:3:4:5:6:7:8",
	    "[", "[]", "[]:80", "[::1", "[::1:80", "[::1]80", "[::1]x", "[::1]:", "[::1]:x",
	    "[::1]:65536", "[::1]:80:81", "[::1] :80"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = strlen(rows[i]);
		char *copy = malloc(n ? n : 1);
		struct span host;
		uint16_t port;

		assert_non_null(copy);
		memmove(copy, rows[i], n);
		if (net_split_host((struct span){copy, n}, &host, &port))
			fail_msg("'%s' was taken", rows[i]);
		free(copy);
	}
}

static void test_literals(void **state)
{
	struct net_address a;
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_true(net_literal(&a, span_of("192.0.2.7"), 2375));
	assert_int_equal(a.to.any.sa_family, AF_INET);
	assert_int_equal(a.length, sizeof(struct sockaddr_in));
	assert_int_equal(ntohs(a.to.v4.sin_port), 2375);
	assert_int_equal(ntohl(a.to.v4.sin_addr.s_addr), 0xC0000207);
	assert_true(net_literal(&a, span_of("0.0.0.0"), 0));
	assert_int_equal(a.to.v4.sin_addr.s_addr, 0);
	assert_true(net_literal(&a, span_of("2001:db8::7"), 65535));
	assert_int_equal(a.to.any.sa_family, AF_INET6);
	assert_int_equal(a.length, sizeof(struct sockaddr_in6));
	assert_int_equal(ntohs(a.to.v6.sin6_port), 65535);
	assert_int_equal(a.to.v6.sin6_scope_id, 0);
	assert_string_equal(
	    inet_ntop(AF_INET6, &a.to.v6.sin6_addr, text, sizeof(text)), "2001:db8::7");
	assert_true(net_literal(&a, span_of("::ffff:192.0.2.7"), 1));
	assert_int_equal(a.to.any.sa_family, AF_INET6);
	assert_true(net_literal(&a, span_of("0000:0000:0000:0000:0000:ffff:255.255.255.255"), 1));
	/* only as many bytes as the span has */
	assert_true(net_literal(&a, (struct span){"127.0.0.11", 9}, 1));
	assert_int_equal(ntohl(a.to.v4.sin_addr.s_addr), 0x7F000001);
}

/* Texts of the bytes that addresses are made of are read as libc reads them. */
static void test_literals_are_read_as_libc_reads_them(void **state)
{
	static const char bytes[] = "::::..0012359afFx";
	static const char *const starts[] = {
	    "", "::", "1:2:3:4:5:6:7", "1::", "1.2.3", "::ffff:1.2.3"};
	unsigned taken = 0, seed = 1;

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		char text[INET6_ADDRSTRLEN], address[16];
		struct net_address a;
		int n = snprintf(text, sizeof(text), "%s", starts[i % COUNT(starts)]), v4, v6;
		size_t more = i / 7 % 12;

		for (size_t k = 0; k < more; k++) {
			seed = seed * 1103515245 + 12345;
			text[(size_t)n + k] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
		}
		text[(size_t)n + more] = 0;
		v4 = inet_pton(AF_INET, text, address);
		v6 = v4 == 1 ? 0 : inet_pton(AF_INET6, text, address);
		if (net_literal(&a, span_of(text), 1) != (v4 == 1 || v6 == 1))
			fail_msg("'%s' is read otherwise", text);
		if (v4 == 1)
			assert_memory_equal(&a.to.v4.sin_addr, address, 4);
		if (v6 == 1)
			assert_memory_equal(&a.to.v6.sin6_addr, address, 16);
		taken += v4 == 1 || v6 == 1;
	}
	assert_true(taken > 1000);
}

static void test_names_are_no_literals(void **state)
{
	static const char *const rows[] = {"", "localhost", "docker", "127.0.0", "127.0.0.1.",
	    "127.0.0.256", "127.1", "2130706433", "0x7f.0.0.1", " 127.0.0.1", "127.0.0.1 ", "[::1]",
	    ":::", "12345::", "fe80::1%eth0", "2001:db8::7/64",
	    "0000:0000:0000:0000:0000:ffff:255.255.255.255x",
	    "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff"};
	struct net_address a;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (net_literal(&a, span_of(rows[i]), 80))
			fail_msg("'%s' was taken", rows[i]);
}

static void test_a_path_has_at_most_107_bytes(void **state)
{
	struct net_address a;
	char path[200];

	(void)state;
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	memset(&a, 0xA5, sizeof(a));
	assert_true(net_local(&a, (struct span){path, 107}));
	assert_int_equal(a.to.local.sun_family, AF_UNIX);
	assert_memory_equal(a.to.local.sun_path, path, 107);
	assert_int_equal(a.to.local.sun_path[107], 0);
	assert_int_equal(a.length, offsetof(struct sockaddr_un, sun_path) + 108);
	assert_false(net_local(&a, (struct span){path, 108}));
	assert_false(net_local(&a, (struct span){path, 200}));
	assert_false(net_local(&a, span_of("")));
	assert_false(net_local(&a, (struct span){"/run/a\0b", 8}));
}

static void test_an_abstract_name_is_its_bytes_and_no_more(void **state)
{
	struct net_address a;

	(void)state;
	memset(&a, 0xA5, sizeof(a));
	assert_true(net_local(&a, span_of("@autoheal")));
	assert_memory_equal(a.to.local.sun_path, "\0autoheal", 9);
	assert_int_equal(a.length, offsetof(struct sockaddr_un, sun_path) + 9);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* Both ends say something, in both orders; then each end closes. */
static void converse(int listener, const struct net_address *a)
{
	struct net_stream client, server;
	char bytes[64];
	int fd;

	assert_int_equal(open_whole(&client, a), 0);
	fd = accept_whole(listener);
	assert_true(fd >= 0);
	net_adopt(&server, fd);
	assert_int_equal(server.fd, fd);
	assert_never_waits(listener);
	assert_never_waits(client.fd);
	assert_never_waits(server.fd);

	assert_int_equal(net_read(&client, bytes, sizeof(bytes)), -EAGAIN);
	assert_int_equal(net_read(&server, bytes, sizeof(bytes)), -EAGAIN);
	assert_int_equal(net_write(&client, "question", 8), 8);
	assert_true(wait_for(server.fd, POLLIN));
	assert_int_equal(net_read(&server, bytes, 3), 3);
	assert_int_equal(net_read(&server, bytes + 3, sizeof(bytes) - 3), 5);
	assert_memory_equal(bytes, "question", 8);
	assert_int_equal(net_write(&server, "answer", 6), 6);
	net_close(&server); /* what was said arrives, then the end */
	assert_int_equal(server.fd, -1);
	net_close(&server);
	assert_true(wait_for(client.fd, POLLIN));
	assert_int_equal(net_read(&client, bytes, sizeof(bytes)), 6);
	assert_memory_equal(bytes, "answer", 6);
	assert_true(wait_for(client.fd, POLLIN));
	assert_int_equal(net_read(&client, bytes, sizeof(bytes)), 0);
	net_close(&client);
	assert_int_equal(client.fd, -1);
}

static void test_a_conversation_over_a_unix_socket(void **state)
{
	struct net_address a = local(path_of("talk"));
	int listener = net_listen(&a);

	(void)state;
	assert_true(listener >= 0);
	converse(listener, &a);
	converse(listener, &a);
	close(listener);
	unlink(path_of("talk"));
}

static void test_a_conversation_over_an_abstract_socket(void **state)
{
	char name[64];
	struct net_address a;
	int listener;

	(void)state;
	snprintf(name, sizeof(name), "@autoheal-test-%d", (int)getpid());
	a = local(name);
	listener = net_listen(&a);
	assert_true(listener >= 0);
	converse(listener, &a);
	close(listener);
}

static void test_a_conversation_over_tcp(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "::1"};

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct net_address a;
		int listener;

		assert_true(net_literal(&a, span_of(hosts[i]), 0));
		listener = net_listen(&a);
		if (i && (listener == -EAFNOSUPPORT || listener == -EADDRNOTAVAIL))
			continue; /* a machine without IPv6 */
		assert_true(listener >= 0);
		a = address_of(listener);
		converse(listener, &a);
		close(listener);
	}
}

static void test_a_plain_stream_holds_nothing_back(void **state)
{
	struct net_stream s;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	net_adopt(&s, fds[0]);
	for (unsigned wants = 0; wants < 4; wants++)
		assert_int_equal(net_wants(&s, wants), wants);
	assert_false(net_pending(&s));
	assert_int_equal(write(fds[1], "xyz", 3), 3);
	assert_int_equal(net_read(&s, (char[1]){0}, 1), 1);
	assert_false(net_pending(&s)); /* select() says that there is more */
	assert_string_equal(net_words(&s, ECONNRESET), strerror(ECONNRESET));
	net_close(&s);
	assert_string_equal(net_words(&s, ECONNREFUSED), strerror(ECONNREFUSED));
	close(fds[1]);
}

static void test_a_reader_who_sleeps_stops_the_writer_without_waiting(void **state)
{
	static char bytes[65536];
	struct net_stream s;
	ssize_t put = 1;
	size_t sent = 0, got = 0;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	net_adopt(&s, fds[0]);
	while (put > 0) {
		put = net_write(&s, bytes, sizeof(bytes));
		sent += put > 0 ? (size_t)put : 0;
	}
	assert_int_equal(put, -EAGAIN);
	assert_true(sent > 0);
	while ((put = read(fds[1], bytes, sizeof(bytes))) > 0)
		got += (size_t)put;
	assert_int_equal(got, sent);
	assert_true(net_write(&s, bytes, 10) == 10);
	net_close(&s);
	close(fds[1]);
}

/* SIGPIPE has its usual effect here: one of them would end the test. */
static void test_writing_to_one_who_left_is_an_error_and_no_signal(void **state)
{
	struct net_stream s;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	net_adopt(&s, fds[0]);
	close(fds[1]);
	assert_int_equal(net_write(&s, "x", 1), -EPIPE);
	assert_int_equal(net_read(&s, (char[1]){0}, 1), 0);
	net_close(&s);
}

static void test_one_who_leaves_without_reading_breaks_the_stream(void **state)
{
	struct net_stream s;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	net_adopt(&s, fds[0]);
	assert_int_equal(net_write(&s, "unread", 6), 6);
	close(fds[1]);
	assert_int_equal(net_read(&s, (char[1]){0}, 1), -ECONNRESET);
	net_close(&s);
}

static void assert_refused(const struct net_address *a, int error)
{
	struct net_stream s;
	int result = open_whole(&s, a);

	assert_int_equal(result, error);
	net_close(&s); /* does no harm, whether it is closed already or not */
	assert_int_equal(s.fd, -1);
}

static void test_nobody_there_is_an_error_at_once(void **state)
{
	struct net_address a = local(path_of("nobody"));
	struct net_stream s;
	int fd;

	(void)state;
	assert_int_equal(net_open(&s, &a), -ENOENT);
	assert_int_equal(s.fd, -1);
	assert_refused(&a, -ENOENT);
	fd = open(path_of("nobody"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_refused(&a, -ECONNREFUSED); /* a file that is no socket */
	unlink(path_of("nobody"));
	a = local("@autoheal-test-nobody");
	assert_refused(&a, -ECONNREFUSED);
}

static void test_a_port_without_a_listener_is_refused(void **state)
{
	struct net_address a;
	int listener;

	(void)state;
	listener = listen_here(&a);
	close(listener);
	assert_refused(&a, -ECONNREFUSED);
}

static void test_a_unix_listener_with_too_many_waiting_refuses_for_now(void **state)
{
	static struct net_stream streams[500];
	struct net_address a = local(path_of("full"));
	int listener = net_listen(&a), result = 0;
	size_t n = 0;

	(void)state;
	assert_true(listener >= 0);
	while (n < COUNT(streams) && !(result = net_open(&streams[n], &a)))
		n++;
	assert_int_equal(result, -ECONNREFUSED);
	assert_int_equal(streams[n].fd, -1);
	assert_true(n >= 64);
	close(accept_whole(listener)); /* then there is room again */
	assert_int_equal(net_open(&streams[n], &a), 0);
	for (size_t i = 0; i <= n; i++)
		net_close(&streams[i]);
	close(listener);
	unlink(path_of("full"));
}

/* ---- listeners ------------------------------------------------------------------------------- */

static void test_accepting_nobody_does_not_wait(void **state)
{
	struct net_address a = local(path_of("quiet"));
	int listener = net_listen(&a);

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(net_accept(listener), -EAGAIN);
	close(listener);
	assert_int_equal(net_accept(listener), -EBADF);
	unlink(path_of("quiet"));
}

static void test_a_path_left_by_one_who_is_gone_is_taken_over(void **state)
{
	struct net_address a = local(path_of("left"));

	(void)state;
	for (int i = 0; i < 3; i++) {
		int listener = net_listen(&a);

		assert_true(listener >= 0);
		converse(listener, &a);
		close(listener); /* the path stays */
		assert_int_equal(access(path_of("left"), F_OK), 0);
	}
	unlink(path_of("left"));
}

static void test_a_path_that_somebody_listens_on_is_not(void **state)
{
	struct net_address a = local(path_of("live"));
	int listener = net_listen(&a);

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	close(accept_whole(listener)); /* it was asked whether it lives */
	converse(listener, &a);
	close(listener);
	unlink(path_of("live"));
}

/* Somebody too busy to answer is not gone. */
static void test_nor_one_with_too_many_waiting(void **state)
{
	static struct net_stream streams[500];
	struct net_address a = local(path_of("busy"));
	int listener = net_listen(&a);
	struct stat before, after;
	size_t n = 0;

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(lstat(path_of("busy"), &before), 0);
	while (n < COUNT(streams) && !net_open(&streams[n], &a))
		n++;
	assert_true(n < COUNT(streams));
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	assert_int_equal(lstat(path_of("busy"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	while (n--)
		net_close(&streams[n]);
	close(listener);
	unlink(path_of("busy"));
}

/* A socket of another type, such as a system log's. */
static void test_nor_a_socket_for_datagrams(void **state)
{
	struct net_address a = local(path_of("log"));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &a.to.any, a.length), 0);
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	assert_int_equal(access(path_of("log"), F_OK), 0);
	close(fd);
	unlink(path_of("log"));
}

static void test_nor_anything_that_is_no_socket(void **state)
{
	struct net_address a = local(path_of("thing"));
	char target[128];
	struct stat st;
	int fd;

	(void)state;
	fd = open(path_of("thing"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	assert_int_equal(stat(path_of("thing"), &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(path_of("thing"));

	assert_int_equal(mkdir(path_of("thing"), 0700), 0);
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	assert_int_equal(rmdir(path_of("thing")), 0);

	/* a link, even to a socket that nobody answers on */
	strcpy(target, path_of("target"));
	a = local(target);
	fd = net_listen(&a);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(target, path_of("thing")), 0);
	a = local(path_of("thing"));
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	assert_int_equal(lstat(path_of("thing"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(path_of("thing"));
	assert_int_equal(access(target, F_OK), 0);
	unlink(target);
}

static void test_a_folder_that_is_missing_is_an_error(void **state)
{
	struct net_address a = local(path_of("missing/socket"));

	(void)state;
	assert_int_equal(net_listen(&a), -ENOENT);
}

static void test_an_abstract_name_is_free_when_its_owner_goes(void **state)
{
	char name[64];
	struct net_address a;
	int listener;

	(void)state;
	snprintf(name, sizeof(name), "@autoheal-test-%d", (int)getpid());
	a = local(name);
	listener = net_listen(&a);
	assert_true(listener >= 0);
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	close(listener);
	listener = net_listen(&a);
	assert_true(listener >= 0);
	close(listener);
}

static void test_a_port_in_use_is_an_error_and_free_at_once_afterwards(void **state)
{
	struct net_stream client, server;
	struct net_address a;
	int listener;

	(void)state;
	listener = listen_here(&a);
	assert_int_equal(net_listen(&a), -EADDRINUSE);
	/* a connection that this side closed first keeps the port for a minute (TIME_WAIT) */
	assert_int_equal(open_whole(&client, &a), 0);
	net_adopt(&server, accept_whole(listener));
	net_close(&server);
	assert_true(wait_for(client.fd, POLLIN));
	net_close(&client);
	close(listener);
	listener = net_listen(&a);
	assert_true(listener >= 0);
	close(listener);
}

/* ---- peers that vanish ----------------------------------------------------------------------- */

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
	return value;
}

static void test_a_peer_that_vanishes_is_noticed_in_time(void **state)
{
	static const struct {
		uint64_t patience;
		int idle, every, unanswered;
	} rows[] = {
	    {25000, 10, 5, 25000}, {20000, 8, 4, 20000}, {9000, 6, 1, 9000}, {5000, 2, 1, 5000},
	    {4000, 1, 1, 4000}, {1000, 1, 1, 4000}, /* whole seconds allow for no less */
	    {0, 1, 1, 4000},
	    {86400000, 34560, 17280, 86400000}, /* beyond what the kernel takes: it keeps its own */
	};
	struct net_stream client, server;
	struct net_address a;
	int listener;

	(void)state;
	listener = listen_here(&a);
	assert_int_equal(open_whole(&client, &a), 0);
	net_adopt(&server, accept_whole(listener));
	assert_int_equal(option(client.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		int every, idle, unanswered;

		net_keep_alive(&client, rows[i].patience);
		assert_int_equal(option(client.fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		idle = option(client.fd, IPPROTO_TCP, TCP_KEEPIDLE);
		every = option(client.fd, IPPROTO_TCP, TCP_KEEPINTVL);
		unanswered = option(client.fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
		assert_int_equal(option(client.fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
		assert_int_equal(unanswered, rows[i].unanswered);
		if (rows[i].idle > 32767)
			continue;
		assert_int_equal(idle, rows[i].idle);
		assert_int_equal(every, rows[i].every);
		/* asleep, then three questions: never longer than the patience */
		assert_true((idle + 3 * every) * 1000 <= unanswered);
	}
	net_close(&client);
	net_close(&server);
	close(listener);
}

/* The owner need not know what it has: on a unix socket, whose peer cannot vanish, it is without effect. */
static void test_keep_alive_does_no_harm_to_a_unix_socket(void **state)
{
	struct net_stream s;
	struct net_address a = local(path_of("kept"));
	int listener = net_listen(&a), other;
	char byte;

	(void)state;
	assert_true(listener >= 0);
	assert_int_equal(open_whole(&s, &a), 0);
	net_keep_alive(&s, 25000);
	other = accept_whole(listener);
	assert_int_equal(net_write(&s, "x", 1), 1);
	assert_true(wait_for(other, POLLIN));
	assert_int_equal(read(other, &byte, 1), 1);
	net_close(&s);
	close(other);
	close(listener);
	unlink(path_of("kept"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_host_and_port_are_taken_apart),
	    cmocka_unit_test(test_what_is_no_host_and_port),
	    cmocka_unit_test(test_literals),
	    cmocka_unit_test(test_literals_are_read_as_libc_reads_them),
	    cmocka_unit_test(test_names_are_no_literals),
	    cmocka_unit_test(test_a_path_has_at_most_107_bytes),
	    cmocka_unit_test(test_an_abstract_name_is_its_bytes_and_no_more),
	    cmocka_unit_test(test_a_conversation_over_a_unix_socket),
	    cmocka_unit_test(test_a_conversation_over_an_abstract_socket),
	    cmocka_unit_test(test_a_conversation_over_tcp),
	    cmocka_unit_test(test_a_plain_stream_holds_nothing_back),
	    cmocka_unit_test(test_a_reader_who_sleeps_stops_the_writer_without_waiting),
	    cmocka_unit_test(test_writing_to_one_who_left_is_an_error_and_no_signal),
	    cmocka_unit_test(test_one_who_leaves_without_reading_breaks_the_stream),
	    cmocka_unit_test(test_nobody_there_is_an_error_at_once),
	    cmocka_unit_test(test_a_port_without_a_listener_is_refused),
	    cmocka_unit_test(test_a_unix_listener_with_too_many_waiting_refuses_for_now),
	    cmocka_unit_test(test_accepting_nobody_does_not_wait),
	    cmocka_unit_test(test_a_path_left_by_one_who_is_gone_is_taken_over),
	    cmocka_unit_test(test_a_path_that_somebody_listens_on_is_not),
	    cmocka_unit_test(test_nor_one_with_too_many_waiting),
	    cmocka_unit_test(test_nor_a_socket_for_datagrams),
	    cmocka_unit_test(test_nor_anything_that_is_no_socket),
	    cmocka_unit_test(test_a_folder_that_is_missing_is_an_error),
	    cmocka_unit_test(test_an_abstract_name_is_free_when_its_owner_goes),
	    cmocka_unit_test(test_a_port_in_use_is_an_error_and_free_at_once_afterwards),
	    cmocka_unit_test(test_a_peer_that_vanishes_is_noticed_in_time),
	    cmocka_unit_test(test_keep_alive_does_no_harm_to_a_unix_socket),
	};

	return cmocka_run_group_tests_name("net", tests, make_folder, remove_folder);
}
