/* tls: against OpenSSL's s_server, over loopback. */
#include "tls_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "loop.h"
#include "tls.h"

#define PATIENCE_MS 20000 /* a sanitized build on a busy machine */

/* ---- servers ------------------------------------------------------------------------------------- */

struct server {
	pid_t pid;
	int out;
	uint16_t port;
};

/* Runs a command line that prints "ACCEPT ADDRESS:PORT" once it listens. */
static struct server serve_with(const char *command)
{
	struct server s = {0};
	char line[256];
	size_t n = 0;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	s.pid = fork();
	if (!s.pid) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		if (chdir(world) || !freopen("log", "a", stderr))
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	s.out = ends[0];
	while (n + 1 < sizeof(line) && read(s.out, line + n, 1) == 1) {
		if (line[n++] != '\n')
			continue;
		line[n] = 0;
		if (!strncmp(line, "ACCEPT ", 7)) {
			s.port = (uint16_t)atoi(strrchr(line, ':') + 1);
			return s;
		}
		n = 0;
	}
	fail_msg("%s does not listen; see %s/log", command, world);
	return s;
}

static struct server serve(const char *options)
{
	char command[512];

	snprintf(
	    command, sizeof(command), "exec openssl s_server -accept 127.0.0.1:0 -rev %s", options);
	return serve_with(command);
}

static void stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->out);
}

/* ---- clients --------------------------------------------------------------------------------------- */

static struct tls_client client;
static struct net_stream stream;
static char words[TLS_WORDS_MAX];
static unsigned turns;

static void load(const char *folder)
{
	char error[256];

	if (tls_load(&client, in_world(folder), false, wall_now(), error, sizeof(error)))
		fail_msg("%s", error);
}

/* Waits as the loop would. */
static void turn(unsigned owner)
{
	struct pollfd p = {stream.fd, 0, 0};
	unsigned wants = net_wants(&stream, owner);

	assert_int_not_equal(wants, 0);
	p.events = (short)((wants & LOOP_READ ? POLLIN : 0) | (wants & LOOP_WRITE ? POLLOUT : 0));
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	turns++;
}

static int connect_to(const char *ip, uint16_t port, const char *name, int64_t wall)
{
	struct net_address a;
	int error;

	assert_true(net_literal(&a, span_of(ip), port));
	error = tls_open(&stream, &a, &client, name, wall);
	turns = 0;
	words[0] = 0;
	while (error == -EAGAIN) {
		turn(LOOP_READ | LOOP_WRITE);
		error = net_connect(&stream);
	}
	assert_false(stream.fd >= 0 && stream.connecting);
	if (error)
		snprintf(words, sizeof(words), "%s", net_words(&stream, -error));
	return error;
}

static int dial(const struct server *s, const char *name)
{
	return connect_to("127.0.0.1", s->port, name, wall_now());
}

static void hang_up(void)
{
	net_close(&stream);
	assert_int_equal(stream.fd, -1);
	net_close(&stream); /* harmless */
	tls_unload(&client);
}

static void send_all(const char *p, size_t n)
{
	while (n) {
		ssize_t put = net_write(&stream, p, n);

		if (put == -EAGAIN) {
			turn(LOOP_READ | LOOP_WRITE);
			continue;
		}
		assert_true(put > 0);
		p += put;
		n -= (size_t)put;
	}
}

/* Reads as a call does: once a turn, when the descriptor is ready or the stream has something pending. */
static size_t receive(char *p, size_t cap, size_t read_size, bool line)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got;

		turn(LOOP_READ);
		got = net_read(&stream, p + n, read_size < cap - n ? read_size : cap - n);
		if (got == -EAGAIN)
			continue;
		if (got <= 0) {
			assert_int_equal(got, 0);
			break;
		}
		n += (size_t)got;
		if (line && p[n - 1] == '\n')
			break;
	}
	return n;
}

static void echoes(void)
{
	char answer[64];
	size_t n;

	for (int i = 0; i < 3; i++) {
		send_all("stressed\n", 9);
		n = receive(answer, sizeof(answer), i == 1 ? 1 : sizeof(answer), true);
		assert_int_equal(n, 9);
		assert_memory_equal(answer, "desserts\n", 9);
	}
}

