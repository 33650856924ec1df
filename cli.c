/* cli.c - health, --help, of cli.h. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "memory.h"
#include "net.h"
#include "server.h"
#include "store.h"

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
	    "  autoheal doctor [--json]   check the whole setup without changing anything: exit 0 all well, 1 not\n"
	    "  autoheal notify-test    send a test message to every target of notices; exit 0 when all took it\n"
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

/* Asks the running service. Returns what came, whatever its status, or says after `prefix` why there is none. */
static bool ask_service(const struct settings *settings, const char *path, int fd,
    const char *prefix, struct buf *in, struct http_head *head, struct json *body)
{
	static jsmntok_t tokens[4096]; /* 64 engines have some 600 */
	char name[64];
	int result, length;

	server_local_name(settings, name);
	buf_init(in, ANSWER_MAX);
	result = ask(name, path, settings->api_token, in);
	length = result ? 0 : http_read_response(in->p, in->n, false, head);
	if (result == -ECONNREFUSED || result == -ENOENT)
		cli_say(fd, "%sno autoheal runs here (nobody answers at the abstract socket %s)\n",
		    prefix, name);
	else if (result)
		cli_say(fd, "%sautoheal did not answer: %s\n", prefix, text_error(-result));
	else if (length <= 0 ||
	    json_parse(body, (struct span){in->p + length, in->n - (size_t)length}, tokens, 4096))
		cli_say(fd, "%swhat answers at %s is not autoheal\n", prefix, name);
	else
		return true;
	return false;
}

/* A text of the answer, safe to print, and what follows it. */
static size_t print_text(int fd, const struct json *j, int token, const char *before, const char *end)
{
	static char text[8192], safe[8192];
	size_t n = json_text(j, token, text, sizeof(text));

	if (n) {
		text_escape((struct span){text, n}, safe, sizeof(safe));
		cli_say(fd, "%s%s%s", before, safe, end);
	}
	return n;
}

int cli_health(const struct settings *settings)
{
	static const char prefix[] = "unhealthy: ";
	struct http_head head;
	struct json j;
	struct buf in;
	bool healthy = ask_service(settings, "/health", STDOUT_FILENO, prefix, &in, &head, &j);

	if (healthy && head.status != 200) {
		healthy = false;
		if (!print_text(STDOUT_FILENO, &j, json_get(&j, 0, "reason"), prefix, "\n"))
			print_text(STDOUT_FILENO, &j, json_get(&j, 0, "error"), prefix, "\n");
	} else if (healthy) {
		cli_say(STDOUT_FILENO, "healthy\n");
	}
	buf_free(&in);
	return healthy ? 0 : 1;
}

/* ---- explain ------------------------------------------------------------------------------ */

/* The path of the question: every byte of the name is percent-encoded. */
static void path_of(const char *name, char *out, size_t cap)
{
	size_t n = (size_t)text_print(out, cap, "/api/containers/");

	for (; *name && n + 12 < cap; name++)
		n += (size_t)text_print(out + n, cap - n, "%%%02x", (unsigned char)*name);
	text_print(out + n, cap - n, "/explain");
}

int cli_explain(const struct settings *settings, const char *name)
{
	static const char prefix[] = "autoheal: ";
	struct http_head head;
	struct json j;
	struct buf in;
	char path[1000];
	int step = -1, steps;
	bool good;

	path_of(name, path, sizeof(path));
	good = ask_service(settings, path, STDERR_FILENO, prefix, &in, &head, &j);
	if (good && head.status != 200) {
		good = false;
		print_text(STDERR_FILENO, &j, json_get(&j, 0, "error"), prefix, "\n");
	}
	if (good) {
		steps = json_get(&j, 0, "steps");
		print_text(STDOUT_FILENO, &j, json_get(&j, 0, "text"), "", "\n\n");
		while (json_next_element(&j, steps, &step)) {
			print_text(STDOUT_FILENO, &j, json_get(&j, step, "question"), "", " ");
			print_text(STDOUT_FILENO, &j, json_get(&j, step, "answer"), "", ": ");
			print_text(STDOUT_FILENO, &j, json_get(&j, step, "because"), "", "\n");
		}
	}
	buf_free(&in);
	return good ? 0 : 1;
}

static void print_outcome(void *owner, const char *target, bool good, const char *words)
{
	char safe[512];

	(void)owner;
	text_escape(span_of(words), safe, sizeof(safe));
	cli_say(STDOUT_FILENO, "%s %s: %s\n", good ? "ok    " : "failed", target, safe);
}

int cli_notify_test(struct notify *n)
{
	uint64_t taken = 0;
	size_t targets = n->count - (n->heartbeat != NULL);

	if (!targets) {
		cli_say(STDERR_FILENO,
		    "autoheal: there is no target: set AUTOHEAL_NOTIFY, WEBHOOK_URL or APPRISE_URL\n");
		return 1;
	}
	notify_test(n, print_outcome, NULL);
	while (notify_waits(n))
		loop_turn(n->loop);
	for (size_t i = 0; i < targets; i++)
		taken += n->targets[i]->sent;
	notify_close(n);
	log_finish(1000);
	return taken == targets ? 0 : 1;
}

void cli_read_config(struct config *c, void (*warn)(const char *sentence))
{
	struct config_draft draft;
	char path[512], names[CONFIG_NAMES_MAX];
	jsmntok_t *tokens = NULL;
	char *text = malloc(STORE_CONFIG_MAX);
	struct json j;
	int room;
	ssize_t n = -1;
	size_t wrong;
	int fd;

	text_print(path, sizeof(path), "%s/config.json", c->now.data_dir);
	fd = c->now.data_dir[0] ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW) : -1;
	if (fd >= 0 && text)
		n = read(fd, text, STORE_CONFIG_MAX);
	if (fd >= 0)
		close(fd);
	if (n > 0 && memory_is_own((struct span){text, (size_t)n}) &&
	    json_valid((struct span){text, (size_t)n}, &wrong) &&
	    (tokens = json_tokens((struct span){text, (size_t)n}, &room)) &&
	    !json_parse(&j, (struct span){text, (size_t)n}, tokens, room)) {
		if (config_draft(&draft, c, CONFIG_STORED, &j, "", warn))
			config_commit(c, &draft, names);
		config_drop(&draft);
	}
	free(tokens);
	free(text);
}
