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
	    "  autoheal explain NAME   why a container is (not) watched, how it stands, what happens next\n"
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
static int ask(const char *name, const char *path, const char *token, struct buf *in)
{
	char request[1400];
	struct net_address address;
	struct net_stream s;
	int n, result;

	if (!net_local(&address, span_of(name)))
		return -EINVAL;
	result = net_open(&s, &address);
	if (result)
		return result;
	n = text_print(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s%s\r\n", path,
	    token[0] ? "Authorization: Bearer " : "", token, token[0] ? "\r\n" : "");
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
	result = ask(name, "/health", "", &in);
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

/* ---- explain ------------------------------------------------------------------------------ */

/* A text of the answer, safe to print, and what follows it. */
static void print_text(int fd, const struct json *j, int token, const char *end)
{
	static char text[8192], safe[8192];
	size_t n = json_text(j, token, text, sizeof(text));

	text_escape((struct span){text, n}, safe, sizeof(safe));
	cli_say(fd, "%s%s", safe, end);
}

static void print_explanation(const struct json *j)
{
	int steps = json_get(j, 0, "steps"), step = -1;

	print_text(STDOUT_FILENO, j, json_get(j, 0, "text"), "\n\n");
	while (json_next_element(j, steps, &step)) {
		print_text(STDOUT_FILENO, j, json_get(j, step, "question"), " ");
		print_text(STDOUT_FILENO, j, json_get(j, step, "answer"), ": ");
		print_text(STDOUT_FILENO, j, json_get(j, step, "because"), "\n");
	}
}

static bool is_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The path of the question: everything in a name but letters and digits is percent-encoded. */
static void path_of(const char *name, char *out, size_t cap)
{
	size_t n = (size_t)text_print(out, cap, "/api/containers/");

	for (const unsigned char *p = (const unsigned char *)name; *p && n + 12 < cap; p++)
		n += (size_t)(is_plain(*p) ? text_print(out + n, cap - n, "%c", *p)
					   : text_print(out + n, cap - n, "%%%02x", *p));
	text_print(out + n, cap - n, "/explain");
}

int cli_explain(const struct settings *settings, const char *container)
{
	static jsmntok_t tokens[512];
	struct http_head head;
	struct json j;
	struct buf in;
	char name[64], path[1000];
	int result, length;
	bool good = false;

	server_local_name(settings, name);
	path_of(container, path, sizeof(path));
	buf_init(&in, ANSWER_MAX);
	result = ask(name, path, settings->api_token, &in);
	length = result ? 0 : http_read_response(in.p, in.n, false, &head);
	if (result == -ECONNREFUSED || result == -ENOENT)
		cli_say(STDERR_FILENO,
		    "autoheal: no autoheal runs here (nobody answers at the abstract socket %s)\n",
		    name);
	else if (result)
		cli_say(STDERR_FILENO, "autoheal: it did not answer: %s\n", strerror(-result));
	else if (length <= 0 ||
	    json_parse(&j, (struct span){in.p + length, in.n - (size_t)length}, tokens, 512))
		cli_say(STDERR_FILENO, "autoheal: what answers at %s is not autoheal\n", name);
	else if (head.status == 200)
		good = true;
	else
		print_text(STDERR_FILENO, &j, json_get(&j, 0, "error"), "\n");
	if (good)
		print_explanation(&j);
	buf_free(&in);
	return good ? 0 : 1;
}