/* The whole of it: load, handshake, echo. */
static void works(const struct server *s, const char *folder, const char *name)
{
	load(folder);
	if (dial(s, name))
		fail_msg("%s, %s: %s", folder, name, words);
	assert_in_range(turns, 3, 20);
	echoes();
	hang_up();
}

static void fails(const struct server *s, const char *folder, const char *name, const char *expected)
{
	load(folder);
	assert_int_equal(dial(s, name), -EPROTO);
	assert_string_equal(words, expected);
	hang_up();
}

/* ---- handshakes that succeed ----------------------------------------------------------------------- */

#define NAMES "subjectAltName=DNS:localhost,DNS:*.example.test,IP:127.0.0.1,IP:::1"

static int make_servers(void **state)
{
	signal(SIGPIPE, SIG_DFL); /* the transport must never raise it */
	if (make_world(state))
		return -1;
	sh(WORLD_TOOLS "cert server ca " NAMES "; rsa > rsa.key; cert rsa ca " NAMES "\n"
		       "ec P-384 > p384.key; cert p384 ca " NAMES
		       "; cat server.pem server.key > server.both\n");
	return 0;
}

#define SERVER "-cert server.pem -key server.key "
#define MUTUAL "-CAfile ca.pem -Verify 4 -verify_return_error "

static void speaks_with_ec_and_rsa_on_both_sides(void **state)
{
	static const char *const servers[] = {"server", "rsa", "p384"};
	static const char *const folders[] = {"ec", "rsa", "p384c", "p521c", "pkcs1c", "sec1c"};
	char options[256];

	(void)state;
	sh(WORLD_TOOLS
	    "ec P-384 > c384.key; cert c384 ca extendedKeyUsage=clientAuth; folder p384c ca c384\n"
	    "ec P-521 > c521.key; cert c521 ca extendedKeyUsage=clientAuth; folder p521c ca c521\n"
	    "folder pkcs1c ca client-rsa; openssl rsa -in client-rsa.key -traditional -out pkcs1c/key.pem\n"
	    "folder sec1c ca client; openssl ec -in client.key -out sec1c/key.pem\n");
	for (size_t i = 0; i < 3; i++) {
		snprintf(options, sizeof(options), "-cert %s.pem -key %s.key " MUTUAL, servers[i],
		    servers[i]);
		struct server s = serve(options);

		for (size_t k = 0; k < (i ? 2 : 6); k++)
			works(&s, folders[k], "localhost");
		stop(&s);
	}
}

static void speaks_every_suite(void **state)
{
	static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
	    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"};
	char options[256];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(options, sizeof(options), SERVER MUTUAL "-cipher %s", suites[i]);
		struct server s = serve(options);

		works(&s, "ec", "localhost");
		stop(&s);
	}
}

static void verifies_a_server_that_wants_no_certificate(void **state)
{
	struct server s = serve(SERVER);

	(void)state;
	works(&s, "server-only", "localhost");
	works(&s, "ec", "localhost");
	stop(&s);
	s = serve(SERVER "-verify 4"); /* asks, and goes on without */
	works(&s, "server-only", "localhost");
	stop(&s);
}

static void finds_the_name_in_all_its_forms(void **state)
{
	struct server s = serve(SERVER);

	(void)state;
	works(&s, "server-only", "LocalHost");
	works(&s, "server-only", "localhost.");
	works(&s, "server-only", "docker.example.test");
	works(&s, "server-only", "127.0.0.1");
	works(&s, "server-only", "::1");
	works(&s, "server-only", "0:0:0:0:0:0:0:1");
	stop(&s);
}

static void sends_the_name_but_no_address_as_sni(void **state)
{
	struct server s;

	(void)state;
	/* With the name it gets the right certificate, without one that is for nobody here. */
	sh(WORLD_TOOLS "cert nobody ca subjectAltName=DNS:nobody");
	s = serve(
	    "-cert nobody.pem -key nobody.key -servername localhost -cert2 server.pem -key2 server.key");
	works(&s, "server-only", "localhost");
	fails(&s, "server-only", "127.0.0.1",
	    "the server's certificate is for nobody; not for 127.0.0.1");
	stop(&s);
}

