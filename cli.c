/* cli.c - health, --help, of cli.h. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "http.h"
#include "json.h"
#include "net.h"
#include "server.h"

#define ANSWER_MAX 65536
#define WAIT_MS 5000

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put <= 0)
			return;
		p += put;
		n -= (size_t)put;
	}
}

void cli_say(int fd, const char *format, ...)
{
	struct buf line;
	va_list args;

	buf_init(&line, ANSWER_MAX);
	va_start(args, format);
	buf_vprint(&line, format, args);
	va_end(args);
	write_all(fd, line.p, line.n);
	buf_free(&line);
}

void cli_help(void)
{
	struct buf out;

	buf_init(&out, 16384);
	buf_add_text(&out,
	    "autoheal " AUTOHEAL_VERSION " - keeps the containers of a Docker host alive\n\n"
	    "  autoheal             watch and heal, in the foreground; the log is on stderr\n"
	    "  autoheal health      ask the running service: exit 0 healthy, 1 not, with the reason\n"
	    "  autoheal --version   autoheal --help\n\n"
	    "Containers with the label autoheal=true are watched from their start on. Settings are\n"
	    "environment variables; docs/configuration in the sources says what each does.\n\n");
	config_help(&out);
	write_all(STDOUT_FILENO, out.p, out.n);
	buf_free(&out);
}

/* Waits until the stream can be written or read; false when time is up. */
static bool wait_for(const struct net_stream *s, short events)
{
	struct pollfd fd = {.fd = s->fd, .events = events};

	return poll(&fd, 1, WAIT_MS) > 0;
}

/* One request over the service's abstract socket; the whole answer goes into `in`. */
static int ask(const char *name, const char *path, struct buf *in)
{
	char request[256];
	struct net_address address;
	struct net_stream s;
	int n, result;

	if (!net_local(&address, span_of(name)))
		return -EINVAL;
	result = net_open(&s, &address);
	if (result)
		return result;
	n = text_print(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	result = net_write(&s, request, (size_t)n) == n ? 0 : -EPIPE;
	while (!result) {
		char *room = buf_room(in, 4096);
		ssize_t got;

		if (!room || !wait_for(&s, POLLIN)) {
			result = room ? -ETIMEDOUT : -ENOMEM;
			break;
		}
		got = net_read(&s, room, 4096);
		if (got <= 0) {
			result = got == 0 ? 0 : (int)got;
			break;
		}
		in->n += (size_t)got;
	}
	net_close(&s);
	return result;
}

/* The reason of an unhealthy answer, in words. */
static void print_reason(struct span body)
{
	static jsmntok_t tokens[512];
	struct json j;
	char reason[512], safe[512];
	size_t n;

	if (json_parse(&j, body, tokens, 512)) {
		cli_say(STDOUT_FILENO, "unhealthy, and the answer cannot be read\n");
		return;
	}
	n = json_text(&j, json_get(&j, 0, "reason"), reason, sizeof(reason));
	if (!n)
		n = json_text(&j, json_get(&j, 0, "error"), reason, sizeof(reason));
	text_escape((struct span){reason, n}, safe, sizeof(safe));
	cli_say(STDOUT_FILENO, "unhealthy: %s\n", safe);
}

int cli_health(const struct settings *settings)
{
	struct http_head head;
	struct buf in;
	char name[64];
	int result, length;

	server_local_name(settings, name);
	buf_init(&in, ANSWER_MAX);
	result = ask(name, "/health", &in);
	length = result ? 0 : http_read_response(in.p, in.n, false, &head);
	if (result == -ECONNREFUSED || result == -ENOENT)
		cli_say(STDOUT_FILENO,
		    "unhealthy: no autoheal runs here (nobody answers at the abstract socket %s)\n",
		    name);
	else if (result)
		cli_say(STDOUT_FILENO, "unhealthy: autoheal did not answer: %s\n", strerror(-result));
	else if (length <= 0)
		cli_say(STDOUT_FILENO, "unhealthy: what answers at %s is not autoheal\n", name);
	else if (head.status == 200)
		cli_say(STDOUT_FILENO, "healthy\n");
	else
		print_reason((struct span){in.p + length, in.n - (size_t)length});
	buf_free(&in);
	return !result && length > 0 && head.status == 200 ? 0 : 1;
}