static void verifies_chains_on_both_sides(void **state)
{
	struct server s;

	(void)state;
	sh(WORLD_TOOLS
	    "cert middle ca basicConstraints=critical,CA:true; cert deep middle " NAMES "\n"
	    "cert deepc middle extendedKeyUsage=clientAuth; folder chain ca deepc\n"
	    "cat deepc.pem middle.pem > chain/cert.pem; cat other.pem ca.pem > chain/ca.pem\n"
	    "folder half ca deepc\n"
	    "cert wrong ca basicConstraints=critical,CA:false; cert under wrong " NAMES "\n");
	s = serve("-cert deep.pem -key deep.key -cert_chain middle.pem " MUTUAL);
	works(&s, "chain", "localhost");
	fails(&s, "half", "localhost", "the server did not accept cert.pem (alert 48, unknown_ca)");
	stop(&s);
	s = serve("-cert deep.pem -key deep.key");
	fails(&s, "server-only", "localhost", "ca.pem did not sign the server's certificate");
	stop(&s);
	s = serve("-cert deep.pem -key deep.key -cert_chain other.pem");
	fails(&s, "server-only", "localhost",
	    "the certificates that the server sent do not lead up to ca.pem one by one");
	stop(&s);
	s = serve("-cert under.pem -key under.key -cert_chain wrong.pem");
	fails(&s, "server-only", "localhost",
	    "the server's certificate is signed by one that may not sign others");
	stop(&s);
}

static void trusts_a_certificate_that_signed_itself(void **state)
{
	struct server s;

	(void)state;
	sh("openssl req -x509 -new -key server.key -subj /CN=x -addext " NAMES " -addext "
	   "basicConstraints=critical,CA:false -days 9 -out self.pem; mkdir self; cp self.pem self/ca.pem\n"
	   "openssl req -x509 -new -key server.key -subj /CN=x -addext subjectAltName=DNS:y -days 9 -out self2.pem\n");
	s = serve("-cert self.pem -key server.key");
	works(&s, "self", "localhost");
	fails(&s, "self", "host",
	    "the server's certificate is for localhost, *.example.test, 127.0.0.1, "
	    "0:0:0:0:0:0:0:1; not for host");
	fails(&s, "server-only", "localhost", "ca.pem did not sign the server's certificate");
	stop(&s);
}

static void speaks_over_ipv6(void **state)
{
	struct server s = serve_with("exec openssl s_server -accept '[::1]:0' -rev " SERVER);

	(void)state;
	load("server-only");
	assert_int_equal(connect_to("::1", s.port, "::1", wall_now()), 0);
	echoes();
	hang_up();
	stop(&s);
}

/* ---- much data ------------------------------------------------------------------------------------- */

static void brings_every_byte_whatever_the_size_of_reads(void **state)
{
	static const size_t sizes[] = {1000, 4096, 16384, 100000};
	struct server s = serve_with(
	    "exec openssl s_server -accept 127.0.0.1:0 -HTTP -http_server_binmode " SERVER);
	size_t n, i;

	(void)state;
	sh("(printf 'HTTP/1.0 200 ok\\r\\n\\r\\n'; head -c 300000 /dev/urandom) > big");
	char *expected = read_whole(in_world("big"), &n), *got = malloc(n + 1);

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		load("server-only");
		assert_int_equal(dial(&s, "localhost"), 0);
		send_all("GET /big HTTP/1.0\r\n\r\n", 21);
		/* One byte more is asked for than comes: the end is the server's close_notify. */
		assert_int_equal(receive(got, n + 1, sizes[i], false), n);
		assert_memory_equal(got, expected, n);
		hang_up();
	}
	free(expected);
	free(got);
	stop(&s);
}

static void sends_more_than_a_record(void **state)
{
	struct server s = serve(SERVER);
	char *big = malloc(100001), *got = malloc(100001);

	(void)state;
	load("server-only");
	assert_int_equal(dial(&s, "localhost"), 0);
	for (int i = 0; i < 100000; i++)
		big[i] = (char)('a' + i % 26);
	for (int i = 9999; i < 100000; i += 10000)
		big[i] = '\n';
	/* s_server reverses a line at a time, of at most 16 KiB. */
	for (size_t at = 0; at < 100000; at += 10000) {
		send_all(big + at, 10000);
		assert_int_equal(receive(got, 10000, 4096, true), 10000);
		for (size_t i = 0; i < 9999; i++)
			assert_int_equal(got[i], big[at + 9998 - i]);
	}
	free(big);
	free(got);
	hang_up();
	stop(&s);
}

static void tells_what_was_decrypted_already(void **state)
{
	struct server s = serve(SERVER);
	char one;

	(void)state;
	load("server-only");
	assert_int_equal(dial(&s, "localhost"), 0);
	assert_false(net_pending(&stream));
	assert_int_equal(net_wants(&stream, 0), 0);
	assert_int_equal(net_wants(&stream, LOOP_READ), LOOP_READ);
	assert_int_equal(net_wants(&stream, LOOP_READ | LOOP_WRITE), LOOP_READ | LOOP_WRITE);
	send_all("ab\n", 3);
	assert_int_equal(receive(&one, 1, 1, false), 1);
	assert_int_equal(one, 'b');
	/* The socket is silent, the stream is not: the owner is called through its readiness for writing. */
	assert_true(net_pending(&stream));
	assert_int_equal(net_wants(&stream, LOOP_READ), LOOP_READ | LOOP_WRITE);
	assert_int_equal(net_wants(&stream, 0), 0);
	assert_int_equal(receive(&one, 1, 1, false), 1);
	assert_int_equal(receive(&one, 1, 1, false), 1);
	assert_int_equal(one, '\n');
	assert_false(net_pending(&stream));
	hang_up();
	stop(&s);
}

static void a_cut_is_no_end(void **state)
{
	struct server s = serve(SERVER);
	char byte;

	(void)state;
	load("server-only");
	assert_int_equal(dial(&s, "localhost"), 0);
	stop(&s); /* killed: TCP ends without a close_notify */
	turn(LOOP_READ);
	assert_int_equal(net_read(&stream, &byte, 1), -ECONNRESET);
	hang_up();
}

/* ---- handshakes that fail --------------------------------------------------------------------------- */

static void refuses_servers_of_another_name(void **state)
{
	struct server s;

	(void)state;
	sh(WORLD_TOOLS
	    "cert bare ca basicConstraints=CA:false; cp bare.key localhost.key; cert localhost ca "
	    "basicConstraints=CA:false; cert usage ca '" NAMES "\nextendedKeyUsage=clientAuth'");
	s = serve(SERVER);
	fails(&s, "server-only", "host",
	    "the server's certificate is for localhost, *.example.test, 127.0.0.1, 0:0:0:0:0:0:0:1; not for host");
	fails(&s, "server-only", "127.0.0.2",
	    "the server's certificate is for localhost, *.example.test, 127.0.0.1, 0:0:0:0:0:0:0:1; not for "
	    "127.0.0.2");
	fails(&s, "server-only", "example.test",
	    "the server's certificate is for localhost, *.example.test, 127.0.0.1, 0:0:0:0:0:0:0:1; not for "
	    "example.test");
	stop(&s);
	s = serve("-cert localhost.pem -key localhost.key");
	fails(&s, "server-only", "localhost",
	    "the server's certificate has no subjectAltName, and its common name alone does not count; it must "
	    "name localhost");
	stop(&s);
	s = serve("-cert usage.pem -key usage.key");
	fails(&s, "server-only", "localhost",
	    "the server's certificate is not one for servers (extendedKeyUsage lacks serverAuth)");
	stop(&s);
}

static void refuses_servers_of_another_ca(void **state)
{
	struct server s;

	(void)state;
	/* Once under another name, once under the same name with another key: a CA that was made anew. */
	sh(WORLD_TOOLS
	    "cert foreign other " NAMES "; mkdir again; ec > again.key\n"
	    "openssl req -x509 -new -key again.key -subj /CN=ca -days 99 -out again.pem; cp again.pem again/ca.pem\n");
	s = serve("-cert foreign.pem -key foreign.key");
	fails(&s, "ec", "localhost", "ca.pem did not sign the server's certificate");
	stop(&s);
	s = serve(SERVER);
	fails(&s, "again", "localhost", "ca.pem did not sign the server's certificate");
	stop(&s);
}

static void refuses_servers_out_of_date(void **state)
{
	struct server s = serve(SERVER);
	int64_t now = wall_now();

	(void)state;
	load("server-only");
	assert_int_equal(connect_to("127.0.0.1", s.port, "localhost", now + 400 * DAY), -EPROTO);
	assert_non_null(strstr(words, "the server's certificate expired on 20"));
	net_close(&stream);
	assert_int_equal(connect_to("127.0.0.1", s.port, "localhost", now - 2 * DAY), -EPROTO);
	assert_non_null(strstr(words, "the server's certificate is not valid before 20"));
	assert_null(strstr(words, "cannot be right"));
	net_close(&stream);
	assert_int_equal(connect_to("127.0.0.1", s.port, "localhost", 5000), -EPROTO);
	assert_non_null(strstr(words, "; the clock here says 1970-01-01, which cannot be right"));
	net_close(&stream);
	assert_int_equal(connect_to("127.0.0.1", s.port, "localhost", -5000), -EPROTO);
	hang_up();
	stop(&s);
}

static void says_what_a_server_wants(void **state)
{
	struct server s = serve(SERVER MUTUAL);

	(void)state;
	sh(WORLD_TOOLS
	    "cert stranger other extendedKeyUsage=clientAuth; folder stranger ca stranger\n"
	    "rsa > stranger-rsa.key; cert stranger-rsa other extendedKeyUsage=clientAuth\n"
	    "folder stranger-rsa ca stranger-rsa");
	fails(&s, "server-only", "localhost",
	    "the server wants a client certificate, and cert.pem and key.pem are missing");
	fails(&s, "stranger", "localhost",
	    "the server did not accept cert.pem (alert 48, unknown_ca)");
	fails(&s, "stranger-rsa", "localhost",
	    "the server did not accept cert.pem (alert 48, unknown_ca)");
	stop(&s);
}

#define NOTHING_IN_COMMON \
	"the server has nothing in common with us: needed are TLS 1.2, ECDHE with AES-GCM or " \
	"ChaCha20-Poly1305, and an RSA or EC certificate (no Ed25519, no RSA-PSS)"

static void says_what_is_not_spoken(void **state)
{
	struct server s;

	(void)state;
	sh(WORLD_TOOLS
	    "key -algorithm ED25519 > ed.key; cert ed ca " NAMES
	    "; ca edca; cp ed.key edca2.key; ca edca2\n"
	    "cert byed edca2 " NAMES "\n"
	    "openssl req -new -key server.key -subj /CN=x -out csr; printf '" NAMES "' > ext\n"
	    "openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -extfile ext -sha1 -out sha1.pem\n"
	    "openssl req -x509 -new -key rsa.key -subj /CN=rca -days 9 -out rca.pem; cp rsa.key rca.key\n"
	    "openssl x509 -req -in csr -CA rca.pem -CAkey rca.key -extfile ext -sigopt "
	    "rsa_padding_mode:pss -out pss.pem; mkdir rca; cp rca.pem rca/ca.pem\n");
	s = serve(SERVER "-tls1_3");
	fails(&s, "ec", "localhost", "the server does not speak TLS 1.2");
	stop(&s);
	s = serve(SERVER "-cipher ECDHE-ECDSA-AES256-SHA384");
	fails(&s, "ec", "localhost", NOTHING_IN_COMMON);
	stop(&s);
	s = serve("-cert ed.pem -key ed.key");
	fails(&s, "ec", "localhost", NOTHING_IN_COMMON);
	stop(&s);
	s = serve("-cert byed.pem -key byed.key");
	fails(&s, "ec", "localhost",
	    "the server's certificate is signed with Ed25519, which is not supported");
	stop(&s);
	s = serve("-cipher ALL:@SECLEVEL=0 -cert sha1.pem -key server.key");
	fails(&s, "ec", "localhost",
	    "the server's certificate is signed with SHA-1, which is not supported");
	stop(&s);
	s = serve("-cert pss.pem -key server.key");
	fails(&s, "rca", "localhost",
	    "the server's certificate is signed with RSA-PSS, which is not supported");
	stop(&s);
}

/* Accepts one connection, sends the bytes, and closes it in an orderly way. */
static struct server say_once(const char *bytes, size_t n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(a);
	struct server s = {0};
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	char waste[4096];

	assert_int_equal(bind(listener, (struct sockaddr *)&a, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &length), 0);
	s.port = ntohs(a.sin_port);
	s.out = open("/dev/null", O_RDONLY);
	s.pid = fork();
	if (!s.pid) {
		fd = accept(listener, NULL, NULL);
		if (read(fd, waste, sizeof(waste)) > 0 && write(fd, bytes, n) == (ssize_t)n)
			shutdown(fd, SHUT_WR);
		while (read(fd, waste, sizeof(waste)) > 0)
			;
		_exit(0);
	}
	close(listener);
	return s;
}

static void says(const char *bytes, size_t n, int error, const char *expected)
{
	struct server s = say_once(bytes, n);

	load("ec");
	assert_int_equal(dial(&s, "localhost"), error);
	if (expected)
		assert_string_equal(words, expected);
	hang_up();
	stop(&s);
}

static void says_who_does_not_speak_tls(void **state)
{
	static const char http[] = "HTTP/1.0 400 Bad Request\r\n\r\n",
			  ssh[] = "SSH-2.0-OpenSSH_9.2\r\n";
	static const char alert[] = "\x15\3\3\0\2\2\x28", tls11[] = "\x16\3\2\0\x28\2\0\0\x24\3\2";
	static const char garbage[] = "\x16\3\3\0\4\xff\xff\xff\xff";

	(void)state;
	says(http, sizeof(http) - 1, -EPROTO, "what answers there does not speak TLS");
	says(ssh, sizeof(ssh) - 1, -EPROTO, "what answers there does not speak TLS");
	says("\0\0", 2, -EPROTO, "what answers there does not speak TLS");
	says("", 0, -ECONNRESET, "the server closed the connection at the first word of TLS");
	says("\x16", 1, -ECONNRESET, "the server closed the connection at the first word of TLS");
	says("\x16\3\3", 3, -ECONNRESET,
	    "the server closed the connection in the middle of the TLS handshake");
	says(alert, 7, -EPROTO, NOTHING_IN_COMMON);
	says(garbage, 9, -EPROTO, NULL);
	assert_non_null(strstr(words, "what the server sent is not sound TLS"));
	says(tls11, 11, -EPROTO, "the server does not speak TLS 1.2");
}

static void says_that_a_server_is_silent(void **state)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(here);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct net_address a;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&here, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &length), 0);
	load("ec");
	assert_true(net_literal(&a, span_of("127.0.0.1"), ntohs(here.sin_port)));
	assert_int_equal(tls_open(&stream, &a, &client, "localhost", wall_now()), -EAGAIN);
	assert_string_equal(net_words(&stream, ETIMEDOUT), strerror(ETIMEDOUT));
	turn(LOOP_READ | LOOP_WRITE);
	assert_int_equal(net_connect(&stream), -EAGAIN);
	assert_string_equal(
	    net_words(&stream, ETIMEDOUT), "the server does not answer the first word of TLS");
	fd = accept(listener, NULL, NULL);
	assert_int_equal(write(fd, "\x16\3\3", 3), 3);
	turn(LOOP_READ | LOOP_WRITE);
	assert_int_equal(net_connect(&stream), -EAGAIN);
	assert_string_equal(net_words(&stream, ETIMEDOUT),
	    "the server fell silent in the middle of the TLS handshake");
	close(fd);
	close(listener);
	hang_up();
}

static void survives_every_cut_of_a_handshake(void **state)
{
	/* ServerHello, and a Certificate message of one malformed certificate. */
	static const char hello[] = "\x16\3\3\0\x31\2\0\0\x2d\3\3"
				    "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\0\xc0\x2b\0\0\5\xff\1\0\1\0"
				    "\x16\3\3\0\x10\x0b\0\0\x0c\0\0\x09\0\0\x06\x30\4\2\x02\x7f\x7f";

	(void)state;
	for (size_t i = 1; i < sizeof(hello); i += 3)
		says(hello, i, i < 75 ? -ECONNRESET : -EPROTO, NULL);
	says(hello, sizeof(hello) - 1, -EPROTO, NULL);
	assert_non_null(strstr(words, "the server's certificate is malformed"));
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static void opens_nothing_without_its_certificates(void **state)
{
	struct tls_client none = {0};
	struct net_address a;
	char error[256], name[300];

	(void)state;
	assert_true(net_literal(&a, span_of("127.0.0.1"), 1));
	assert_int_equal(tls_open(&stream, &a, &none, "localhost", wall_now()), -ENOKEY);
	assert_int_equal(stream.fd, -1);
	load("ec");
	assert_int_equal(tls_open(&stream, &a, &client, "", wall_now()), -EINVAL);
	memset(name, 'a', sizeof(name));
	name[254] = 0;
	assert_int_equal(tls_open(&stream, &a, &client, name, wall_now()), -EINVAL);
	/* Nobody listens on port 1. */
	assert_int_equal(connect_to("127.0.0.1", 1, "localhost", wall_now()), -ECONNREFUSED);
	assert_string_equal(words, strerror(ECONNREFUSED));
	hang_up();
	/* A load that fails leaves nothing to connect with. */
	load("ec");
	assert_int_equal(
	    tls_load(&client, in_world("missing"), false, wall_now(), error, sizeof(error)), -1);
	assert_int_equal(tls_open(&stream, &a, &client, "localhost", wall_now()), -ENOKEY);
}

static void keeps_its_certificates_while_they_are_read_anew(void **state)
{
	struct server s = serve(SERVER MUTUAL);
	struct net_address a;
	int error;

	(void)state;
	load("ec");
	assert_true(net_literal(&a, span_of("127.0.0.1"), s.port));
	assert_int_equal(tls_open(&stream, &a, &client, "localhost", wall_now()), -EAGAIN);
	load("rsa");
	tls_unload(&client);
	do {
		turn(LOOP_READ | LOOP_WRITE);
		error = net_connect(&stream);
	} while (error == -EAGAIN);
	assert_int_equal(error, 0);
	echoes();
	hang_up();
	stop(&s);
}

static void closes_at_any_moment(void **state)
{
	struct server s = serve(SERVER MUTUAL);
	struct net_address a;

	(void)state;
	load("ec");
	assert_true(net_literal(&a, span_of("127.0.0.1"), s.port));
	for (int steps = 0; steps < 12; steps++) {
		int error = tls_open(&stream, &a, &client, "localhost", wall_now());

		for (int i = 0; i < steps && error == -EAGAIN; i++) {
			turn(LOOP_READ | LOOP_WRITE);
			error = net_connect(&stream);
		}
		assert_true(!error || error == -EAGAIN);
		net_close(&stream);
	}
	hang_up();
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(speaks_with_ec_and_rsa_on_both_sides),
	    cmocka_unit_test(speaks_every_suite),
	    cmocka_unit_test(verifies_a_server_that_wants_no_certificate),
	    cmocka_unit_test(finds_the_name_in_all_its_forms),
	    cmocka_unit_test(sends_the_name_but_no_address_as_sni),
	    cmocka_unit_test(verifies_chains_on_both_sides),
	    cmocka_unit_test(trusts_a_certificate_that_signed_itself),
	    cmocka_unit_test(speaks_over_ipv6),
	    cmocka_unit_test(brings_every_byte_whatever_the_size_of_reads),
	    cmocka_unit_test(sends_more_than_a_record),
	    cmocka_unit_test(tells_what_was_decrypted_already),
	    cmocka_unit_test(a_cut_is_no_end),
	    cmocka_unit_test(refuses_servers_of_another_name),
	    cmocka_unit_test(refuses_servers_of_another_ca),
	    cmocka_unit_test(refuses_servers_out_of_date),
	    cmocka_unit_test(says_what_a_server_wants),
	    cmocka_unit_test(says_what_is_not_spoken),
	    cmocka_unit_test(says_who_does_not_speak_tls),
	    cmocka_unit_test(says_that_a_server_is_silent),
	    cmocka_unit_test(survives_every_cut_of_a_handshake),
	    cmocka_unit_test(opens_nothing_without_its_certificates),
	    cmocka_unit_test(keeps_its_certificates_while_they_are_read_anew),
	    cmocka_unit_test(closes_at_any_moment),
	};

	return cmocka_run_group_tests(tests, make_servers, remove_world);
}
